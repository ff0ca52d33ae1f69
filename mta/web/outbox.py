"""Events and suppressions on their way to Redis: gathered for a moment, kept in the spool while Redis is away."""

import asyncio
import contextlib
from typing import Any, Final

from mta.web.doors import Feedback, Suppressions
from mta.web.spool import Spool

FLUSH_SECONDS: Final = 0.1
FLUSH_EVENTS: Final = 200
SPOOL_SECONDS: Final = 0.5
"""Between two looks at the file of what could not be sent."""
MAX_WAITING: Final = 20_000
"""Events in memory; beyond it the newest are dropped and counted."""
CALL_SECONDS: Final = 5.0
REST_SECONDS: Final = 1.0
"""How long Redis is left alone after a call failed."""
BY: Final = "recipient"

Row = list[Any]  # ["event", shard, fields] or ["suppress", tenant, list, address, reason, ts]


class Outbox:
    """`event` for what may be lost in a crash within 100 ms; `leave` for an unsubscribe, kept before it returns."""

    def __init__(self, feedback: Feedback, suppressions: Suppressions, spool: Spool) -> None:
        self.feedback = feedback
        self.suppressions = suppressions
        self.spool = spool
        self.dropped = 0
        self._waiting: list[tuple[int, dict[str, str]]] = []
        self._news = asyncio.Event()  # something waits
        self._wake = asyncio.Event()  # it is not to wait any longer
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._rest_until = 0.0
        self._files = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Events in memory."""
        return len(self._waiting)

    def event(self, shard: int, fields: dict[str, str]) -> None:
        """Send an event soon."""
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self._waiting.append((shard, fields))
        self._news.set()
        if len(self._waiting) >= FLUSH_EVENTS:
            self._wake.set()

    async def leave(
        self, shard: int, fields: dict[str, str], tenant: str, list_: str, address: str, ts: int
    ) -> None:
        """Suppress an address and tell of it; done or safely kept at return. Raises OSError when neither can be.

        An address that is on the list already is told of no second time.
        """
        suppress: Row = ["suppress", tenant, list_, address, "unsubscribed", ts]
        told: Row = ["event", shard, fields]
        rows = [suppress, told]
        if not self._resting:
            try:
                if not await self._suppress(suppress):
                    return
                rows = [told]
                await self._publish([(shard, fields)])
                return
            except Exception:
                self._rest()
        async with self._files:
            await asyncio.to_thread(self.spool.add, rows, durable=True)

    def start(self) -> None:
        """Begin sending."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Send or keep what waits, and end."""
        self._stopping = True
        self._news.set()
        self._wake.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SPOOL_SECONDS):
                    await self._news.wait()
            if self._news.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FLUSH_SECONDS):
                        await self._wake.wait()
            self._news.clear()
            self._wake.clear()
            await self._flush()
            await self._replay()
        await self._flush()

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:FLUSH_EVENTS], self._waiting[FLUSH_EVENTS:]
            if not self._resting:
                try:
                    await self._publish(batch)
                    continue
                except Exception:
                    # Whatever the fault, the events are good: they wait in the file and are tried again.
                    self._rest()
            try:
                async with self._files:
                    rows = [["event", shard, fields] for shard, fields in batch]
                    await asyncio.to_thread(self.spool.add, rows)
            except OSError:
                self.dropped += len(batch)

    async def _replay(self) -> None:
        while not (self.spool.empty or self._resting or self._stopping or self._waiting):
            async with self._files:
                rows, position = await asyncio.to_thread(self.spool.peek, FLUSH_EVENTS)
                try:
                    for row in rows:
                        if row[0] == "suppress":
                            await self._suppress(row)
                    events = [(row[1], row[2]) for row in rows if row[0] == "event"]
                    if events:
                        await self._publish(events)
                except Exception:
                    self._rest()
                    return
                await asyncio.to_thread(self.spool.drop, position)

    async def _publish(self, batch: list[tuple[int, dict[str, str]]]) -> None:
        async with asyncio.timeout(CALL_SECONDS):
            await self.feedback.publish(batch)

    async def _suppress(self, row: Row) -> int:
        _, tenant, list_, address, reason, ts = row
        async with asyncio.timeout(CALL_SECONDS):
            return await self.suppressions.add(tenant, list_, [address], reason, BY, ts)

    @property
    def _resting(self) -> bool:
        return asyncio.get_running_loop().time() < self._rest_until

    def _rest(self) -> None:
        self._rest_until = asyncio.get_running_loop().time() + REST_SECONDS
