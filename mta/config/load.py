"""Where settings come from: a file, the drop-ins beside it, the environment; later ones win.

Nothing is guessed and nothing is ignored: a name the tree does not know stops the start and says which one
was probably meant.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mta.config.rows import NAMES as ROWS
from mta.config.rows import BadRow, Rows
from mta.config.settings import Settings
from mta.config.tree import BadValue, build, known, sections
from mta.nearest import nearest

SEARCHED = ("mta.toml", "/etc/mta/mta.toml")
NOT_OURS = frozenset({"MTA_CORPORA"})  # read by tests, not by the engine
MAX_FILE = 1 << 20

_TABLE = re.compile(r"\s*\[\s*([A-Za-z0-9_.*\s\"'-]+?)\s*\]")
_ROW = re.compile(r"\s*\[\[\s*([A-Za-z0-9_-]+)\s*\]\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"-]+)\s*=")


class ConfigError(ValueError):
    """The configuration can't be used; the message names the place, the setting and what is allowed."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, the files they came from, and where each value that is not a default was given."""

    settings: Settings
    files: tuple[Path, ...] = ()
    origins: dict[str, str] = field(default_factory=dict)


def load(
    file: Path | None = None, environ: Mapping[str, str] | None = None, directory: Path = Path()
) -> Loaded:
    """Return the effective settings; raise ConfigError.

    Without `file` the first of ./mta.toml (in `directory`) and /etc/mta/mta.toml counts; none is no error.
    `conf.d/*.toml` beside the file follow in the order of their names, then MTA_<SECTION>_<KEY> variables.
    """
    files = _files(file, directory)
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    rows = Rows()
    for path in files:
        for name, value, origin in _read(path, rows, origins):
            values[name], origins[name] = value, origin
    try:
        values |= rows.values()
    except BadRow as error:
        # The fault shows when all files are read: the line is that of the key, or of a neighbour in its table.
        table = error.name.rpartition(".")[0] + "."
        near = (origin for name, origin in origins.items() if name.startswith(table))
        place = origins.get(error.name) or next(near, ", ".join(map(str, files)))
        raise ConfigError(f"{place}: `{error.name}` {error}") from None
    except ValueError as error:
        raise ConfigError(f"{', '.join(map(str, files))}: {error}") from None
    for name, value, origin in _variables(os.environ if environ is None else environ):
        values[name], origins[name] = value, origin
    return Loaded(build(values), files, origins)


def _files(file: Path | None, directory: Path) -> tuple[Path, ...]:
    if file is None:
        file = next((directory / name for name in SEARCHED if (directory / name).is_file()), None)
        if file is None:
            return ()
    return (file, *sorted((file.parent / "conf.d").glob("*.toml")))


def _read(path: Path, rows: Rows, origins: dict[str, str]) -> Iterator[tuple[str, object, str]]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    if len(raw) > MAX_FILE:
        raise ConfigError(f"{path}: is larger than {MAX_FILE} bytes; a configuration file is not")
    try:
        text = raw.decode()
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    lines = _lines(text)
    try:
        rows.take(document, lambda name, here: origins.update({name: _place(path, here, lines)}))
    except BadRow as error:
        raise ConfigError(f"{_place(path, error.name, lines)}: `{error.name}` {error}") from None
    for name, value in _leaves(path, document, "", lines):
        origin = _place(path, name, lines)
        try:
            yield name, known()[name].read(value), origin
        except BadValue as error:
            raise ConfigError(f"{origin}: `{name}` {error}") from None


def _leaves(
    path: Path, table: Mapping[str, object], prefix: str, lines: dict[str, int]
) -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        name = prefix + key
        if name in known():
            yield name, value
        elif name in sections():
            if not isinstance(value, dict):
                raise ConfigError(f"{_place(path, name, lines)}: `{name}` is a table; write [{name}]")
            yield from _leaves(path, value, name + ".", lines)
        else:
            what = "table" if isinstance(value, dict) else "setting"
            near = _nearest(name, [*known(), *sections(), *ROWS])
            raise ConfigError(f"{_place(path, name, lines)}: unknown {what} `{name}`; {near}")


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, object, str]]:
    ours = {setting.variable: setting for setting in known().values()}
    for variable, text in sorted(environ.items()):
        if not variable.startswith("MTA_") or variable in NOT_OURS:
            continue
        setting = ours.get(variable)
        if setting is None:
            raise ConfigError(f"environment: unknown variable {variable}; {_nearest(variable, ours)}")
        try:
            yield setting.name, setting.read(text, spelled=True), f"environment {variable}"
        except BadValue as error:
            raise ConfigError(f"environment: {variable} (`{setting.name}`) {error}") from None


def _nearest(name: str, names: Iterable[str]) -> str:
    names = sorted(names)
    near = nearest(name, names)
    if not near:  # the right key in the wrong table is a common slip
        near = next((other for other in names if other.rpartition(".")[2] == name.rpartition(".")[2]), "")
    return f"did you mean `{near}`?" if near else "see config/mta.toml for all of them"


def _lines(text: str) -> dict[str, int]:
    """Return the line of each plain table and key: good enough for messages."""
    found: dict[str, int] = {}
    prefix = ""
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if row := _ROW.match(line):
            counts[row[1]] = counts.get(row[1], 0) + 1
            prefix = f"{row[1]}.{counts[row[1]]}."
            found.setdefault(prefix[:-1], number)
        elif table := _TABLE.match(line):
            name = re.sub(r"[ \t\"']", "", table[1])
            prefix = name + "."
            found.setdefault(name, number)
        elif key := _KEY.match(line):
            found.setdefault(prefix + key[1].replace('"', ""), number)
    return found


def _place(path: Path, name: str, lines: dict[str, int]) -> str:
    return f"{path}:{lines[name]}" if name in lines else str(path)
