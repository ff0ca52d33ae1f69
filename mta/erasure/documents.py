"""Submitted documents without a person. Rows and recipients are counted, so what goes leaves its place empty."""

import base64
import binascii
from typing import Any, Final

import msgspec

from mta.address import AddressError, parse, parse_mailbox
from mta.erasure.subject import DataSubject

NOBODY: Final = "erased@erased.invalid"
"""Stands for the person among the other recipients of a message (RFC 2606 section 2)."""
ERASED: Final = b'{"erased":true}'
"""What is left of a document that was about the person alone."""
_ADDRESSED: Final = ("to", "cc", "bcc")


def without(subject: DataSubject, kind: str, data: bytes) -> bytes | None:
    """Return a submitted document without the person; None when they are not in it.

    `recipients` lose the person's row, whose place stays. A `message` to them alone goes as a whole; one to others
    as well loses their address. What is not JSON goes as a whole when the address stands in it.
    """
    if (
        not subject.stands_in(data)
        and b"\\u" not in data
        and b"xn--" not in subject.address.encode()
        and b'"raw"' not in data
        and b'"data"' not in data
    ):
        return None
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ERASED if subject.stands_in(data) else None
    if not isinstance(document, dict):
        return ERASED if subject.stands_in(data) else None
    if kind == "message" and _only(subject, document):
        return ERASED
    if kind == "recipients":
        _rows(subject, document)
    changed = _cleaned(subject, document)
    return None if changed == msgspec.json.decode(data) else msgspec.json.encode(changed)


def is_theirs(subject: DataSubject, text: object) -> bool:
    """Whether a cell or mailbox as submitted is the person's: names may stand before it, domains in any spelling."""
    if not isinstance(text, str):
        return False
    if subject.is_of(text):
        return True
    try:
        return subject.is_of(str(parse_mailbox(text).address))
    except AddressError:
        return False


def _only(subject: DataSubject, document: dict[str, Any]) -> bool:
    boxes = [box for name in _ADDRESSED for box in document.get(name) or () if isinstance(box, str)]
    return bool(boxes) and all(is_theirs(subject, box) for box in boxes)


def _rows(subject: DataSubject, document: dict[str, Any]) -> None:
    columns, rows = document.get("columns"), document.get("rows")
    if not isinstance(columns, list) or not isinstance(rows, list) or "email" not in columns:
        return
    at = columns.index("email")
    for number, row in enumerate(rows):
        if isinstance(row, list) and len(row) > at and _is_row(subject, row[at]):
            rows[number] = []


def _is_row(subject: DataSubject, cell: object) -> bool:
    if not isinstance(cell, str) or "@" not in cell:
        return False
    if subject.is_of(cell):
        return True
    if cell.isascii():
        return False
    try:
        return subject.is_of(str(parse(cell)))
    except AddressError:
        return False


def _cleaned(subject: DataSubject, value: Any) -> Any:
    if isinstance(value, str):
        if "@" in value and is_theirs(subject, value):
            return NOBODY
        if subject.stands_in(value):
            return subject.without(value)
        return "" if _hidden(subject, value) else value
    if isinstance(value, list):
        return [_cleaned(subject, one) for one in value]
    if isinstance(value, dict):
        return {name: _cleaned(subject, one) for name, one in value.items()}
    return value


def _hidden(subject: DataSubject, value: str) -> bool:
    """Whether a long text is base64 (an attachment, `raw`) of something in which the address stands."""
    if len(value) < 64 or " " in value:
        return False
    try:
        return subject.stands_in(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        return False
