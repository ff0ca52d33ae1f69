"""Times, counts and turns as they stand in an answer."""

from datetime import UTC, datetime

_DAY = 86_400_000


def clock(at: int, now: int) -> str:
    """Return a time of UTC: `14:02:10 UTC` when it is of the same day, else with its date."""
    when = datetime.fromtimestamp(at / 1000, UTC)
    return when.strftime("%H:%M:%S UTC" if at // _DAY == now // _DAY else "%Y-%m-%d %H:%M:%S UTC")


def ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th, 11th, ..."""
    end = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{end}"


def per_second(interval: float) -> str:
    """Return the rate of a GCRA interval in ms, in the unit in which it is a plain number."""
    rate = 1000.0 / interval
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        if rate * seconds >= 1:
            return f"{rate * seconds:.4g}/{unit}"
    return f"{rate * 86400:.4g}/day"


def many(count: int, noun: str) -> str:
    """Return `1 message`, `2 messages`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def shown(text: str) -> str:
    """Return a stranger's text cut, and without what moves a cursor."""
    return "".join(char if char.isprintable() else "?" for char in text[:200])
