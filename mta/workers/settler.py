"""Group commit of verdicts: one settle under way, the next gathers meanwhile (docs/redis.md, rule of settle)."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from mta.queue.lanes import MOST, Queue, Result
from mta.queue.link import QueueDown
from mta.workers.answers import Answers, Heard

RETRY_SECONDS = 0.5


def boot_clock() -> float:
    """Seconds that go on while the machine sleeps, so that a lease ends in sleep as it does on the server."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The worker's right to act on a shard: its epoch, and until when the server is known to hold it."""

    def __init__(self, worker: str, milliseconds: int) -> None:
        self.worker = worker
        self.milliseconds = milliseconds
        self.epoch = 0
        self.until = 0.0
        self._sure_until = 0.0

    def renewed(self, asked_at: float) -> None:
        """The server confirmed the lease in a call that began at `asked_at` (boot clock)."""
        self.until = max(self.until, asked_at + self.milliseconds / 1000)
        self._sure_until = self.until - self.milliseconds / 10_000

    @property
    def held(self) -> bool:
        """Whether something may still be sent: a tenth of the lease is kept as a margin."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) < self._sure_until

    def __repr__(self) -> str:
        return f"<Lease {self.worker} epoch {self.epoch} {self.until - boot_clock():.1f} s left>"


class Settler:
    """Collects results and writes them back; `before` runs ahead of each call, `settled` after it."""

    before: Callable[[list[Result]], Awaitable[None]]
    settled: Callable[[list[Result]], None]

    def __init__(self, queue: Queue, lease: Lease) -> None:
        self.queue = queue
        self.lease = lease
        self.waiting: list[Result] = []
        self.pauses: dict[str, int] = {}
        self.answers = Answers(self._stir)
        self.interval = 0.0  # ms per message on a path without limits of its own
        self.lost = 0
        self._news = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._telling = False
        self._taken: set[bytes] = set()  # while a call was under way
        self._takes = 0
        self._sure = asyncio.Event()  # no call failed that may have been carried out
        self._idle = asyncio.Event()  # no take is under way
        self._sure.set()
        self._idle.set()

    async def sure(self) -> None:
        """Wait until the queue has answered what it was told twice.

        A message given back by a call whose reply was lost may be taken again, and telling it once more would give it
        back while it is being sent: nothing is taken meanwhile.
        """
        await self._sure.wait()

    @contextlib.contextmanager
    def taking(self) -> Iterator[Callable[[Iterable[bytes]], None]]:
        """Around a take; what it gives is to be called with the ids of what was taken."""
        self._takes += 1
        self._idle.clear()
        try:
            yield self._again
        finally:
            self._takes -= 1
            if not self._takes:
                self._idle.set()

    def _again(self, ids: Iterable[bytes]) -> None:
        # The queue gave these out anew, so it has whatever was told of them before: it must not be told again.
        if self._telling:
            self._taken.update(ids)
        elif not self._sure.is_set():
            again = set(ids)
            self.waiting = [result for result in self.waiting if result.id not in again]

    def add(self, result: Result) -> None:
        """Hand a result in; it is written with the next call."""
        self.waiting.append(result)
        self._news.set()
        self._quiet.clear()

    def pause(self, path: str, milliseconds: int) -> None:
        """Ask that nobody tries a path for a while."""
        self.pauses[path] = milliseconds
        self._news.set()
        self._quiet.clear()

    def _stir(self) -> None:
        self._news.set()
        self._quiet.clear()

    async def drained(self) -> None:
        """Wait until everything handed in is written."""
        await self._quiet.wait()

    def _told(self, heard: Heard) -> dict[str, Any]:
        return {
            "slows": list(heard.slows.values()), "fews": list(heard.fews.items()),
            "counted": list(heard.counted.values()), "interval": self.interval,
        }  # fmt: skip

    def drop(self) -> list[Result]:
        """Forget what is not written yet (the lease is lost: it belongs to another now)."""
        dropped, self.waiting, self.pauses = self.waiting, [], {}
        self._sure.set()
        return dropped

    def _keep(self, batch: list[Result], pauses: dict[str, int]) -> None:
        # Told again, it may be for the second time: a repeat finds the id gone and changes nothing.
        self._telling = False
        self._sure.clear()
        self.waiting = [result for result in batch if result.id not in self._taken] + self.waiting
        self._taken.clear()
        self.pauses = pauses | self.pauses
        self._news.set()

    async def run(self) -> None:
        """Write results for ever; raise LostLease when the lease is gone."""
        while True:
            await self._news.wait()
            if not self.waiting and not self.pauses and not self.answers.heard:
                self._news.clear()
                self._quiet.set()
                self._sure.set()
                continue
            # One turn of the loop, so that verdicts of the same read are in the same call.
            await asyncio.sleep(0)
            if not self._sure.is_set():
                await self._idle.wait()
            batch, self.waiting = self.waiting[:MOST], self.waiting[MOST:]
            self._telling = True
            pauses, self.pauses = self.pauses, {}
            heard = self.answers.take() if self.answers.heard else None
            asked_at = boot_clock()
            try:
                await self.before(batch)
                self.lost += await self.queue.settle(
                    self.lease.worker, self.lease.epoch, self.lease.milliseconds, batch, list(pauses.items()),
                    **(self._told(heard) if heard else {}),
                )  # fmt: skip
            except QueueDown:
                self._keep(batch, pauses)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except BaseException:
                # Also when this task is cancelled in mid-call, because another of the worker's met a fault first.
                self._keep(batch, pauses)
                raise
            self._telling = False
            self._taken.clear()
            self._sure.set()  # those told twice come first, and one call holds them all
            self.lease.renewed(asked_at)
            self.settled(batch)
