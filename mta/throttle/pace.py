"""The pace of a path whose receiver says "too fast": cut at once, found again step by step.

What `mta/queue/lua/parts/pace.lua` does inside Redis, written out: a test runs both on the same numbers. Plain AIMD
halves and so uses three quarters of a limit. Here the cut follows the share of attempts that was refused, the way back
is quick at first and slow near the rate at which it went wrong, and what lies beyond is tried in steps that
double, as CUBIC does it (RFC 9438, which says why this keeps a link full); so a limit is found from below, and one that
was raised is found within a minute.
"""

from typing import Final, NamedTuple

PAUSED: Final = 0.9
"""Share refused from which on only a trickle goes for a while: the receiver counts by the minute, or is angry."""
TOP: Final = 0.98
BASE: Final = 0.93
TRICKLE: Final = 0.05
LEAST: Final = 0.05  # messages per second: below it no pace says more than a pause does
LOWER: Final = 0.85  # after such a while
MOST_PAUSE_MS: Final = 16_000
ROUND_MS: Final = 12_000  # the way back, or the time of
ROUND_MESSAGES: Final = 300  # so many messages, should that be longer
STEP: Final = 0.02  # beyond the top, after a sixth of a round, doubled with each further sixth
ENDS: Final = 6.0  # rounds after which nothing of it holds
DOUBLINGS: Final = 6  # a round


class Pace(NamedTuple):
    """`top`: messages per second just below those at which it went wrong; `base`: where the way back began.

    `at`: when, ms since 1970; in the future while only a trickle goes. `pauses`: how many came one after another.
    """

    top: float
    base: float
    at: int
    pauses: int = 0


def round_ms(pace: Pace) -> float:
    """Return how long the way back to the top takes."""
    return max(ROUND_MS, 1000.0 * ROUND_MESSAGES / pace.top)


def rate(pace: Pace | None, now: int) -> float:
    """Return messages per second at `now` (ms since 1970); 0 = nothing holds any more."""
    if pace is None:
        return 0.0
    rounds = (now - pace.at) / round_ms(pace)
    if rounds < 0:
        return max(pace.top * TRICKLE, LEAST)
    if rounds < 1:
        return float(pace.top - (pace.top - pace.base) * (1 - rounds) ** 3)
    if rounds < ENDS:
        return float(pace.top * (1 + STEP * (2 ** (DOUBLINGS * (rounds - 1)) - 1)))
    return 0.0


def cut(pace: Pace | None, began: int, now: int, before: float, share: float) -> Pace:
    """Return the pace after refusals: `share` of the latest attempts, in [0, 1], of which the first began at `began`.

    `before` is the rate, in messages per second, that held until now. What began before the last cut says nothing of
    the pace since: nothing changes.
    """
    if pace is not None and began < pace.at:
        return pace
    pauses = pace.pauses if pace is not None and now < pace.at + round_ms(pace) else 0
    if share >= PAUSED:
        # How much too fast it was can't be seen from that: the top stays nearly what it was.
        top = max((pace.top if pauses and pace else before) * LOWER, LEAST)
        wait = min(1000 * 2**pauses, MOST_PAUSE_MS)
        return Pace(top, max(top * BASE, LEAST), now + wait, pauses + 1)
    found = before * (1 - share)
    return Pace(max(found * TOP, LEAST), max(found * BASE, LEAST), now, 0)
