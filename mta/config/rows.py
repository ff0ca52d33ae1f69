"""Tables of any number in a configuration file, `[tls."<pattern>"]`, `[[routes]]`, `[sources.<name>]` and
`[pools.<name>]`: gathered over all files.

A later file's key for a pattern wins over an earlier one's, as everywhere; routes of all files are added up, so that
each may lie in a file of its own.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from mta.config.egress import PoolSettings, SourceSettings, pools
from mta.config.tree import BadValue, of_row
from mta.config.ways import DomainTls, RouteSettings, fault
from mta.throttle.pools import PoolError

NAMES: Final = ("tls", "routes", "sources", "pools")
_EGRESS: Final = (("sources", SourceSettings), ("pools", PoolSettings))
MOST: Final = 10_000  # rows of one kind


class BadRow(ValueError):
    """A row can't be used; `name` is the setting."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


class Rows:
    """What the files said so far."""

    def __init__(self) -> None:
        self._tls: dict[str, dict[str, object]] = {}
        self._routes: list[dict[str, object]] = []
        self._egress: dict[str, dict[str, dict[str, object]]] = {"sources": {}, "pools": {}}

    def __repr__(self) -> str:
        return f"<Rows {len(self._tls)} tls {len(self._routes)} routes>"

    def take(self, document: dict[str, object], note: Callable[[str, str], None]) -> None:
        """Take the tables out of a file's document; raise BadRow.

        `note` is told of each value: its name in all and its name in this file.
        """
        for pattern, table in _by_pattern("tls", document.pop("tls", {})):
            read = _read(DomainTls, table, f"tls.{pattern}")
            self._tls.setdefault(pattern, {}).update(read)
            for key in read:
                note(f'tls."{pattern}".{key}', f"tls.{pattern}.{key}")
        given = document.pop("routes", [])
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            raise BadRow("routes", "is a list of tables; write [[routes]]")
        for here, table in enumerate(given, 1):
            read = _read(RouteSettings, table, f"routes.{here}")
            self._routes.append(read)
            for key in read:
                note(f"routes.{len(self._routes)}.{key}", f"routes.{here}.{key}")
        for kind, type_ in _EGRESS:
            for name, table in _by_name(kind, document.pop(kind, {})):
                read = _read(type_, table, f"{kind}.{name}")
                self._egress[kind].setdefault(name, {}).update(read)
                for key in read:
                    note(f"{kind}.{name}.{key}", f"{kind}.{name}.{key}")
        for kind, rows in {"tls": self._tls, "routes": self._routes, **self._egress}.items():
            if len(rows) > MOST:
                raise BadRow(kind, f"has over {MOST} rows")

    def values(self) -> dict[str, object]:
        """Return these settings; raise ValueError when they can't be used together, BadRow where one is to blame."""
        tls = tuple((pattern, DomainTls(**_any(read))) for pattern, read in self._tls.items())
        routes = tuple(RouteSettings(**_any(read)) for read in self._routes)
        if why := fault(tls, routes):
            raise ValueError(why)
        sources = tuple(
            (name, SourceSettings(**_any(read))) for name, read in self._egress["sources"].items()
        )
        given = tuple((name, PoolSettings(**_any(read))) for name, read in self._egress["pools"].items())
        try:
            pools(sources, given)
        except PoolError as error:
            raise BadRow(error.name, str(error)) from None
        return {"tls": tls, "routes": routes, "sources": sources, "pools": given}


def _any(read: dict[str, object]) -> dict[str, Any]:
    return read


def _by_pattern(name: str, value: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Give each pattern's table; `[tls.example.com]`, which TOML reads as three tables, means that domain too."""
    if not isinstance(value, dict):
        raise BadRow(name, 'is a table by domain; write [tls."example.com"]')
    own = {key: one for key, one in value.items() if not isinstance(one, dict)}
    if own and name == "tls":
        raise BadRow(
            f"tls.{next(iter(own))}", 'belongs to a domain; write [tls."example.com"], or [tls."*"] for all'
        )
    if own or (not value and name != "tls"):
        yield name.removeprefix("tls."), own
    for key, one in value.items():
        if isinstance(one, dict):
            yield from _by_pattern(f"{name}.{key}", one)


def _by_name(kind: str, value: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    if not isinstance(value, dict):
        raise BadRow(kind, f"is a table by name; write [{kind}.a]")
    for name, table in value.items():
        if not isinstance(table, dict):
            raise BadRow(f"{kind}.{name}", f"belongs to one of the {kind}; write [{kind}.a]")
        yield name, table


def _read(kind: type, table: Mapping[str, object], name: str) -> dict[str, object]:
    known, out = of_row(kind), {}
    for key, value in table.items():
        if key not in known:
            raise BadRow(f"{name}.{key}", f"is no setting; one of {', '.join(known)}")
        try:
            out[key] = known[key].read(value)
        except BadValue as error:
            raise BadRow(f"{name}.{key}", str(error)) from None
    return out
