"""When to try again: a function of the message's age, so that nothing can be lost or corrupted by a restart.

Each wait is a share of the age the message has reached, so tries thin out by themselves: with first = 5 min and
factor = 1 they fall near 5, 10, 20, 40 minutes. RFC 5321 4.5.4.1 asks for 30 minutes in general and allows
the first tries to come sooner; greylisting servers expect 5 to 15.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a class of mail is retried; all times in seconds."""

    first: float = 300.0  # shortest wait
    factor: float = 1.0  # wait = age x factor
    most: float = 4 * 3600.0  # longest wait
    lifetime: float = 4 * 86400.0  # from acceptance to `expired`
    jitter: float = 0.2  # share of the wait that chance may add


def wait_ms(schedule: Schedule, age_ms: int, chance: float) -> int:
    """Return the wait before the next try in ms; `chance` in [0, 1) spreads tries that failed together."""
    wait = min(max(schedule.first, age_ms / 1000 * schedule.factor), schedule.most)
    return int(wait * (1 + schedule.jitter * chance) * 1000)
