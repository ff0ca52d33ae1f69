"""How a setting spells a time, a size, a rate or an address, and the number it becomes."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from mta.workers.scopes import parse as parse_scopes

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", re.ASCII)
_TIMES = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_PER = {
    "s": 1.0,
    "sec": 1.0,
    "min": 60.0,
    "m": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}


@dataclass(frozen=True, slots=True)
class Unit:
    """What a kind of setting takes, in words, and how it is read; `read` raises ValueError."""

    takes: str
    read: Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the most a number may be; a list's bounds are for each of its numbers."""

    least: float
    most: float


def duration(value: object) -> float:
    """Return seconds: a number, or `250ms`, `30s`, `5m`, `2h`, `7d`; raise ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    number, unit = _split(value)
    if unit and unit not in _TIMES:
        raise ValueError
    return number * _TIMES.get(unit, 1.0)


def size(value: object) -> int:
    """Return bytes: a number, or `64KB`, `32MB`, `1GB` (powers of 1024); raise ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number, unit = _split(value)
    if unit.upper() not in _SIZES:
        raise ValueError
    return int(number * _SIZES[unit.upper()])


def rate(value: object) -> float:
    """Return a count per second: a number, or `20/s`, `100/min`, `5000/h`, `9/day`; raise ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        raise ValueError
    count, slash, per = value.partition("/")
    number, unit = _split(count.strip())
    if unit or (slash and per.strip() not in _PER):
        raise ValueError
    return number / _PER[per.strip()] if slash else number


def address(value: object) -> str:
    """Return `ip:port` or `[ip]:port` as it stands, or an empty string; raise ValueError."""
    if not isinstance(value, str):
        raise ValueError
    if value:
        host_and_port(value)
    return value


def host_and_port(text: str) -> tuple[str, int]:
    """Return the parts of `ip:port` or `[ip]:port`; raise ValueError."""
    host, colon, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    ipaddress.ip_address(host)
    if not colon or not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError
    return host, int(port)


def _split(value: object) -> tuple[float, str]:
    found = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError
    return float(found[1]), found[2]


def scopes(value: object) -> tuple[str, ...]:
    """Return the texts of a list, or of a text with commas, that spell scopes; raise ValueError."""
    texts = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError
    parse_scopes(texts)
    return tuple(texts)


Duration = Annotated[float, Unit('a time such as "250ms", "30s", "5m", "2h", "7d", or seconds', duration)]
Size = Annotated[int, Unit('a size such as "64KB", "32MB", "1GB", or bytes', size)]
Rate = Annotated[float, Unit('a rate such as "20/s", "100/min", "5000/h", or a number per second', rate)]
Listen = Annotated[str, Unit('an address such as "127.0.0.1:8025" or "[::1]:8025"; empty = off', address)]
Scopes = Annotated[
    tuple[str, ...],
    Unit('a list of "site:google", "domain:example.net", "tenant:acme", "campaign:acme/spring"', scopes),
]
