"""The duty that warms sources up: after each day it looks what became of the mail, and takes the next step or holds.

Take counts against the cap in the step that takes a batch, by the server's day; without a keeper caps stay as they are.
All steps may be repeated, and two keepers may do them at once: each writes what follows from the same counts.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mta.keeper.found import Found
from mta.queue.warmbook import REST, Rung, WarmBook
from mta.throttle import warmup
from mta.throttle.pools import Source
from mta.throttle.warmup import Counts, Position

VERDICTS_MS: Final = 120_000
"""After midnight (UTC) so long the day's last verdicts may take; then the day is judged."""
MOST_DAYS: Final = 40
"""A keeper that was away looks back so far: counts are kept no longer (settle.lua)."""
_log = logging.getLogger("mta.keeper")
Clock = Callable[[], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The sources that warm up, and the providers that have a ladder of their own with each."""

    sources: Sequence[Source] = ()
    providers: Sequence[str] = ()


class WarmUp:
    """Keeps positions and caps; `clock` (ms since 1970) is the server's, but in simulations."""

    def __init__(self, plan: Plan, book: WarmBook, clock: Clock | None = None) -> None:
        self.plan = plan
        self.book = book
        self.clock = clock or book.now
        self.today: dict[Rung, tuple[int, int]] = {}  # cap of today, -1: none, and what is used of it
        self._idle = False  # nothing warms up, and that is written

    def __repr__(self) -> str:
        return f"<WarmUp {[one.name for one in self.plan.sources]}>"

    def use(self, plan: Plan) -> None:
        """Use other sources or ladders from now on."""
        self.plan, self._idle = plan, False

    async def look(self) -> Found:
        """Judge the days that are over, and write the caps of today."""
        if self._idle:
            return Found.NOTHING
        now = await self.clock()
        today, judged = warmup.day_at(now), warmup.day_at(now - VERDICTS_MS)
        positions = await self.book.positions()
        moved, caps = await self._moved(positions, today, judged)
        await self.book.move(moved)
        changed = await self.book.allow(caps)
        self._idle = not self.plan.sources
        used = await self.book.counts(today) if caps else {}
        self.today = {rung: (most, used.get(rung, Counts()).taken) for rung, (most, _) in caps.items()}
        return Found.SOMETHING if changed or moved else Found.NOTHING

    async def _moved(
        self, positions: dict[Rung, Position], today: int, judged: int
    ) -> tuple[dict[Rung, Position], dict[Rung, tuple[int, int]]]:
        moved: dict[Rung, Position] = {}
        caps: dict[Rung, tuple[int, int]] = {}
        counted: dict[int, dict[Rung, Counts]] = {}
        for source in self.plan.sources:
            start = warmup.day_of(source.start) if source.start else 0
            if start > today:
                continue
            for provider in (*self.plan.providers, REST):
                rung = source.name, provider
                before = positions.get(rung)
                after = before or warmup.begin(today)
                for day in range(max(after.day, judged - MOST_DAYS), judged):
                    if day not in counted:
                        counted[day] = await self.book.counts(day)
                    day_before = replace(after, day=day)
                    counts = counted[day].get(rung, Counts())
                    after = warmup.advance(day_before, day + 1, counts, source.ladder)
                    _tell(rung, day_before, after, source.ladder)
                if after != before:
                    moved[rung] = after
                caps[rung] = warmup.cap(after, source.ladder), warmup.recent(after)
        return moved, caps


def _tell(rung: Rung, before: Position, after: Position, ladder: Sequence[int]) -> None:
    name, provider = rung[0], "all other sites" if rung[1] == REST else rung[1]
    if after.ended and not before.ended:
        _log.info("source %s is warm for %s: no cap any more", name, provider)
    elif after.stage > before.stage:
        most = warmup.cap(after, ladder)
        _log.info("source %s: stage %d for %s, %d messages a day", name, after.stage + 1, provider, most)
    elif after.held != before.held and after.held != warmup.UNUSED:
        _log.info("source %s: stage %d for %s is held: %s", name, after.stage + 1, provider, after.held)
