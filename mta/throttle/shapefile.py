"""Read the text of a shaping file into a Shaping, or say which line is wrong and what to write there.

Text in, values out: who opens the file, and when it is read again, is decided above. The engine keeps the Shaping
it has until a whole file is good.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Final, NoReturn, TypeVar

from mta.nearest import suggestion
from mta.throttle import terms
from mta.throttle.limits import BUILT_IN, Given, Limits, contradiction
from mta.throttle.lines import Path, place, places
from mta.throttle.reactions import KEYS as RULE_KEYS
from mta.throttle.reactions import MOST_RULES, BadRule, Rule, by_class, rule
from mta.throttle.shaping import EVERY_OTHER, Reactions, Shaping
from mta.throttle.site import named

MOST_TEXT: Final = 1 << 20  # characters
MOST_SECTIONS: Final = 4096
MOST_NAMES: Final = 1024  # patterns, or domains, of one provider
LIMITS: Final = tuple(each.name for each in fields(Given))
KEYS: Final[dict[str, tuple[str, ...]]] = {
    "default": (*LIMITS, "reactions"),
    "provider": ("mx", "domains", *LIMITS, "reactions"),
    "domain": ("provider", *LIMITS, "reactions"),
}

_PROVIDER = re.compile(r"[a-z][a-z0-9_-]{0,62}")  # no dot: a provider's name is never a domain's
_BARE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_AT_LINE = re.compile(r"at line (\d+)")

T = TypeVar("T")
A = TypeVar("A")


class ShapingError(ValueError):
    """The text is no shaping file: `<file>:<line>: <key>: <what is wrong and the cure>`."""


def parse(text: str, name: str = "shaping.toml", base: Limits = BUILT_IN) -> Shaping:
    """Return what a shaping file says; raise ShapingError. `name` is the file's, for messages.

    `base` is what holds where not even [default] says anything. A section inherits from the wider one: a domain
    from its provider, a provider from [default].
    """
    if len(text) > MOST_TEXT:
        raise ShapingError(f"{name}: has over {MOST_TEXT} characters; a shaping file has not")
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise ShapingError(f"{name}: is nested too deeply; it has sections and keys alone") from None
    except ValueError as error:  # of which TOMLDecodeError is one
        at = _AT_LINE.search(str(error))
        line = at[1] if at else text.count("\n") + 1  # "at end of document"
        raise ShapingError(f"{name}:{line}: is not TOML: {str(error)[:200]}") from error
    return _File(text, name, base).read(document)


@dataclass(slots=True)
class _File:
    """A file being read, and what the sections before have claimed."""

    text: str
    name: str
    base: Limits
    own: dict[str, Limits] = field(default_factory=dict)
    domains: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    reactions: dict[str, Reactions] = field(default_factory=dict)  # by site, "*" for every other

    def read(self, document: Mapping[str, Any]) -> Shaping:
        for key in LIMITS:
            if key in document:
                self._fail((key,), "stands above every section; write it under [default]")
        self._known((), document, KEYS, "section")
        table = self._table(("default",), document.get("default", {}))
        default = self._merged(("default",), table, self.base)
        self.reactions[EVERY_OTHER] = self._reactions(("default",), table, {})
        providers = self._sections("provider", document)
        domains = self._sections("domain", document)
        for name, table in providers.items():
            self._provider(name, table, default)
        seen: dict[str, str] = {}
        for text, table in domains.items():
            self._domain(text, table, default, providers, seen)
        by_hand = {table.get("provider") for table in domains.values()}
        for name, table in providers.items():
            if not table.get("mx") and not table.get("domains") and name not in by_hand:
                self._fail(("provider", name), "nothing belongs to it; give it `mx` patterns or `domains`")
        reactions = self.reactions if any(self.reactions.values()) else {}
        return Shaping(default, self.own, self.domains, self.hosts, frozenset(providers), reactions)

    def _sections(self, kind: str, document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        value = document.get(kind, {})
        if not isinstance(value, dict):
            self._fail((kind,), f'is a table of sections; write [{kind}."<name>"]')
        if len(value) > MOST_SECTIONS:
            self._fail((kind,), f"has {len(value)} sections, over {MOST_SECTIONS}; merge some")
        return {name: self._table((kind, name), table) for name, table in value.items()}

    def _table(self, path: Path, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._fail(path, f"is a section; write [{_dotted(path)}] above its keys")
        self._known(path, value, KEYS[path[0]], "key")
        return value

    def _known(self, path: Path, table: Iterable[str], allowed: Iterable[str], what: str) -> None:
        for key in table:
            if key not in allowed:
                self._fail((*path, key), f"unknown {what}; {suggestion(key, allowed)}")

    def _provider(self, name: str, table: Mapping[str, Any], default: Limits) -> None:
        path = ("provider", name)
        if not _PROVIDER.fullmatch(name):
            self._fail(path, "a provider is named by a letter, then a-z, 0-9, _ and -, at most 63 characters")
        self._claim(path, "mx", table, terms.pattern, self.hosts)
        self._claim(path, "domains", table, terms.domain, self.domains)
        limits = self._merged(path, table, default)
        if any(key in table for key in LIMITS):
            self.own[name] = limits
        if "reactions" in table:
            self.reactions[name] = self._reactions(path, table, self.reactions[EVERY_OTHER])

    def _claim(
        self,
        path: Path,
        key: str,
        table: Mapping[str, Any],
        read: Callable[[str], str],
        claims: dict[str, str],
    ) -> None:
        value, path = table.get(key, []), (*path, key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._fail(path, f'is a list of texts; write {key} = ["...", "..."]')
        if len(value) > MOST_NAMES:
            self._fail(path, f"has {len(value)} entries, over {MOST_NAMES}; cut the provider in two")
        for index, item in enumerate(value):
            other = claims.setdefault(self._read(path, read, item, index), path[1])
            if other != path[1]:
                cure = f"belongs to [provider.{other}] already; leave it to one of them"
                self._fail(path, f"{terms.shown(item)} {cure}", index)

    def _domain(
        self,
        text: str,
        table: Mapping[str, Any],
        default: Limits,
        providers: Mapping[str, object],
        seen: dict[str, str],
    ) -> None:
        path = ("domain", text)
        domain = self._read(path, terms.domain, text)
        if seen.setdefault(domain, text) != text:
            self._fail(path, f"is the same domain as {terms.shown(seen[domain])}; merge the two sections")
        listed = self.domains.get(domain)
        provider = table.get("provider", listed)
        if "provider" in table:
            at = (*path, "provider")
            if not isinstance(provider, str) or provider not in providers:
                near = suggestion(str(provider), providers, "there is none in this file")
                self._fail(at, f"no provider is named {terms.shown(provider)}; {near}")
            if listed not in (None, provider):
                self._fail(at, f"[provider.{listed}] claims this domain too; leave it to one of them")
        if any(key in table for key in (*LIMITS, "reactions")):
            site = named(domain)
            if site in providers:
                self._fail(path, "a provider has this name; give the provider another")
            parent = default if provider is None else self.own.get(provider, default)
            self.own[site] = self._merged(path, table, parent)
            self.domains[domain] = site
            inherited = self.reactions.get(provider or EVERY_OTHER, self.reactions[EVERY_OTHER])
            self.reactions[site] = self._reactions(path, table, inherited)
        elif provider is None:
            self._fail(path, "says nothing; give it a limit or a `provider`, or remove it")
        else:
            self.domains[domain] = provider

    def _reactions(self, path: Path, table: Mapping[str, Any], inherited: Reactions) -> Reactions:
        """Return a section's rules by class; a class it has no rule for keeps those of the wider section."""
        given, path = table.get("reactions", []), (*path, "reactions")
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            self._fail(path, f"is a list of rules; write [[{_dotted(path)}]] above each")
        if len(given) > MOST_RULES:
            self._fail(path, f"has {len(given)} rules, over {MOST_RULES}; merge some")
        rules: list[Rule] = []
        for number, one in enumerate(given):
            at = (*path, str(number))
            self._known(at, one, RULE_KEYS, "key")
            try:
                rules.append(rule(f"{_dotted(path[:-1])}.{number}", one))
            except BadRule as error:
                self._fail((*at, error.key), str(error))
        return {**inherited, **by_class(rules)}

    def _merged(self, path: Path, table: Mapping[str, Any], parent: Limits) -> Limits:
        given = Given(
            self._read((*path, "rate"), terms.rate, table["rate"]) if "rate" in table else None,
            **{
                key: self._read((*path, key), partial(terms.count, key), table[key])
                for key in LIMITS[1:]
                if key in table
            },
        )
        limits = parent.merged(given)
        if why := contradiction(limits, given):
            self._fail((*path, "burst"), why)
        return limits

    def _read(self, path: Path, read: Callable[[A], T], value: A, index: int | None = None) -> T:
        try:
            return read(value)
        except terms.BadTerm as error:
            self._fail(path, str(error), index)

    def _fail(self, path: Path, why: str, index: int | None = None) -> NoReturn:
        line = place(places(self.text), path if index is None else (*path, str(index)))
        raise ShapingError(f"{self.name}{f':{line}' if line else ''}: `{_dotted(path)}`: {why}")


def _dotted(path: Path) -> str:
    return ".".join(part if _BARE.fullmatch(part) else f'"{ascii(part[:80])[1:-1]}"' for part in path)
