"""Suppression lists as files: CSV with a header, or JSON lines, written and read."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TextIO

from mta.cli import show
from mta.cli.failure import DATA, Failure

if TYPE_CHECKING:
    from mta.queue.suppression_book import Listed

COLUMNS: Final = ("address", "list", "reason", "by", "since", "campaign", "evidence", "digest")
KNOWN: Final = {
    "email": "address",
    "e-mail": "address",
    "recipient": "address",
    "date": "since",
    "created": "since",
}
"""What other programs call our columns."""
MAX_ROWS: Final = 10_000_000
MAX_TEXT: Final = 500
_FORMULA: Final = ("=", "+", "-", "\t")


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a file: an address or `@domain`, or the digest of one; `since` in ms, 0 where the file has none."""

    address: str
    digest: bytes = b""
    list_: str = ""
    reason: str = ""
    by: str = ""
    since: int = 0
    campaign: str = ""
    evidence: str = ""


class Writer:
    """Writes entries."""

    def __init__(self, file: TextIO, form: str) -> None:
        self.file = file
        self._csv = csv.DictWriter(file, COLUMNS, lineterminator="\n") if form == "csv" else None
        if self._csv is not None:
            self._csv.writeheader()

    def add(self, one: "Listed") -> None:
        """Write one entry."""
        told = fields(one)
        if self._csv is not None:
            self._csv.writerow({name: _safe(value) for name, value in told.items()})
        else:
            self.file.write(json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n")


def fields(one: "Listed") -> dict[str, str]:
    """Return an entry's columns."""
    entry = one.entry
    values = (
        one.address, one.list_, entry.reason, entry.by, show.time_of(entry.ts), entry.campaign, entry.evidence,
        one.digest.hex(),
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def read(lines: Iterable[str], form: str, name: str) -> Iterator[Row]:
    """Yield the entries of a file; raise Failure naming file and line."""
    number = 1
    try:
        for number, given in _json_rows(lines) if form == "jsonl" else _csv_rows(lines):
            if number > MAX_ROWS:
                raise ValueError(f"more than {MAX_ROWS:,} lines; cut the file")
            yield _row(given() if callable(given) else given)
    except UnicodeDecodeError as error:
        raise Failure(DATA, f"{name}: is not UTF-8 after line {number}; save it as UTF-8") from error
    except csv.Error as error:
        raise Failure(DATA, f"{name}: is not CSV after line {number}: {error}") from error
    except ValueError as error:
        raise Failure(DATA, f"{name}:{number}: {error}") from error


def checked(address: str) -> str:
    """Return an address or `@domain` as it is kept; raise ValueError with the cure."""
    from mta.address import AddressError, parse

    text = address.strip()
    try:
        return str(parse(f"x{text}" if text.startswith("@") else text))[text.startswith("@") :]
    except AddressError as error:
        raise ValueError(f"{show.plain(text)!r} is no address and no @domain: {error}") from error


def _csv_rows(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(lines, strict=True)
    first = next(reader, [])
    names = [KNOWN.get(cell.strip().lower(), cell.strip().lower()) for cell in first]
    if first and not {"address", "digest"} & set(names):
        if len(first) != 1 or "@" not in first[0]:
            raise ValueError(f"the header names no column `address`; it has {', '.join(names) or 'none'}")
        names = ["address"]  # a bare list, one address a line
        yield 1, {"address": first[0]}
    for cells in reader:
        if any(cells):
            yield reader.line_num, dict(zip(names, cells, strict=False))


def _json_rows(lines: Iterable[str]) -> Iterator[tuple[int, Callable[[], dict[str, Any]]]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, partial(_json_row, line)


def _json_row(line: str) -> dict[str, Any]:
    try:
        given = json.loads(line)
    except ValueError as error:
        raise ValueError(f"is no JSON object: {error}") from error
    if not isinstance(given, dict):
        raise ValueError("is no JSON object")
    return {KNOWN.get(str(key).lower(), str(key).lower()): value for key, value in given.items()}


def _row(given: dict[str, Any]) -> Row:
    from mta.identity import is_id

    told = {name: str(given.get(name) or "").strip()[:MAX_TEXT] for name in COLUMNS}
    list_, digest = told["list"], b""
    if not told["address"]:
        try:
            digest = bytes.fromhex(told["digest"])
        except ValueError:
            digest = b""
        if len(digest) != 16:
            raise ValueError("has no `address`, and no `digest` of 32 hexadecimal digits")
    if list_ and not is_id(list_):
        raise ValueError(f"`list` {show.plain(list_)!r} is no list's id")
    return Row(
        checked(_unsafe(told["address"])) if told["address"] else "", digest, list_, told["reason"], told["by"],
        _time(told["since"]), told["campaign"], told["evidence"],
    )  # fmt: skip


def _time(text: str) -> int:
    if not text or text.isdecimal():
        return int(text or 0)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"`since` {show.plain(text)!r} is no time; write 2026-03-01T09:00:00Z") from error
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def _safe(cell: str) -> str:
    """A cell that a spreadsheet takes for text: what strangers wrote must not be a formula there."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _unsafe(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
