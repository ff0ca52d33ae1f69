"""What looks on in a storm: hands mail in, in waves, knows what was answered, follows the events, checks the ledger."""

import asyncio
import dataclasses
from typing import Any

from bench.books import Entry, Told, balance
from bench.documents import person
from bench.ledger import entry_of, events
from bench.load import Plan, submissions
from bench.rig import Rig
from bench.snapshot import queued
from mta.demo.newsletter import entry
from mta.queue.inspect import Inspect
from mta.queue.keys import Keys
from mta.queue.link import QueueDown, Server, connect

BATCH = 16  # entries in one pipeline
SUPPRESSED = 20  # recipients that are on their tenants' lists


class Watch:
    """Hands mail in and follows what is told of it, through whatever happens to Redis."""

    def __init__(self, rig: Rig, plan: Plan) -> None:
        self.rig = rig
        self.plan = plan
        self.keys = Keys()
        self.client = connect(Server(rig.redis_url))
        self.inspect = Inspect(self.client, self.keys)
        self.told = Told()
        self.again = 0  # entries submitted more than once, for want of an answer
        self.submitted = 0  # recipients handed in
        self._position = "-"
        self._sure: set[tuple[str, str]] = set()
        self._mail = list(submissions(plan))
        self.entries = [one for each in self._mail if (one := entry_of(each.cls, each.fields)) is not None]

    async def suppress(self) -> None:
        """Put some of the recipients on their tenants' suppression lists."""
        step = max(1, self.plan.count // SUPPRESSED)
        people = [person(n, self.plan.domains, self.plan.seed).email for n in range(0, self.plan.count, step)]
        orders = []
        for number in range(self.plan.tenants):
            tenant = f"t{number}"
            order = {"op": "suppress", "tenant": tenant, "addresses": people, "by": "bench"}
            orders.append(("control", entry("control", tenant, f"{self.plan.run}-s{number}", order)))
        await self._hand_in(orders)

    async def submit(self, until: int) -> None:
        """Hand in what is not yet, up to so many recipients; what gets no answer is handed in again, same key."""
        while self._mail and self.submitted < until:
            batch, self._mail = self._mail[:BATCH], self._mail[BATCH:]
            await self._hand_in([(one.cls, one.fields) for one in batch])
            self.submitted += sum(one.messages for one in batch)

    async def _hand_in(self, batch: list[tuple[str, dict[str, str]]]) -> None:
        while True:
            pipe = self.client.pipeline(transaction=False)
            for label, fields in batch:
                pipe.xadd(self.keys.submit_stream(label), fields)
            try:
                await pipe.execute()
                break
            except QueueDown:
                self.again += len(batch)
                await asyncio.sleep(0.1)
        self._sure.update((fields["tenant"], fields["key"]) for _, fields in batch)

    async def follow(self, until: str = "+") -> int:
        """Read on; return how many recipients have a final event."""
        async for event_id, event in events(self.client, self.keys, 0, self._position, until):
            self.told.add(event)
            self._position = event_id
        return self.told.done

    def finished(self) -> bool:
        """Whether every entry is accepted, and every recipient has a final event."""
        if len(self.told.accepted) + len(self.told.refused) < len(self.entries):
            return False
        return self.told.done >= sum(count for count, _ in self.told.accepted.values())

    async def check(self) -> dict[str, Any]:
        """Check the ledger at this instant; return the verdict."""
        while True:
            try:
                waiting = await queued(self.client, self.keys)
                await self.follow(waiting.last)
                break
            except QueueDown:
                await asyncio.sleep(0.1)
        return balance(map(self._sure_or_not, self.entries), self.told, waiting).document()

    def _sure_or_not(self, one: Entry) -> Entry:
        return one if (one.tenant, one.key) in self._sure else dataclasses.replace(one, sure=False)

    async def flights(self) -> dict[str, int]:
        """Return what each worker has in flight, by the name of its lease."""
        return {one.name: one.in_flight for one in await self.inspect.workers()}
