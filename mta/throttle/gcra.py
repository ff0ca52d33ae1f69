"""The rate limit in plain numbers: the generic cell rate algorithm (ATM Forum TM 4.0, section 4.4.2).

The queue's scripts do the same arithmetic on Redis's clock; this is the form to read, and what they are tested against.
One number per path is the whole state: `tat`, the theoretical arrival time, when the bucket is empty again.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """A rate as GCRA sees it; all times in ms.

    interval   between two messages at the full rate; 0 = no limit
    tolerance  how far `tat` may run ahead: interval x (burst - 1)
    """

    interval: float
    tolerance: float = 0.0

    def take(self, now: float, tat: float, n: int) -> tuple[int, float]:
        """Return how many of `n` messages may go at `now`, and the new `tat`; none leaves it as it was.

        In any span of t ms at most `1 + (tolerance + t) / interval` messages are granted.
        """
        if n <= 0:
            return 0, tat
        if self.interval <= 0:
            return n, tat
        ahead = max(tat, now)
        granted = min(n, math.floor((now + self.tolerance - ahead) / self.interval) + 1)
        if granted <= 0:
            return 0, tat
        return granted, ahead + granted * self.interval

    def wait(self, now: float, tat: float) -> float:
        """Return ms until one message may go; 0 = now."""
        return max(0.0, tat - self.tolerance - now) if self.interval > 0 else 0.0
