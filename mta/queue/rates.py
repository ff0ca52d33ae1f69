"""How much mail moved in the last minutes, over all hosts: a short list of intervals that the keeper adds to.

Prometheus keeps the long story. This is what a person who looks at a terminal or the console sees without it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from mta.queue.keys import Keys
from mta.queue.link import Client

EVERY_SECONDS: Final = 5.0
KEPT: Final = 120  # intervals: ten minutes
FLOWS: Final = ("accepted", "delivered", "deferred", "bounced", "expired", "failed")


class Interval(msgspec.Struct, frozen=True, array_like=True):
    """What happened within `seconds` until `at` (ms since 1970): recipients accepted, attempts by their outcome."""

    at: int
    seconds: float
    accepted: int = 0
    delivered: int = 0
    deferred: int = 0
    bounced: int = 0
    expired: int = 0
    failed: int = 0


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Interval).decode


class Rates:
    """Adds and reads."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def add(self, interval: Interval) -> None:
        """Add the newest interval; the oldest goes. Raises QueueDown."""
        pipe = self.client.pipeline(transaction=False)
        pipe.lpush(self.keys.rates, _encode(interval))
        pipe.ltrim(self.keys.rates, 0, KEPT - 1)
        await pipe.execute()

    async def read(self, most: int = KEPT) -> list[Interval]:
        """Return the newest intervals, oldest first; none were written by an engine that does not run."""
        found = []
        for raw in await self.client.lrange(self.keys.rates, 0, most - 1):
            try:
                found.append(_decode(raw))
            except msgspec.DecodeError:
                continue
        return found[::-1]


def counted(events: Iterable[dict[str, str]]) -> dict[str, int]:
    """Return what a page of events adds to an interval. An `accepted` event is for many, unless it is a repeat."""
    found = dict.fromkeys(FLOWS, 0)
    for event in events:
        kind = event.get("event", "")
        if kind not in found or event.get("async") or event.get("repeat"):
            continue
        count = event.get("count", "") if kind == "accepted" else "1"
        # An order's count is how many things it touched, not mail.
        if kind == "accepted" and event.get("kind") not in ("message", "recipients"):
            continue
        found[kind] += int(count) if count.isdecimal() else 0
    return found


def per_second(intervals: Sequence[Interval], flow: str, now: int, seconds: float = 60.0) -> float:
    """Return the mean of one of FLOWS over the last `seconds` before `now` (ms), 0.0 where nothing is known."""
    recent = [one for one in intervals if now - one.at < seconds * 1000]
    span = sum(one.seconds for one in recent)
    return sum(getattr(one, flow) for one in recent) / span if span > 0 else 0.0
