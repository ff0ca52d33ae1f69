"""What the engine answers to submissions: the `accepted` or `rejected` event that carries the entry's key."""

import secrets
import time
from typing import TYPE_CHECKING

from mta.cli.failure import DATA, UNAVAILABLE, Failure
from mta.cli.show import span

if TYPE_CHECKING:
    from mta.cli.door import Door

ANSWER_SECONDS = 10.0
MAX_REFUSED_ROWS = 20  # shown; the rest is counted


class Answers:
    """Collects the answers to one tenant's entries. Made with `listen`, before the first entry goes out."""

    def __init__(self, door: "Door", tenant: str) -> None:
        self.door = door
        self.tenant = tenant
        self.entries: dict[str, dict[str, str]] = {}  # by key
        self.refused_rows: list[dict[str, str]] = []
        self._tail = door.tail()

    @classmethod
    async def listen(cls, door: "Door", tenant: str) -> "Answers":
        """Return the collector, at the streams' end."""
        answers = cls(door, tenant)
        await answers._tail.to_end()
        return answers

    async def read(self, block_ms: int | None = None) -> list[dict[str, str]]:
        """Take in all that came, waiting up to `block_ms` for the first; return the tenant's events."""
        page = found = await self._tail.read(block_ms)
        while page:
            page = await self._tail.read(None)
            found = found + page
        events = [event for event in found if event.get("tenant") == self.tenant]
        for event in events:
            if event["event"] == "rejected" and "row" in event:
                if len(self.refused_rows) < MAX_REFUSED_ROWS:
                    self.refused_rows.append(event)
            elif event["event"] in ("accepted", "rejected") and "key" in event:
                self.entries[event["key"]] = event
        return events

    async def of(self, key: str, seconds: float = ANSWER_SECONDS) -> dict[str, str]:
        """Return the `accepted` event of an entry; raise Failure when it is rejected or nobody answers."""
        ends = time.monotonic() + seconds
        while key not in self.entries:
            left = ends - time.monotonic()
            if left <= 0:
                raise Failure(UNAVAILABLE, await silence(self.door, seconds))
            await self.read(max(1, int(left * 1000)))
        answer = self.entries[key]
        if answer["event"] == "rejected":
            raise refusal(answer)
        return answer


def refusal(event: dict[str, str]) -> Failure:
    """Return a `rejected` event as a failure."""
    return Failure(DATA, f"refused ({event.get('code', '?')}): {event.get('why', 'no reason given')}")


async def silence(door: "Door", seconds: float) -> str:
    """Return what to say when no engine answered; the entry itself stays in its stream."""
    status = await door.producer.status()
    beat = int(status.get("beat", 0))
    age = int(time.time() * 1000) - beat
    last = f"; the engine last gave a sign {span(age)} ago" if beat else "; no engine ever ran on this Redis"
    return f"submitted, but nobody answered within {seconds:g} s{last}. It stays in the queue until one does"


async def order(door: "Door", kind: str, tenant: str, key: str, data: bytes) -> dict[str, str]:
    """Submit a `tenant` or `control` document and return its `accepted` event; raise Failure."""
    answers = await Answers.listen(door, tenant)
    await door.producer.submit("control", kind, tenant, key, data)
    return await answers.of(key)


def fresh_key(word: str) -> str:
    """Return an idempotency key for an order: never the same twice, since an order given again is meant."""
    return f"{word}-{time.time_ns():x}-{secrets.token_hex(4)}"
