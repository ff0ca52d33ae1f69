"""Sources and pools: the addresses mail goes out from, and which of them share a pool's mail by which weights.

A pool's mail waits on one path, pool and site; what a source may do is counted for itself, on the path
"@<source>|<site>". A pool of one source that is warm and in no other pool needs no such difference: its path is the
source's. All hosts of an engine have the same sources and pools, and each sends from those whose addresses it has.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from mta.throttle.warmup import LADDER, LadderError, checked, day_of

VIA: Final = "@"  # before a source's name in a path; no pool is called so
MOST_SOURCES: Final = 64  # of one pool: a take looks at each
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class PoolError(ValueError):
    """Sources and pools can't be used; `name` is the setting, the message the fault and its cure."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


@dataclass(frozen=True, slots=True)
class Source:
    """An address of this host to send from, and the name said there in EHLO (empty: the host's).

    `warm` False: it is warmed up, by `ladder` from the day `start` on (empty: the day it is first seen).
    """

    name: str
    address: str = ""
    address6: str = ""
    helo: str = ""
    warm: bool = True
    start: str = ""
    ladder: tuple[int, ...] = LADDER

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses it has."""
        return tuple(one for one in (self.address, self.address6) if one)


@dataclass(frozen=True)
class Pools:
    """All sources and pools; without arguments there is one nameless source and nothing is chosen."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    pools: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # pool -> source -> weight
    alone: Mapping[str, str] = field(
        default_factory=dict
    )  # pool -> its only source, where the path is that one's
    wire: Mapping[str, object] | None = None  # as take.lua wants it; None: nothing to choose

    def source_of(self, path: str) -> Source | None:
        """Return the source that mail on a path goes out from; None: the nameless one."""
        return self.sources.get(self.name_of(path))

    def name_of(self, path: str) -> str:
        """Return its name, "" for the nameless one."""
        if self.wire is None:
            return ""
        pool = path.partition("|")[0]
        return pool[1:] if pool[:1] == VIA else self.alone.get(pool, "")

    def path(self, pool: str, site: str, source: str) -> str:
        """Return the path on which a source's limits count; source "": the nameless one."""
        return f"{pool}|{site}" if not source or pool in self.alone else f"{VIA}{source}|{site}"

    def without(self, absent: Iterable[str]) -> "Pools":
        """Return the same on a host that does not have these sources: it leaves their mail to others."""
        return replace(self, wire=_wire(self.sources, self.pools, self.alone, frozenset(absent)))

    def named(self, text: str) -> list[str]:
        """Return the names of the sources that have this name or address."""
        return [one.name for one in self.sources.values() if text == one.name or text in one.addresses]

    @cached_property
    def warming(self) -> tuple[Source, ...]:
        """The sources that are warmed up."""
        return tuple(one for one in self.sources.values() if not one.warm)


def pools_of(sources: Mapping[str, Source], pools: Mapping[str, Mapping[str, float]]) -> Pools:
    """Return sources and pools ready for use; raise PoolError, which names the setting and the cure."""
    for name, source in sources.items():
        _check(f"sources.{name}", name, source)
    uses: Counter[str] = Counter()
    for pool, given in pools.items():
        _check_pool(f"pools.{pool}", pool, given, sources)
        uses.update(given)
    alone = {
        pool: only
        for pool, (only, *others) in pools.items()
        if not others and sources[only].warm and uses[only] == 1
    }
    return Pools(sources, pools, alone, _wire(sources, pools, alone, frozenset()))


def _wire(
    sources: Mapping[str, Source],
    pools: Mapping[str, Mapping[str, float]],
    alone: Mapping[str, str],
    absent: frozenset[str],
) -> Mapping[str, object] | None:
    # A pool's only source by its name, "" where it is not here; else each source, its weight, whether it warms up, and
    # whether it is here: when the path is looked at again depends on those of other hosts, too.
    wire: dict[str, object] = {}
    for pool, given in pools.items():
        if pool in alone:
            wire[pool] = "" if alone[pool] in absent else alone[pool]
        else:
            wire[pool] = [
                [name, weight, int(not sources[name].warm), int(name not in absent)]
                for name, weight in given.items()
            ]
    return wire or None


def _check(setting: str, name: str, source: Source) -> None:
    _named(setting, name)
    if not source.addresses:
        raise PoolError(f"{setting}.address", "is missing; give the IP address to send from")
    for key, text, version in (("address", source.address, 4), ("address6", source.address6, 6)):
        try:
            right = not text or ipaddress.ip_address(text).version == version
        except ValueError:
            right = False
        if not right:
            raise PoolError(f"{setting}.{key}", f"is no IPv{version} address: {text!r}")
    if source.helo and not re.fullmatch(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]", source.helo):
        raise PoolError(
            f"{setting}.helo", f"is no host name: {source.helo!r}; give the name its address resolves to"
        )
    try:
        checked(source.ladder)
    except LadderError as error:
        raise PoolError(f"{setting}.ladder", str(error)) from None
    if source.start:
        try:
            day_of(source.start)
        except ValueError:
            raise PoolError(
                f"{setting}.start", f'is no day: {source.start!r}; write it as "2026-11-30"'
            ) from None


def _check_pool(setting: str, pool: str, given: Mapping[str, float], sources: Mapping[str, Source]) -> None:
    _named(setting, pool)
    if not given:
        raise PoolError(f"{setting}.sources", "is empty; name the pool's sources with their weights")
    if len(given) > MOST_SOURCES:
        raise PoolError(f"{setting}.sources", f"names over {MOST_SOURCES} sources; make several pools")
    for name in given:
        if name not in sources:
            known = ", ".join(sources) or "there is none"
            raise PoolError(
                f"{setting}.sources",
                f"names the unknown source {name!r}; add [sources.{name}], or name one of those there are: {known}",
            )


def _named(setting: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise PoolError(
            setting,
            "has a name that can't be used; take letters, digits, and . _ - after the first, 64 at most",
        )
