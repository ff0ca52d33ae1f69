"""Settings of the way out by address: `[sources.<name>]`, what mail is sent from, and `[pools.<name>]`, who shares it.

Their number is the operator's choice, so they stand beside the fixed tree (mta.config.tree) and are read by its rules.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated as A

from mta.config.units import Unit
from mta.throttle.pools import Pools, Source, pools_of
from mta.throttle.warmup import LADDER


def _weights(value: object) -> tuple[tuple[str, float], ...]:
    if not isinstance(value, dict):
        raise ValueError
    for weight in value.values():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= 1_000_000:
            raise ValueError
    return tuple((str(name), float(weight)) for name, weight in value.items())


def _numbers(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(one) is int for one in value):
        raise ValueError
    return tuple(value)


Weights = A[
    tuple[tuple[str, float], ...],
    Unit("a table of sources and weights above 0, such as { a = 3, b = 1 }", _weights),
]
Numbers = A[tuple[int, ...], Unit("a list of whole numbers, such as [200, 500, 1000]", _numbers)]


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """[sources.<name>]"""

    address: A[str, "IPv4 address to send from; empty = receivers are reached by IPv6 alone"] = ""
    address6: A[str, "IPv6 address to send from; empty = receivers are reached by IPv4 alone"] = ""
    helo: A[str, "name said in EHLO; the address should resolve to it and back; empty = net.helo"] = ""
    warm: A[bool, "false: receivers do not know it yet; it is warmed up by the ladder"] = True
    start: A[str, 'day on which its warm-up begins, "2026-11-30"; empty = the day it is first seen'] = ""
    ladder: A[Numbers, "messages a day to one provider, stage by stage of its warm-up"] = LADDER


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """[pools.<name>]"""

    sources: A[Weights, "the pool's sources, and by which weights they share its mail"] = ()


def pools(sources: Iterable[tuple[str, SourceSettings]], given: Iterable[tuple[str, PoolSettings]]) -> Pools:
    """Return sources and pools ready for use; raise PoolError, which names the setting and the cure."""
    return pools_of(
        {
            name: Source(name, one.address, one.address6, one.helo, one.warm, one.start, one.ladder)
            for name, one in sources
        },
        {name: dict(one.sources) for name, one in given},
    )
