"""A table by domain: `example.com`, `*.example.com` (all below it) and `*` (all others), the nearest first."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from mta.address import AddressError, domain_of

MOST_PATTERNS = 100_000

T = TypeVar("T")


class PatternError(ValueError):
    """A pattern that can't be or is there twice; the message quotes it."""


class Patterns(Generic[T]):
    """Looks up what holds for a domain in as many steps as the domain has labels."""

    def __init__(self, pairs: Iterable[tuple[str, T]] = ()) -> None:
        self._exact: dict[str, T] = {}
        self._below: dict[str, T] = {}
        self._rest: list[T] = []
        for number, (pattern, value) in enumerate(pairs):
            if number >= MOST_PATTERNS:
                raise PatternError(f"over {MOST_PATTERNS} patterns")
            self._add(pattern, value)

    def __repr__(self) -> str:
        return f"<Patterns {len(self._exact) + len(self._below) + len(self._rest)}>"

    def __bool__(self) -> bool:
        return bool(self._exact or self._below or self._rest)

    def _add(self, pattern: str, value: T) -> None:
        if pattern == "*":
            if self._rest:
                raise PatternError("'*' is there twice")
            self._rest.append(value)
            return
        table, name = (self._below, pattern[2:]) if pattern.startswith("*.") else (self._exact, pattern)
        try:
            name = domain_of(name)
        except AddressError:
            raise PatternError(f"{pattern!r} is neither a domain nor '*' nor '*.' and a domain") from None
        if name in table:
            raise PatternError(f"{pattern!r} is there twice")
        table[name] = value

    def find(self, domain: str) -> T | None:
        """Return what holds for a domain (lower case, A-labels): its own, the nearest above it, `*`, or None."""
        found = self._exact.get(domain)
        if found is not None:
            return found
        parent = domain
        while self._below and "." in parent:
            parent = parent.partition(".")[2]
            found = self._below.get(parent)
            if found is not None:
                return found
        return self._rest[0] if self._rest else None
