"""Replies of one session on their way out: in order, late where a behaviour says so, and counted dots."""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from mta.demo.counts import Counts

MAX_WAITING = 10_000  # delayed replies of one session; a peer that asks for more is cut off


class After(Enum):
    """What follows once a reply has been written."""

    NOTHING = 0
    CLOSE = 1
    STARTTLS = 2


class _Waiting(NamedTuple):
    due: float
    text: bytes  # empty: a dot that gets no reply
    after: After
    dot: bool


class Outbox:
    """The replies of one connection. `unheard`: dots answered of which the peer has not shown that it knows.

    What it pipelined proves nothing; the next dot does, since its 354 came behind the answer to this one.
    """

    transport: asyncio.Transport

    def __init__(
        self, loop: asyncio.AbstractEventLoop, counts: Counts, start_tls: Callable[[], None]
    ) -> None:
        self.unheard = 0
        self._loop = loop
        self._counts = counts
        self._start_tls = start_tls
        self._ready: list[bytes] = []
        self._ready_dots = 0
        self._waiting: deque[_Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, text: bytes, delay_ms: float, after: After, dot: bool) -> None:
        """Queue one reply, `delay_ms` from now and never before an earlier one."""
        if dot:
            self.unheard = 0
        if not delay_ms and after is After.NOTHING and not self._waiting:
            self._ready.append(text)
            self._ready_dots += dot
            return
        due = self._loop.time() + delay_ms / 1000
        if self._waiting:
            due = max(due, self._waiting[-1].due)
        self._waiting.append(_Waiting(due, text, after, dot))
        if len(self._waiting) > MAX_WAITING:
            self.transport.abort()

    def flush(self) -> None:
        """Write what is due in one piece, and arm the timer for the rest."""
        if self._ready:
            self.transport.write(b"".join(self._ready))
            self._ready.clear()
            self._counts.dots_open -= self._ready_dots
            self.unheard += self._ready_dots
            self._ready_dots = 0
        if self._waiting and self._timer is None:
            self._release()

    def lose(self, *, heard: bool) -> None:
        """The connection is gone: count the dots that got no reply. `heard`: the peer said QUIT first."""
        if self._timer:
            self._timer.cancel()
        lost = sum(waiting.dot for waiting in self._waiting) + self._ready_dots
        self._waiting.clear()
        self._counts.dots_open -= lost
        self._counts.dots_lost += lost
        if not heard:
            self._counts.dots_unconfirmed += lost + self.unheard

    def _release(self) -> None:
        self._timer = None
        now = self._loop.time() + 0.0005  # timers of the loop are no finer
        while self._waiting and self._waiting[0].due <= now:
            waiting = self._waiting.popleft()
            self._counts.dots_open -= waiting.dot
            if waiting.text:
                self.transport.write(waiting.text)
                self.unheard += waiting.dot
            elif waiting.dot:
                self._counts.dots_lost += 1
                self._counts.dots_unconfirmed += 1
            if waiting.after is After.CLOSE:
                self.transport.close()
                return
            if waiting.after is After.STARTTLS:
                self._start_tls()
        if self._waiting:
            self._timer = self._loop.call_at(self._waiting[0].due, self._release)
