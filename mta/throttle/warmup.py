"""Warm-up of a new source: a ladder of daily caps per receiving provider, and when the next rung is taken.

Receivers judge an address by what came from it before; mail from one they have never seen is deferred or refused when
there is much of it at once. So its mail a day to each provider is capped, and the cap grows while the mail is taken.
The day is a number (of UTC, since 1970) that the caller passes in; nothing here knows what time it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final

LADDER: Final = (
    200, 500, 1_000, 2_000, 5_000, 10_000, 20_000,
    40_000, 50_000, 75_000, 100_000, 150_000, 200_000, 250_000,
    325_000, 400_000, 500_000, 600_000, 750_000, 1_000_000, 1_250_000,
    1_750_000, 2_000_000, 3_000_000, 4_250_000, 5_000_000, 6_000_000, 7_500_000,
    10_000_000,
)  # fmt: skip
"""Messages a day. SparkPost's automatic warm-up (user guide, automated-ip-warmup): per address there, here per address
and provider."""

DELIVERED: Final = 0.9
"""More than this share of a stage has to be delivered. SparkPost, the same page."""
DEFERRED: Final = 0.05
"""A share of deferrals that holds the cap by itself."""
RISEN: Final = 0.005
"""From this share on deferrals hold the cap when they have doubled since the day that led here (NitroMTA 0.2.2 holds at
0.5 %), and when there are at least"""
RISEN_LEAST: Final = 5
PATIENCE: Final = 10
"""Days of one stage after which such a share, being below the other, counts as what is usual there."""
BOUNCED: Final = 0.05
"""A share of refusals that holds the cap. Amazon SES reviews a sender at 5 %."""
RECENT: Final = ((14, 30), (28, 60))
"""To a stage of the first two (four) weeks belong recipients that opened or clicked within so many days, to later ones
those within"""
RECENT_LATER: Final = 90
"""days (SparkPost: weeks 1 and 2, weeks 3 and 4, none beyond 90 days before week 6)."""
MOST_STAGES: Final = 100
UNUSED: Final = "nothing was sent"


class LadderError(ValueError):
    """A ladder can't be used; the message names the rung and the cure."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a source's mail to a provider on one day."""

    taken: int = 0  # counted against the cap: given to workers, whatever became of it
    delivered: int = 0
    deferred: int = 0
    bounced: int = 0

    @property
    def attempts(self) -> int:
        """Attempts that had an outcome."""
        return self.delivered + self.deferred + self.bounced


@dataclass(frozen=True, slots=True)
class Position:
    """Where a source stands with a provider: its stage from 0, the day that is under way, why it did not move.

    `deferred`: share of deferrals on the day that led to this stage, -1 before the first. `ended`: it is warm, and has
    no cap any more.
    """

    day: int
    stage: int = 0
    since: int = 0  # day on which the stage began
    held: str = ""
    deferred: float = -1.0
    ended: bool = False


def checked(ladder: Sequence[int]) -> tuple[int, ...]:
    """Return a ladder that can be used; raise LadderError."""
    if not 1 <= len(ladder) <= MOST_STAGES:
        raise LadderError(f"has {len(ladder)} stages; give 1 to {MOST_STAGES}")
    if ladder[0] < 1:
        raise LadderError(f"begins with {ladder[0]}; a stage sends at least 1 message a day")
    for number, (below, above) in enumerate(pairwise(ladder), 2):
        if above <= below:
            raise LadderError(
                f"shrinks at stage {number}: {above} after {below}; each stage must be above the one before"
            )
    return tuple(ladder)


def cap(position: Position, ladder: Sequence[int]) -> int:
    """Return the messages a day; -1: no bound, the source is warm."""
    if position.ended:
        return -1
    return ladder[min(position.stage, len(ladder) - 1)]


def recent(position: Position) -> int:
    """Return within how many days a stage's recipients shall have opened or clicked; 0: it does not matter any more."""
    if position.ended:
        return 0
    return next((days for stages, days in RECENT if position.stage < stages), RECENT_LATER)


def begin(day: int) -> Position:
    """Return where a source begins."""
    return Position(day, 0, day)


def advance(position: Position, day: int, counts: Counts, ladder: Sequence[int]) -> Position:
    """Return the position on a later day, after what was counted on the position's day; one stage at most.

    The same day, or an earlier one (a clock that was set back), changes nothing.
    """
    if day <= position.day or position.ended:
        return replace(position, day=max(day, position.day))
    why = holds(counts, cap(position, ladder), position)
    if why:
        return replace(position, day=day, held=why)
    share = counts.deferred / counts.attempts
    if position.stage + 1 >= len(ladder):
        return Position(day, position.stage, position.since, "", share, ended=True)
    return Position(day, position.stage + 1, day, "", share)


def holds(counts: Counts, cap: int, position: Position) -> str:
    """Return why a day with these counts does not lead to the next stage; empty: it does."""
    sent = counts.attempts
    if not sent:
        return UNUSED
    bounced, deferred, before = counts.bounced / sent, counts.deferred / sent, position.deferred
    if bounced >= BOUNCED:
        return f"{bounced:.1%} was refused; less than {BOUNCED:.0%} may be"
    if deferred >= DEFERRED:
        return f"{deferred:.1%} was deferred; less than {DEFERRED:.0%} may be"
    young = position.day < position.since + PATIENCE
    if young and before >= 0 and counts.deferred >= RISEN_LEAST and deferred >= max(RISEN, 2 * before):
        return f"deferrals rose from {before:.1%} to {deferred:.1%}"
    if counts.delivered <= DELIVERED * cap:
        return f"{counts.delivered:,} of {cap:,} were delivered; it takes more than {DELIVERED:.0%}"
    return ""


def day_of(text: str) -> int:
    """Return the number of a day such as 2026-11-30; raise ValueError."""
    if len(text) != 10:
        raise ValueError(text)
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def day_at(now_ms: int) -> int:
    """Return the number of the day (of UTC) at a time in ms since 1970."""
    return now_ms // 86_400_000


def spelled(day: int) -> str:
    """Return a day as text, such as 2026-11-30."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
