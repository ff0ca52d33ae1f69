"""What kills, and what looks on: submissions and which of them were answered, events as they come, the ledger."""

import asyncio
import dataclasses
import random
import signal
import time
from typing import Any

from bench.books import Entry, Told, balance
from bench.documents import person
from bench.fleet import Victim, fleet
from bench.ledger import entry_of, events
from bench.load import Plan, submissions
from bench.rig import Rig
from bench.snapshot import expanding, queued
from mta.demo.newsletter import entry
from mta.queue.inspect import Inspect
from mta.queue.keys import Keys
from mta.queue.link import QueueDown, Server, connect

IN_FLIGHT = 50  # a kill counts with so many messages in flight
DOTS = 10  # open at the receiver: then a kill comes after the dot
MOMENT_SECONDS = 3.0  # a moment that does not come in time is not waited for
AWAY_SECONDS = 12.0  # a stopped worker: longer than lease, grace and the others' next look together
LOOK_SECONDS = 0.003
CHECKS = 5  # during a run; one more at its end
BATCH = 32
SUPPRESSED = 20


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
        self._position = "-"
        self._sure: set[tuple[str, str]] = set()
        self._mail = list(submissions(plan))
        self.entries = [one for each in self._mail if (one := entry_of(each.cls, each.fields)) is not None]

    async def submit(self) -> None:
        """Hand everything in; what gets no answer is handed in again under the same key."""
        step = max(1, self.plan.count // SUPPRESSED)
        people = [person(n, self.plan.domains, self.plan.seed).email for n in range(0, self.plan.count, step)]
        orders = []
        for number in range(self.plan.tenants):
            tenant = f"t{number}"
            order = {"op": "suppress", "tenant": tenant, "addresses": people, "by": "bench"}
            orders.append(("control", entry("control", tenant, f"{self.plan.run}-s{number}", order)))
        await self._hand_in(orders)
        mail = [(one.cls, one.fields) for one in self._mail]
        for start in range(0, len(mail), BATCH):
            await self._hand_in(mail[start : start + BATCH])

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


class Storm:
    """Kills as a deck says; `log` tells of every kill, `checks` of the ledger at times."""

    def __init__(self, rig: Rig, watch: Watch, chance: random.Random, ends: float) -> None:
        self.rig = rig
        self.watch = watch
        self.chance = chance
        self.ends = ends
        self.began = time.monotonic()
        self.log: list[dict[str, Any]] = []
        self.checks: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self._stopped: Victim | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def play(self, cards: list[tuple[str, str]]) -> None:
        """Submit, kill, check, wait for the end of it all."""
        watch = self.watch
        submitting = asyncio.create_task(watch.submit())
        try:
            for number, (name, moment) in enumerate(cards, 1):
                if not await self._progress(int(watch.plan.count * 0.9 * number / (len(cards) + 1))):
                    break
                await self._strike(name, moment)
                if number % max(1, len(cards) // CHECKS) == 0:
                    await self._check()
            if len(self.log) < len(cards):
                self.faults.append(f"{len(cards) - len(self.log)} kills did not come to pass")
            await self._progress(None)
            await submitting
        finally:
            submitting.cancel()
            for task in self._tasks:
                task.cancel()
            if self._stopped is not None:
                self._stopped.send(signal.SIGCONT)
            await self._check()
            await watch.client.aclose()

    async def _progress(self, finals: int | None) -> bool:
        """Wait for so many final events, None for the end; False when there is no more time."""
        while time.monotonic() < self.ends:
            try:
                done = await self.watch.follow()
            except QueueDown:
                done = -1
            if self.watch.finished() or (finals is not None and done >= finals):
                return True
            await asyncio.sleep(0.02)
        if finals is None:
            self.faults.append("the time was over before everybody had a final event")
        return False

    async def _check(self) -> None:
        verdict = await self.watch.check()
        self.checks.append({"at": round(time.monotonic() - self.began, 2), **verdict})

    async def _strike(self, name: str, moment: str) -> None:
        if name == "pause" and self._stopped is not None:
            name = "worker"
        found = await self._moment(name, moment)
        if found is None:
            return
        victim, flying, happened = found
        dots = (await asyncio.to_thread(self.rig.received))["dots_open"]
        if name == "sink":
            await asyncio.to_thread(self.rig.kill_receiver)
            self._later(self._revive(self.chance.random()))
        elif victim is None:
            return
        elif name == "pause":
            victim.send(signal.SIGSTOP)
            self._stopped = victim
            self._later(self._wake(victim))
        else:
            victim.kill()
        self.log.append({
            "at": round(time.monotonic() - self.began, 2), "victim": name, "moment": happened, "in_flight": flying,
            "dots_open": dots,
        })  # fmt: skip

    async def _moment(self, name: str, wanted: str) -> tuple[Victim | None, int, str] | None:
        """Wait for the moment; return the victim, what is in flight, and whether it came. None: nothing to kill."""
        asked = time.monotonic()
        before: dict[str, int] = {}
        length = -1
        while time.monotonic() < min(self.ends, asked + 10 * MOMENT_SECONDS):
            await asyncio.sleep(LOOK_SECONDS)
            try:
                flights = await self.watch.flights()
                victim = self._victim(name, flights, young=wanted == "recover")
                mine = flights.get(victim.lease, 0) if victim is not None else 0
                flying = mine if name in ("worker", "pause") else sum(flights.values())
                grown = victim is not None and mine >= before.get(victim.lease, mine) + 8
                events_now = int(await self.watch.client.xlen(self.watch.keys.events(0)))
                happens = {
                    "any": True,
                    "take": grown,
                    "dots": wanted == "dots" and (await self._dots()) >= DOTS,
                    "settle": 0 <= length < events_now,
                    "recover": victim is not None and victim.age < 1.0,
                    "put": wanted == "put" and any((await self.watch.inspect.submitted()).values()),
                    "expand": wanted == "expand" and await expanding(self.watch.client, self.watch.keys) > 0,
                }[wanted]
            except QueueDown:
                continue
            before, length = flights, events_now
            late = time.monotonic() > asked + MOMENT_SECONDS
            if flying >= IN_FLIGHT and (victim is not None or name == "sink") and (happens or late):
                return victim, flying, wanted if happens else "any"
            if self.watch.finished():
                return None
        return None

    async def _dots(self) -> int:
        return int((await asyncio.to_thread(self.rig.received))["dots_open"])

    def _victim(self, name: str, flights: dict[str, int], *, young: bool) -> Victim | None:
        assert self.rig.engine is not None
        role = "worker" if name == "pause" else name
        found = [one for one in fleet(self.rig.engine.pid) if one.role == role]
        stopped = self._stopped.pid if self._stopped is not None else 0
        found = [one for one in found if one.pid != stopped]
        if young:
            found.sort(key=lambda one: one.age)
            return found[0] if found else None
        full = [one for one in found if flights.get(one.lease, 0) >= IN_FLIGHT] if role == "worker" else found
        return self.chance.choice(full) if full else None

    async def _revive(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.rig.revive_receiver)

    async def _wake(self, victim: Victim) -> None:
        await asyncio.sleep(AWAY_SECONDS)
        victim.send(signal.SIGCONT)
        self._stopped = None

    def _later(self, coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
