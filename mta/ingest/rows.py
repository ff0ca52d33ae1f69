"""Check the rows of a recipients entry: the one part of ingest that runs once per recipient, so it is fast.

Names are resolved to column numbers once per entry. A row of plain printable strings is proved clean by two
calls into C (one join, one isprintable); only what fails that proof is looked at cell by cell.
"""

from collections.abc import Container, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from mta.address import MAX_NAME, Address, AddressError, parse
from mta.ingest.checked import Recipients
from mta.ingest.codes import (
    BAD_ADDRESS,
    BAD_ROW,
    BAD_VALUE,
    CONTROL_CHARACTER,
    TOO_LARGE,
    UNKNOWN_FIELD,
    Refused,
)
from mta.ingest.documents import MAX_ROW, MAX_TEXT
from mta.ingest.fields import text_of
from mta.ingest.grammar import body, date_or_time, locale, one_line, shown, zone

RESERVED = ("email", "name", "ref", "locale", "tz", "track", "engaged")
_TRACK = {"": True, "true": True, "1": True, "false": False, "0": False}


class MergeField(Protocol):
    """A merge field of compiled content: its name, and the text that stands in when there is no value."""

    @property
    def name(self) -> str: ...
    @property
    def default(self) -> str | None: ...


class Row(NamedTuple):
    """An accepted recipient; `number` counts from 0, `values` are in the order of the merge fields."""

    number: int
    address: Address
    values: list[str]
    ref: str
    name: str
    locale: str
    tz: str
    track: bool
    engaged: int | None  # ms since 1970


class BadRow(NamedTuple):
    """A refused recipient: never accepted, told by one `rejected` event; `field` is the column's name."""

    number: int
    code: str
    why: str
    field: str


def rows(
    document: Recipients, fields: Sequence[MergeField], one_line_fields: Container[str] = ()
) -> tuple[list[Row], list[BadRow]]:
    """Return the accepted and the refused rows of an entry.

    A missing column, an empty cell and null take the merge field's default; an empty cell without a default
    is empty text, a missing column without a default refuses every row (`unknown_field`). `one_line_fields`
    names the merge fields that stand in a header (the subject): line breaks and control characters in them
    refuse the row, as they always do in the reserved columns.
    """
    columns = {name: number for number, name in enumerate(document.columns)}
    for field in fields:
        if field.name not in columns and field.default is None:
            why = f"the content uses `{field.name}`, which has no column and no default; add the column"
            return [], [BadRow(n, UNKNOWN_FIELD, why, field.name) for n in range(len(document.rows))]
    width = len(columns)
    # A column that is not there reads the empty text appended to each row.
    absent = any(field.name not in columns for field in fields) or not columns.keys() >= set(RESERVED)
    picks = [(columns.get(field.name, width), field.default or "") for field in fields]
    reserved = itemgetter(*(columns.get(name, width) for name in RESERVED))
    strict = [name in RESERVED or name in one_line_fields for name in document.columns]
    accepted: list[Row] = []
    refused: list[BadRow] = []
    for number, cells in enumerate(document.rows):
        try:
            if type(cells) is not list or len(cells) != width:
                raise _Bad(BAD_ROW, f"row {number} must be an array of {width} cells, one per column", "")
            try:
                joined = "".join(cells)
            except TypeError:
                cells = _texts(cells, document.columns)
                joined = "".join(cells)
            if not joined.isprintable() or "=?" in joined or len(joined) > MAX_ROW:
                _look(cells, document.columns, strict, len(joined))
            if absent:
                cells = [*cells, ""]
            email, name, ref, locale_, tz, track, engaged = reserved(cells)
            try:
                address = parse(email)
            except AddressError as error:
                raise _Bad(BAD_ADDRESS, f"`email` is not a mail address ({error})", "email") from error
            if len(ref) > MAX_TEXT or len(name) > MAX_NAME:
                raise _Bad(
                    TOO_LARGE, f"`ref` has over {MAX_TEXT} or `name` over {MAX_NAME} characters", "ref"
                )
            values = [cells[at] or default for at, default in picks]
            if locale_ or tz or track or engaged:
                accepted.append(_with_extras(number, address, values, ref, name, locale_, tz, track, engaged))
            else:
                accepted.append(Row(number, address, values, ref, name, "", "", True, None))
        except _Bad as bad:
            refused.append(BadRow(number, bad.code, bad.why, bad.field))
    return accepted, refused


def values(
    given: Mapping[str, str], fields: Sequence[MergeField], one_line_fields: Container[str] = ()
) -> list[str]:
    """Return the merge values of a `message` from its `vars`, by the same rules; raise Refused."""
    out = []
    for field in fields:
        if field.name in one_line_fields:
            one_line(given.get(field.name, ""), f"vars.{field.name}")
        if field.name not in given and field.default is None:
            raise Refused(
                UNKNOWN_FIELD, f"the content uses `{field.name}`, which `vars` lacks; add it or a default"
            )
        out.append(given.get(field.name, "") or field.default or "")
    return out


class _Bad(Refused):
    def __init__(self, code: str, why: str, field: str) -> None:
        super().__init__(code, why)
        self.field = field


def _texts(cells: list[Any], columns: Sequence[str]) -> list[str]:
    out = []
    for name, cell in zip(columns, cells, strict=True):
        try:
            out.append(text_of(cell, name))
        except Refused as refused:
            raise _Bad(BAD_ROW, refused.why, name) from refused
    return out


def _look(cells: list[str], columns: Sequence[str], strict: list[bool], size: int) -> None:
    if size > MAX_ROW:
        raise _Bad(TOO_LARGE, f"the row has {size} characters; the limit is {MAX_ROW}", "")
    for name, cell, is_strict in zip(columns, cells, strict, strict=True):
        try:
            if is_strict:
                one_line(cell, name)
            else:
                body(cell, name)
        except Refused as refused:
            raise _Bad(CONTROL_CHARACTER, refused.why, name) from refused


def _with_extras(
    number: int,
    address: Address,
    values: list[str],
    ref: str,
    name: str,
    locale_: str,
    tz: str,
    track: str,
    engaged: str,
) -> Row:
    column = "track"
    try:
        if track not in _TRACK:
            raise Refused(BAD_VALUE, f"`track` is {shown(track)}; write true or false")
        column = "locale"
        if locale_:
            locale(locale_, column)
        column = "tz"
        if tz:
            zone(tz, column)
        column = "engaged"
        since = date_or_time(engaged, column) if engaged else None
    except Refused as refused:
        raise _Bad(refused.code, refused.why, column) from refused
    return Row(number, address, values, ref, name, locale_, tz, _TRACK[track], since)
