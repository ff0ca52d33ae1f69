"""One recipient out of an archived entry: who it was, under which name, with which values."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from mta import identity
from mta.address import AddressError, parse, parse_mailbox
from mta.archive.entries import Entry
from mta.message import MessageId

MOST_APART: Final = 64  # entries of at most 1,000 rows, about 100 KB each


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a message went to; `name` is its public id, `columns` its merge values by name."""

    id: MessageId
    name: str
    tenant: str
    campaign: str
    list_: str
    rcpt: str
    ref: str
    columns: dict[str, str]
    cls: int


class _People(msgspec.Struct):
    columns: list[str]
    rows: list[msgspec.Raw]


class _Message(msgspec.Struct):
    id: str | None = None
    to: list[str] | None = None
    cc: list[str] | None = None
    bcc: list[str] | None = None
    vars: dict[str, Any] | None = None
    ref: str | None = None


class _Campaign(msgspec.Struct):
    list_: str | None = msgspec.field(default=None, name="list")


_people = msgspec.json.Decoder(_People).decode
_message = msgspec.json.Decoder(_Message).decode
_campaign = msgspec.json.Decoder(_Campaign).decode
_cells = msgspec.json.Decoder(list[Any]).decode


class Rows:
    """Finds recipients in entries, and remembers the latest entries taken apart: readers of one come together.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._apart: dict[int, tuple[Entry, _People]] = {}

    def recipient(self, id_: MessageId, entry: Entry, list_: str = "") -> Recipient | None:
        """As `recipient_of`."""
        if entry.kind != "recipients":
            return recipient_of(id_, entry, list_)
        known = self._apart.get(entry.seq)
        try:
            if known is None or known[0] is not entry:
                if len(self._apart) >= MOST_APART:
                    self._apart.clear()
                self._apart[entry.seq] = known = entry, _people(entry.data)
            return _of_row(id_, entry, known[1], list_)
        except (msgspec.DecodeError, AddressError):
            return None


def recipient_of(id_: MessageId, entry: Entry, list_: str = "") -> Recipient | None:
    """Return the recipient that `id_` names in its entry; None when the entry has no such recipient."""
    try:
        if entry.kind == "recipients":
            return _of_row(id_, entry, _people(entry.data), list_)
        if entry.kind == "message":
            return _of_message(id_, entry)
    except (msgspec.DecodeError, AddressError):
        pass  # a row refused at intake was never sent to
    return None


def list_of(document: bytes) -> str:
    """Return the list that a campaign's document names, or an empty string."""
    try:
        return _campaign(document).list_ or ""
    except msgspec.DecodeError:
        return ""


def _of_row(id_: MessageId, entry: Entry, people: _People, list_: str) -> Recipient | None:
    if id_.row >= len(people.rows):
        return None
    cells = [_text(cell) for cell in _cells(people.rows[id_.row])]
    if len(cells) != len(people.columns):
        return None
    columns = dict(zip(people.columns, cells, strict=True))
    return Recipient(
        id=id_,
        name=identity.public_id(entry.tenant, entry.campaign, entry.key, id_.row),
        tenant=entry.tenant,
        campaign=entry.campaign,
        list_=list_,
        rcpt=str(parse(columns.get("email", ""))),
        ref=columns.get("ref", ""),
        columns=columns,
        cls=entry.cls,
    )


def _of_message(id_: MessageId, entry: Entry) -> Recipient | None:
    document = _message(entry.data)
    boxes = [*(document.to or ()), *(document.cc or ()), *(document.bcc or ())]
    # Intake numbers each address once, in this order.
    addresses = list(dict.fromkeys(parse_mailbox(box).address for box in boxes))
    if id_.row >= len(addresses):
        return None
    message = document.id or identity.message_id(entry.tenant, entry.key)
    return Recipient(
        id=id_,
        name=identity.recipient_id(message, id_.row),
        tenant=entry.tenant,
        campaign="",
        list_="",
        rcpt=str(addresses[id_.row]),
        ref=document.ref or "",
        columns={name: _text(value) for name, value in (document.vars or {}).items()},
        cls=entry.cls,
    )


def _text(cell: object) -> str:
    """Return a merge value as intake does: numbers as JSON writes them, null as nothing."""
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return str(cell)
