"""The values of a shaping file, one reader each: a rate, a count, a pattern on host names, a domain."""

import re
from typing import Final

from mta.address import MAX_DOMAIN, AddressError, domain_of
from mta.throttle.limits import MOST, MOST_RATE
from mta.throttle.rate import RateError
from mta.throttle.rate import parse as rate_of

NO_LIMIT: Final = "none"

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"  # real mail hosts have underscores, whatever the RFCs say
_SPAN = re.compile(r"([0-9]{1,7})(s|m|h|d)")
_UNITS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


class BadTerm(ValueError):
    """A value is not what its key takes; the message shows it and says what to write."""


def rate(value: object) -> float:
    """Return messages per second, 0 for "none"; raise BadTerm."""
    if value == NO_LIMIT:
        return 0.0
    try:
        found = rate_of(value if isinstance(value, str) else "").per_second
    except RateError as error:
        raise BadTerm(f'is {shown(value)}; {error}, or "{NO_LIMIT}" for no limit') from None
    if found > MOST_RATE:
        raise BadTerm(f'is {shown(value)}; write at most {MOST_RATE:.0f}/s, or "{NO_LIMIT}" for no limit')
    return found


def count(key: str, value: object) -> int:
    """Return the value of one of the limits that are whole numbers from 1; raise BadTerm."""
    # TOML's true is Python's 1.
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST[key]:
        return value
    cure = "; to stop mail to a site, suspend it" if key == "connections" and value == 0 else ""
    raise BadTerm(f"is {shown(value)}; write a whole number from 1 to {MOST[key]}{cure}")


def span(value: object) -> int:
    """Return a time such as "30s", "10m", "2h" or "1d" in ms, at most 30 days; raise BadTerm."""
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    ms = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < ms <= 30 * _UNITS["d"]:
        raise BadTerm(f'is {shown(value)}; write a time such as "30s", "10m", "2h" or "1d", at most "30d"')
    return ms


def pattern(text: str) -> str:
    """Return what hosts are looked up by: a whole name, or `.suffix` for `*.suffix`; raise BadTerm."""
    if text in ("*", "*."):
        raise BadTerm(f"{shown(text)} is every host; write its limits under [default]")
    host = text.removesuffix(".").lower()
    star = host.startswith("*.")
    host = host.removeprefix("*.")
    if not host.isascii():
        host = domain(host)
    # A last label of digits is an address in one of its spellings, no name.
    if len(host) + star > MAX_DOMAIN or not _HOST.fullmatch(host) or host.rpartition(".")[2].isdigit():
        raise BadTerm(
            f"{shown(text)} can match no MX host; write a host's name such as mx1.example.net, or *. and the"
            " end of names: *.example.net"
        )
    return "." + host if star else host


def domain(text: str) -> str:
    """Return a domain as a lower-case A-label; raise BadTerm."""
    try:
        return domain_of(text)
    except AddressError:
        raise BadTerm(f"{shown(text)} is no domain; write one such as example.net, without * or @") from None


def shown(value: object) -> str:
    """Return `value` quoted, escaped and cut to 80 characters, fit for a message."""
    return ascii(value if not isinstance(value, str) else value[:200])[:80]
