"""A clock that can be set, for simulations of weeks: the queue's scripts read it where they would ask the server.

Only the line of the prelude that asks for the time is another; everything else runs as it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha1

from mta.queue import scripts
from mta.queue.keys import Keys
from mta.queue.link import Client

ASKED = "local clock = call('TIME')\n"
READ = "local clock = call('HMGET', P .. 'calendar', 'seconds', 'microseconds')\n"


class Calendar:
    """A time in ms since 1970, and the key where scripts find it."""

    def __init__(self, client: Client, keys: Keys, now: int) -> None:
        self.client = client
        self.keys = keys
        self.at = now

    def __repr__(self) -> str:
        return f"<Calendar {self.at}>"

    async def set(self, now: int) -> None:
        """Let it be that time."""
        self.at = now
        for shard in range(self.keys.shards):
            await self.client.hset(
                f"{self.keys.base(shard)}calendar",
                mapping={"seconds": now // 1000, "microseconds": now % 1000 * 1000},
            )

    async def now(self) -> int:
        """Return the time."""
        return self.at


@contextmanager
def by_calendar() -> Iterator[None]:
    """Run all scripts of this process by the calendar; `Calendar.set` must have been called."""
    source, digest = scripts.source, scripts.digest

    @cache
    def shifted(name: str) -> str:
        text = source(name)
        assert ASKED in text, f"{name}.lua does not ask for the time as the prelude does"
        return text.replace(ASKED, READ)

    @cache
    def known(name: str) -> str:
        return sha1(shifted(name).encode(), usedforsecurity=False).hexdigest()

    scripts.source, scripts.digest = shifted, known  # type: ignore[assignment]
    try:
        yield
    finally:
        scripts.source, scripts.digest = source, digest
