"""The text of an SPF record: mechanisms in their order, and where it redirects (RFC 7208 sections 4.6 and 12)."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

MAX_TERMS: Final = 200
_TERM = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9._-]*)(.*)", re.DOTALL)
_LENGTHS = re.compile(r"(.*?)(?:/(\d{1,2}))?(?://(\d{1,3}))?\Z", re.DOTALL)
_NAMES: Final = frozenset(("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"))


class RecordError(ValueError):
    """The record can't be read; the message names the term."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One mechanism: its qualifier, its domain or network, prefix lengths, and the text as written."""

    qualifier: str
    name: str
    value: str = ""
    length4: int = 32
    length6: int = 128
    text: str = ""


def parse(record: str) -> tuple[list[Mechanism], str]:
    """Return the mechanisms up to `all`, and the target of `redirect=` (empty: none); raise RecordError."""
    terms = record.split()[1:]
    if len(terms) > MAX_TERMS:
        raise RecordError(f"it has more than {MAX_TERMS} terms")
    found: list[Mechanism] = []
    seen: dict[str, str] = {}
    for term in terms:
        matched = _TERM.fullmatch(term)
        if matched is None:
            raise RecordError(f"{term[:40]!r} is no term")
        qualifier, name, rest = matched.groups()
        if rest.startswith("=") and not qualifier:
            name = name.lower()
            if name in ("redirect", "exp"):
                if name in seen:
                    raise RecordError(f"{name}= stands twice")
                seen[name] = rest[1:]
            continue  # a modifier that is not known is ignored (section 6)
        found.append(_mechanism(qualifier or "+", name.lower(), rest, term))
    for number, one in enumerate(found):
        if one.name == "all":  # what follows is never reached, and a redirect is not looked at (section 5.1)
            return found[: number + 1], ""
    return found, seen.get("redirect", "")


def _mechanism(qualifier: str, name: str, rest: str, term: str) -> Mechanism:
    if name not in _NAMES:
        raise RecordError(f"{term[:40]!r} is no mechanism")
    if name == "all" and rest:
        raise RecordError(f"{term[:40]!r} is no term")
    if name in ("ip4", "ip6"):
        try:
            network = ipaddress.ip_network(rest.removeprefix(":"), strict=False)
        except ValueError as error:
            raise RecordError(f"{term[:60]!r} is no network") from error
        if network.version != int(name[2]):
            raise RecordError(f"{term[:60]!r} is no {name} network")
        return Mechanism(qualifier, name, str(network), text=term)
    if name in ("a", "mx"):
        matched = _LENGTHS.fullmatch(rest)
        assert matched is not None
        value, four, six = matched.groups()
        lengths = int(four or 32), int(six or 128)
        if lengths[0] > 32 or lengths[1] > 128:
            raise RecordError(f"{term[:60]!r} has a prefix that is too long")
        return Mechanism(qualifier, name, _domain(value, term, needed=False), *lengths, text=term)
    if name == "all":
        return Mechanism(qualifier, name, text=term)
    return Mechanism(qualifier, name, _domain(rest, term, needed=name != "ptr"), text=term)


def _domain(rest: str, term: str, *, needed: bool) -> str:
    value = rest.removeprefix(":")
    if (rest and not rest.startswith(":")) or (needed and not value) or (rest == ":"):
        raise RecordError(f"{term[:60]!r} lacks its domain")
    return value
