"""The tree of settings as a table: dotted name to type, unit, bounds and documentation; values read by it."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from mta.config.settings import Settings
from mta.config.units import Bounds, Unit

_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
MAX_TEXT = 4096
MAX_ITEMS = 64


class BadValue(ValueError):
    """A value does not fit its setting; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `queue.lease`, its type, what it may be and what it does."""

    name: str
    kind: Any
    default: object
    unit: Unit | None
    bounds: Bounds | None
    doc: str

    @property
    def variable(self) -> str:
        """The environment variable that overrides it."""
        return "MTA_" + self.name.replace(".", "_").upper()

    @property
    def takes(self) -> str:
        """What is allowed, in words."""
        if self.unit is not None:
            words = self.unit.takes
        elif get_origin(self.kind) is Literal:
            words = "one of " + ", ".join(f'"{choice}"' for choice in get_args(self.kind))
        elif self.kind is bool:
            words = "true or false"
        elif self.kind is str:
            words = "a text"
        elif self.kind in (int, float):
            words = "a whole number" if self.kind is int else "a number"
        else:
            words = f"a list of at most {MAX_ITEMS} texts"
        return f"{words}, from {self.bounds.least:g} to {self.bounds.most:g}" if self.bounds else words

    def read(self, value: object, *, spelled: bool = False) -> object:
        """Return `value` as the setting holds it; `spelled` for texts of the environment. Raises BadValue."""
        try:
            found = self._read(value, spelled)
        except (ValueError, TypeError, OverflowError):
            raise BadValue(f"takes {self.takes}, not {_shown(value)}") from None
        if (
            self.bounds
            and isinstance(found, int | float)
            and not self.bounds.least <= found <= self.bounds.most
        ):
            raise BadValue(f"takes {self.takes}, not {_shown(value)}")
        return found

    def _read(self, value: object, spelled: bool) -> object:
        if self.unit is not None:
            return self.unit.read(value)
        if get_origin(self.kind) is Literal:
            if value not in get_args(self.kind):
                raise ValueError
            return value
        if self.kind is bool:
            if spelled and isinstance(value, str):
                value = _WORDS.get(value.lower())
            if not isinstance(value, bool):
                raise ValueError
            return value
        if self.kind in (int, float):
            if spelled and isinstance(value, str):
                return self.kind(value)
            if isinstance(value, bool) or not isinstance(value, int if self.kind is int else int | float):
                raise ValueError
            return self.kind(value)
        if self.kind is str:
            if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
                raise ValueError
            return value
        items = [part.strip() for part in value.split(",") if part.strip()] if spelled else value  # type: ignore[attr-defined]
        if (
            not isinstance(items, list)
            or len(items) > MAX_ITEMS
            or not all(isinstance(i, str) for i in items)
        ):
            raise ValueError
        return tuple(items)


@cache
def known() -> dict[str, Setting]:
    """Return every setting by its dotted name, in the order of the tree."""
    return {setting.name: setting for setting in _walk(Settings(), "")}


def sections() -> set[str]:
    """Return the names of all tables, such as `net` and `net.timeouts`."""
    return {name[:end] for name in known() for end, char in enumerate(name) if char == "."}


def flat(settings: Settings) -> dict[str, object]:
    """Return the value of every setting by its dotted name; of tables of any number those that were given."""
    out = {setting.name: setting.default for setting in _walk(settings, "")}
    rows = [(f'tls."{pattern}".', rule) for pattern, rule in settings.tls]
    numbered = [(f"routes.{number}.", route) for number, route in enumerate(settings.routes, 1)]
    named = [(f"sources.{name}.", source) for name, source in settings.sources]
    named_pools = [(f"pools.{name}.", pool) for name, pool in settings.pools]
    for prefix, row in [*rows, *numbered, *named, *named_pools]:
        out |= {setting.name: setting.default for setting in _walk(row, prefix)}
    return out


@cache
def of_row(kind: type) -> dict[str, Setting]:
    """Return the settings of one row of tables of any number, such as RouteSettings, by key."""
    return {setting.name: setting for setting in _walk(kind(), "")}


def build(values: dict[str, object]) -> Settings:
    """Return the tree with these values (already read) in place of defaults."""
    return _filled(Settings(), "", values)  # type: ignore[no-any-return]


def _filled(node: Any, prefix: str, values: dict[str, object]) -> Any:
    changes = {}
    for field in dataclasses.fields(node):
        name = prefix + field.name
        inner = getattr(node, field.name)
        if dataclasses.is_dataclass(inner):
            changes[field.name] = _filled(inner, name + ".", values)
        elif name in values:
            changes[field.name] = values[name]
    return dataclasses.replace(node, **changes)


def _walk(node: Any, prefix: str) -> Iterator[Setting]:
    hints = get_type_hints(type(node), include_extras=True)
    for field in dataclasses.fields(node):
        name, value, hint = prefix + field.name, getattr(node, field.name), hints[field.name]
        if field.metadata.get("rows"):
            continue
        if dataclasses.is_dataclass(value):
            yield from _walk(value, name + ".")
            continue
        assert get_origin(hint) is Annotated, f"{name} has no documentation"
        kind, *notes = get_args(hint)
        unit = next((note for note in notes if isinstance(note, Unit)), None)
        bounds = next((note for note in notes if isinstance(note, Bounds)), None)
        doc = next(note for note in notes if isinstance(note, str))
        yield Setting(name, kind, value, unit, bounds, doc)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
