"""Which line of a TOML text says what: tomllib keeps no places, and an error without one is hard to use.

The text has been through tomllib before it comes here, so this reads no grammar of its own: it cuts statements
from each other (strings, comments and brackets may hold anything) and lets tomllib read their keys.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import TypeAlias

Path: TypeAlias = tuple[str, ...]

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}'  # strings of many lines
    r'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\''  # of one
    r"|#[^\n]*|\n|[\[\]{}=,]|[^\s\"'#\[\]{}=,]+|[^\S\n]+",
    re.DOTALL,
)


def places(text: str) -> dict[Path, int]:
    """Return the line, from 1, of each table header, each key, and each item of an array as (..., "<index>").

    What stands inside an inline table has no line of its own: see `place`.
    """
    found: dict[Path, int] = {}
    table: Path = ()
    many: dict[Path, int] = {}
    path: Path = ()
    head: list[str] = []  # of the statement under way, before its =
    start, line, item, value = 1, 1, 0, False
    within = ""  # the brackets open in the value under way
    for token in _TOKEN.finditer(text + "\n"):
        word = token[0]
        if word == "\n" and not within:
            if not value and (name := "".join(head).strip()):
                table = _keys(name.strip("[]"))
                found.setdefault(table, start)
                if name.startswith("[["):  # one of many: each by its number
                    many[table] = many.get(table, -1) + 1
                    table = (*table, str(many[table]))
                    found[table] = start
            head, value = [], False
        elif not value:
            if word == "=":
                path = table + _keys("".join(head).strip())
                found.setdefault(path, start)
                item, value = 0, True
            elif not word.startswith("#"):
                if not head:
                    start = line
                head.append(word)
        elif word in "[{":
            within += word
        elif word in "]}":
            within = within[:-1]
        elif word == ",":
            item += within == "["
        elif within == "[" and word[0] in "\"'":
            found.setdefault((*path, str(item)), line)
        line += word.count("\n")
    return found


def place(found: Mapping[Path, int], path: Path) -> int:
    """Return the line of a path, or of the nearest table around it; 0 when none has one."""
    while path and path not in found:
        path = path[:-1]
    return found.get(path, 0)


def _keys(dotted: str) -> Path:
    out: list[str] = []
    node: object = tomllib.loads(f"{dotted} = 0")
    while isinstance(node, dict):
        ((key, node),) = node.items()
        out.append(key)
    return tuple(out)
