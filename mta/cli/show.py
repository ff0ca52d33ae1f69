"""How commands print: tables for people on stdout, JSON for programs, remarks on stderr."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from rich.table import Table


SHORT: Final = 6  # characters of a cell that is never cut


def as_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def json_line(value: object) -> None:
    """Print one line of JSON."""
    click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; a column whose cells are all numbers is set to the right."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200  # a pipe has no width: do not fold what a program may read
    console.print(drawn_table(title, columns, rows))


def drawn_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, fold: bool = True
) -> "Table":
    """Return such a table for whoever draws a screen of several; with `fold` False a row is one line, cut."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    kept = [list(row) for row in rows]
    out = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(columns):
        figures = bool(kept) and all(isinstance(row[number], int | float) for row in kept)
        longest = max((len(plain(row[number])) for row in kept), default=0)
        out.add_column(
            name,
            justify="right" if figures else "left",
            overflow="fold" if fold else "ellipsis",
            no_wrap=not fold,
            # Of rows that are cut, the short cells stay whole: they are the figures.
            min_width=longest if longest <= SHORT and not fold else None,
        )
    for row in kept:
        out.add_row(*(Text(plain(cell)) for cell in row))
    return out


def plain(cell: object) -> str:
    """Return a cell's text: figures in groups of three, no control characters (replies come from strangers)."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    return "".join(char if char.isprintable() else "�" for char in str(cell))


def note(line: str) -> None:
    """Say something beside the data, on stderr."""
    click.echo(f"mta: {line}", err=True)


def time_of(ms: int) -> str:
    """Return a time as RFC 3339 in UTC; an empty string for 0."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if ms else ""


def span(ms: int) -> str:
    """Return a length of time in its two largest units, such as `2 h 5 min`."""
    seconds = abs(ms) // 1000
    parts = [
        (seconds // 86400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "min"),
        (seconds % 60, "s"),
    ]
    first = next((at for at, (count, _) in enumerate(parts) if count), 3)
    words = [f"{count} {unit}" for count, unit in parts[first : first + 2] if count]
    return " ".join(words) or "0 s"


def share(part: float) -> str:
    """Return a share as percent."""
    return f"{part * 100:.2f} %"
