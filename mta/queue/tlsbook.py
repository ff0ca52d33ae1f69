"""What all processes share of TLS: MTA-STS policies, so that one fetch serves all, and the counts of TLS reports."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

from mta.policy.tlsrpt import RESULTS, Row
from mta.queue.keys import Keys
from mta.queue.link import Client, QueueDown, QueueFull

CACHE_SECONDS: Final = 2.0
"""A cache that takes longer knows nothing: mail waits for it."""
MOST_ROWS: Final = 100_000
"""Rows of one day, of all processes."""
DAY_SECONDS: Final = 4 * 86_400
"""A day's counts are kept so long, whether they could be reported or not."""
CHUNK: Final = 500
T = TypeVar("T")


class StsCache:
    """MTA-STS policies as they were fetched (mta.net.mtasts.Cache): a Redis that is away knows nothing."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def get(self, domain: str) -> str | None:
        """Return the document kept for a domain, or None; never raises."""
        try:
            async with asyncio.timeout(CACHE_SECONDS):
                found = await self.client.get(self.keys.sts(domain))
        except (QueueDown, QueueFull, OSError):
            return None
        return found.decode("utf-8", "replace") if found else None

    async def put(self, domain: str, document: str, seconds: float) -> None:
        """Keep a document for so many seconds; never raises."""
        try:
            async with asyncio.timeout(CACHE_SECONDS):
                await self.client.set(self.keys.sts(domain), document, ex=max(1, int(seconds)))
        except (QueueDown, QueueFull, OSError):
            return


class ReportBook:
    """Sessions counted by outcome, per day, until they are reported."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def add(self, rows: list[tuple[Row, int]]) -> int:
        """Take counts out of `rows` and add them up; return how many sessions found no room.

        Raises QueueDown or QueueFull: then `rows` holds what was not tried.
        """
        lost = 0
        while rows:
            chunk = rows[:CHUNK]
            days = {row.day for row, _ in chunk}
            room = {day: MOST_ROWS - await self.client.hlen(self.keys.tlsrpt(day)) for day in days}
            del rows[: len(chunk)]  # from here on it is tried: nothing is to be counted twice
            pipe = self.client.pipeline(transaction=False)
            for row, count in chunk:
                if room[row.day] < len(chunk):
                    lost += count
                else:
                    pipe.hincrby(self.keys.tlsrpt(row.day), _packed(row), count)
            for day in days:
                pipe.expire(self.keys.tlsrpt(day), DAY_SECONDS)
                pipe.sadd(self.keys.tlsrpt_days, day)
            await pipe.execute()
        return lost

    async def days(self) -> list[str]:
        """Return the days that have counts, the oldest first; those whose counts have run out are forgotten."""
        found = []
        for raw in sorted(await self.client.smembers(self.keys.tlsrpt_days)):
            day = raw.decode()
            if await self.client.exists(self.keys.tlsrpt(day)):
                found.append(day)
            else:
                await self.client.srem(self.keys.tlsrpt_days, day)
        return found

    async def rows(self, day: str) -> list[tuple[Row, int]]:
        """Return a day's counts; what can't be read, as after a downgrade, is passed over."""
        found = []
        async for field, count in self.client.hscan_iter(self.keys.tlsrpt(day), count=CHUNK):
            row = _unpacked(day, field)
            if row is not None:
                found.append((row, int(count)))
        return found

    async def drop(self, rows: Iterable[tuple[Row, int]]) -> None:
        """Forget rows that were reported, or that nobody wants."""
        for chunk in _chunks(rows):
            pipe = self.client.pipeline(transaction=False)
            for row, _ in chunk:
                pipe.hdel(self.keys.tlsrpt(row.day), _packed(row))
            await pipe.execute()

    async def on_duty(self, name: str, seconds: int) -> bool:
        """Return whether this process, and no other, sends reports for so many seconds from now."""
        key = self.keys.tlsrpt_duty
        if await self.client.set(key, name, nx=True, ex=seconds):
            return True
        if await self.client.get(key) != name.encode():
            return False
        return bool(await self.client.expire(key, seconds))

    async def off_duty(self, name: str) -> None:
        """Let another process send reports."""
        if await self.client.get(self.keys.tlsrpt_duty) == name.encode():
            await self.client.delete(self.keys.tlsrpt_duty)


def _chunks(things: Iterable[T]) -> Iterator[list[T]]:
    left = iter(things)
    while chunk := list(islice(left, CHUNK)):
        yield chunk


def _packed(row: Row) -> str:
    return json.dumps(row[1:], separators=(",", ":"))


def _unpacked(day: str, field: bytes) -> Row | None:
    try:
        domain, policy, lines, patterns, result, source, host, address = json.loads(field)
        if policy not in ("tlsa", "sts", "no-policy-found") or (result and result not in RESULTS):
            return None
        return Row(day, domain, policy, tuple(lines), tuple(patterns), result, source, host, address)
    except (ValueError, TypeError):
        return None
