"""Delivery windows: the hours in which a campaign may send, by a clock on a wall somewhere.

The rule is about what that clock shows, so it needs no special case where clocks change: an hour that is skipped is
never open, one that comes twice is open twice. A zone is a row of fixed offsets from UTC; a window on each of them is
plain arithmetic, and the answer for a day is worked out once.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

MINUTE: Final = 60_000
DAY: Final = 86_400_000
# A window on one weekday comes round in a week; in two when clocks skip it once (a whole Friday, Samoa 2011).
HORIZON: Final = 16  # days
_THURSDAY: Final = 3  # 1 January 1970
# Names that mean another zone on every machine, or none.
_NO_ZONES: Final = frozenset({"localtime", "posixrules", "Factory"})


@dataclass(frozen=True, slots=True)
class Window:
    """When a campaign may send: day 0 is Monday, times are minutes; `end` before `start` passes midnight.

    The night of a window that passes midnight belongs to the day on which it began. ValueError on values that no
    clock shows, no days, or `start` equal to `end`.
    """

    days: frozenset[int]
    start: int
    end: int
    by_recipient: bool  # in the recipient's own zone where its `tz` is known
    zone: str

    def __post_init__(self) -> None:
        if not self.days or not self.days <= frozenset(range(7)):
            raise ValueError("a window has days from 0, Monday, to 6, and at least one")
        if not (0 <= self.start < 1440 and 0 <= self.end < 1440) or self.start == self.end:
            raise ValueError("a window's start and end differ, and are minutes from 0 to 1439")


def zone(window: Window, recipient_tz: str) -> str:
    """Return the zone whose clock counts: the recipient's where the window asks for it and the name is known.

    Else the window's own, and UTC when not even that is known. Any text may be passed.
    """
    if window.by_recipient and recipient_tz and known(recipient_tz):
        return recipient_tz
    return window.zone if known(window.zone) else "UTC"


@lru_cache(maxsize=4096)
def known(tz: str) -> bool:
    """Return whether `tz` names a zone of the IANA database, as this machine has it."""
    if tz in _NO_ZONES or len(tz) > 64:
        return False
    try:
        ZoneInfo(tz)
    except (KeyError, ValueError, OSError):  # no such zone, no such name, a directory of zones
        return False
    return True


def wait_ms(window: Window, now_ms: int, tz: str) -> int:
    """Return ms until the window opens by the clock of zone `tz`; 0 = open now.

    `now_ms` is ms since 1970; `tz` a known zone (see `zone`), else KeyError. A window that never opens within 16
    days gives the end of that time: ask again then.
    """
    day = now_ms // DAY
    opens, closes = _spans(window, tz, day)
    at = bisect_right(closes, now_ms)
    return max(0, (opens[at] if at < len(opens) else (day + HORIZON) * DAY) - now_ms)


@lru_cache(maxsize=8192)
def _spans(window: Window, tz: str, day: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return when the window opens and closes (ms since 1970), for HORIZON days from a UTC day on."""
    first, last = day * DAY, (day + HORIZON) * DAY
    length = (window.end - window.start) % 1440 * MINUTE
    opens: list[int] = []
    closes: list[int] = []
    for since, until, offset in _offsets(tz, first, last):
        # From the evening before, since it may pass midnight, to the last day this offset's clock shows.
        for date in range((since + offset) // DAY - 1, (until + offset) // DAY + 1):
            if (date + _THURSDAY) % 7 in window.days:
                opening = date * DAY + window.start * MINUTE - offset
                closing = min(opening + length, until)
                if since < closing and opening < until:
                    opens.append(max(opening, since))
                    closes.append(closing)
    return tuple(opens), tuple(closes)


def _offsets(tz: str, first: int, last: int) -> list[tuple[int, int, int]]:
    """Return (from, until, offset) of a zone between two times, all ms.

    Looked at once a day: no zone has changed twice within a week since 1970.
    """
    info = ZoneInfo(tz)
    out: list[tuple[int, int, int]] = []
    since, offset = first, _offset(info, first)
    for at in range(first + DAY, last + 1, DAY):
        if _offset(info, at) != offset:
            low, high = (at - DAY) // 1000, at // 1000
            while high - low > 1:  # to the second
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(info, middle * 1000) == offset else (low, middle)
            out.append((since, high * 1000, offset))
            since, offset = high * 1000, _offset(info, high * 1000)
    return [*out, (since, last, offset)]


def _offset(info: ZoneInfo, at: int) -> int:
    delta = datetime.fromtimestamp(at // 1000, UTC).astimezone(info).utcoffset()
    return 0 if delta is None else (delta.days * 86400 + delta.seconds) * 1000
