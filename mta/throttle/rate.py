"""How people write a rate, "100/min" or "20000/day": the one grammar of documents and of the shaping file."""

import re
from dataclasses import dataclass
from typing import Final

SECONDS: Final = {"s": 1, "min": 60, "h": 3600, "day": 86400}

# ASCII digits only: a rate in another script's digits is read by no other program.
_RATE = re.compile(r"([1-9]\d{0,9})/(s|min|h|day)", re.ASCII)
# Spellings of other programs, for the cure alone.
_LONG = re.compile(
    r"([1-9]\d{0,9})\s*/\s*(?:(s)(?:ec|econd)?s?|(m)(?:in|inute)?s?|(h)(?:r|our)?s?|(d)(?:ay)?s?)",
    re.ASCII | re.IGNORECASE,
)
_SHORT: Final = {"s": "s", "m": "min", "h": "h", "d": "day"}


class RateError(ValueError):
    """The text is no rate; the message says what to write in its place."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many messages in so many seconds; `text` as it was written."""

    text: str
    count: int
    seconds: int

    @property
    def per_second(self) -> float:
        """The same as messages per second."""
        return self.count / self.seconds


def parse(text: str) -> Rate:
    """Return the Rate that `10/s`, `100/min`, `50000/h` or `20000/day` spells; raise RateError.

    The count is a whole number from 1, with at most ten digits.
    """
    found = _RATE.fullmatch(text)
    if found is None:
        if near := _LONG.fullmatch(text):
            raise RateError(f"write {near[1]}/{_SHORT[near[near.lastindex or 1].lower()]}")
        raise RateError("write a whole number above 0, / and s, min, h or day: 50000/h")
    return Rate(text, int(found[1]), SECONDS[found[2]])
