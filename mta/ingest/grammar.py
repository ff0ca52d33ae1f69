"""The small languages inside documents: times, durations, rates, days, one-line texts, base64.

Each reader takes the text and the name of the field it came from, and returns the value or raises Refused.
"""

import binascii
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from mta.ingest.codes import (
    BAD_BASE64,
    BAD_DURATION,
    BAD_RATE,
    BAD_TIME,
    BAD_VALUE,
    CONTROL_CHARACTER,
    Refused,
)
from mta.throttle.rate import Rate, RateError
from mta.throttle.rate import parse as parse_rate

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# C0 and C1 controls and the Unicode line separators: what a header or a command line must never hold.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# In a body or a merge value tab and line breaks are text; the rest has no glyph and no place.
BODY_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# An encoded-word is text to us but is decoded by the reader: the same ban holds for what it hides.
_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,60}\?([bBqQ])\?([^?\s]{0,2000})\?=")
_HIDDEN_Q = re.compile(r"=(?:[01][0-9A-Fa-f]|7[Ff])")

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DURATION = re.compile(r"([1-9]\d{0,6})(s|m|h|d)", re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9_+-]{1,31}){0,2}", re.ASCII)
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,4}", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def shown(value: object) -> str:
    """Return `value` quoted, escaped and cut to 80 characters, fit for a `why`."""
    return ascii(value if not isinstance(value, str) else value[:200])[:80]


def one_line(text: str, field: str) -> str:
    """Return `text` when no control character is in it, plain or inside an RFC 2047 encoded-word."""
    found = CONTROL.search(text)
    if found is not None:
        raise Refused(
            CONTROL_CHARACTER,
            f"`{field}` contains the control character U+{ord(found[0]):04X}; send it without",
        )
    if "=?" in text:
        for word in _ENCODED_WORD.finditer(text):
            if _hides_control(word[1], word[2]):
                raise Refused(
                    CONTROL_CHARACTER,
                    f"`{field}` contains an encoded-word that hides a control character; send plain UTF-8",
                )
    return text


def _hides_control(encoding: str, payload: str) -> bool:
    if encoding in "qQ":
        return _HIDDEN_Q.search(payload) is not None
    try:
        raw = binascii.a2b_base64(payload)
    except binascii.Error:
        return False  # no reader decodes it either
    return any(byte < 0x20 or byte == 0x7F for byte in raw)


def body(text: str, field: str) -> str:
    """Return `text` when it holds no control characters but tab and line breaks."""
    found = BODY_CONTROL.search(text)
    if found is not None:
        raise Refused(
            CONTROL_CHARACTER,
            f"`{field}` contains the control character U+{ord(found[0]):04X}; send it without",
        )
    return text


def time(text: str, field: str) -> int:
    """Return an RFC 3339 time with its zone as ms since 1970."""
    if _TIME.fullmatch(text):
        try:
            # fromisoformat takes up to 6 digits of a fraction; the rest is below a millisecond anyway.
            when = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper()))
        except ValueError:
            pass
        else:
            ms = round(when.timestamp() * 1000)
            if ms >= 0:
                return ms
    raise Refused(
        BAD_TIME, f"`{field}` is {shown(text)}; write an RFC 3339 time such as 2026-03-01T09:00:00Z"
    )


@lru_cache(maxsize=4096)
def date_or_time(text: str, field: str) -> int:
    """Return a day (its midnight, UTC) or an RFC 3339 time as ms since 1970."""
    if _DATE.fullmatch(text):
        try:
            return max(0, round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000))
        except ValueError:
            pass
    return time(text, field)


def duration(text: str, field: str) -> int:
    """Return `30m`, `2h` or `7d` in ms."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Refused(BAD_DURATION, f"`{field}` is {shown(text)}; write a whole number and s, m, h or d: 2h")
    return int(found[1]) * _SECONDS[found[2]] * 1000


def rate(text: str, field: str) -> Rate:
    """Return `50000/h` as a Rate."""
    try:
        return parse_rate(text)
    except RateError as error:
        raise Refused(BAD_RATE, f"`{field}` is {shown(text)}; {error}") from error


def clock(text: str, field: str) -> int:
    """Return `09:00` as minutes since midnight."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise Refused(BAD_TIME, f"`{field}` is {shown(text)}; write a time of day such as 09:00")
    return int(found[1]) * 60 + int(found[2])


def days(text: str, field: str) -> frozenset[int]:
    """Return `mon-fri` or `mon,wed,sat-sun` as day numbers, 0 = Monday; a range may pass Sunday."""
    out: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip(" ").partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise Refused(BAD_VALUE, f"`{field}` is {shown(text)}; write days such as mon-fri or mon,wed,sat")
        start, end = DAYS.index(first), DAYS.index(last or first)
        out.update(day % 7 for day in range(start, end + 1 if end >= start else end + 8))
    return frozenset(out)


@lru_cache(maxsize=1024)
def zone(text: str, field: str) -> str:
    """Return `text` when it is spelled like an IANA time zone (whether it exists, the scheduler knows)."""
    if not _ZONE.fullmatch(text):
        raise Refused(BAD_VALUE, f"`{field}` is {shown(text)}; write an IANA time zone such as Europe/Paris")
    return text


@lru_cache(maxsize=1024)
def locale(text: str, field: str) -> str:
    """Return `text` when it is spelled like a language tag (RFC 5646)."""
    if not _LOCALE.fullmatch(text):
        raise Refused(BAD_VALUE, f"`{field}` is {shown(text)}; write a language tag such as fr or pt-BR")
    return text


def base64(text: str, field: str) -> bytes:
    """Return the bytes that padded base64 without line breaks spells (RFC 4648 section 4)."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:  # binascii.Error, or non-ASCII text
        raise Refused(
            BAD_BASE64, f"`{field}` is not base64; send it padded, without line breaks or other characters"
        ) from error
