"""Packs: up to 256 recipients of a campaign, compressed column by column, for as long as nobody can send to them.

A recipient costs about 20 bytes in a pack and 150 as an item of its own (docs/redis.md), so a queue of millions stays
small. Scripts read the head and never the rest.

byte 0      format, 1 today; an engine leaves packs of a newer format alone
bytes 1-2   rows, big-endian
bytes 3-11  the pack's own id
bytes 12-   zlib of msgpack of the columns
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from mta.identity import recipient_id
from mta.message import ID_BYTES, Record, engaged_day
from mta.queue.codec import NewerFormat

FORMAT = 1
HEAD = 3 + ID_BYTES
MOST_ROWS = 256
MOST_BYTES = 8 << 20  # of a pack's columns: a whole entry is 1 MiB, so more is a fault
_LEVEL = 1  # level 6 saves another byte per row and costs twice the time
_BETWEEN = "\0"  # no value holds one: ingest refuses control characters


class PackRow(msgspec.Struct, array_like=True):
    """One recipient of a pack, as its submission entry gave it."""

    number: int  # row in the entry
    rcpt: str
    values: list[str]  # in the order of the content's fields
    ref: str = ""
    to_name: str = ""
    locale: str = ""
    tz: str = ""
    flags: int = 0
    engaged: int = 0  # ms since 1970, 0 = unknown


@dataclass(slots=True)
class Pack:
    """Recipients of one entry that wait together; times in ms since 1970."""

    id: bytes
    entry: int  # the number of the submission entry
    stem: str  # from which the recipients' message ids are made (mta.identity)
    born: int
    expires: int
    list_: str
    rows: list[PackRow]
    told: bool = field(
        default=False, compare=False
    )  # of some recipient it is known when they last opened or clicked


class _Columns(msgspec.Struct, array_like=True):
    entry: int
    stem: str
    born: int
    expires: int
    list_: str
    steps: list[int]  # from each row's number to the next: mostly 1, which compresses to nothing
    rcpt: str
    values: list[str]
    ref: str
    to_name: str
    locale: str
    tz: str
    flags: list[int]
    engaged: list[int]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Columns).decode


def encode(pack: Pack) -> bytes:
    """Return a pack's bytes; raise ValueError when it has no rows or too many."""
    rows = pack.rows
    if not 0 < len(rows) <= MOST_ROWS:
        raise ValueError(f"a pack has 1 to {MOST_ROWS} rows, not {len(rows)}")
    numbers = [row.number for row in rows]
    columns = _Columns(
        entry=pack.entry,
        stem=pack.stem,
        born=pack.born,
        expires=pack.expires,
        list_=pack.list_,
        steps=[here - before for before, here in zip([0, *numbers], numbers, strict=False)],
        rcpt=_BETWEEN.join([row.rcpt for row in rows]),
        values=[_BETWEEN.join(column) for column in zip(*(row.values for row in rows), strict=True)],
        ref=_column([row.ref for row in rows]),
        to_name=_column([row.to_name for row in rows]),
        locale=_column([row.locale for row in rows]),
        tz=_column([row.tz for row in rows]),
        flags=[row.flags for row in rows] if any(row.flags for row in rows) else [],
        engaged=[row.engaged for row in rows] if any(row.engaged for row in rows) else [],
    )
    head = bytes((FORMAT,)) + len(rows).to_bytes(2, "big") + pack.id
    return head + zlib.compress(_encode(columns), _LEVEL)


def rows(raw: bytes) -> int:
    """Return how many rows a pack has, from its head."""
    return int.from_bytes(raw[1:3], "big")


def may_hold(raw: bytes, text: bytes) -> bool:
    """Return whether a pack can have `text` in it: a tenth of what opening it costs. True for what can't be read."""
    try:
        return text in zlib.decompressobj().decompress(raw[HEAD:], MOST_BYTES)
    except zlib.error:
        return True


def decode(raw: bytes) -> Pack:
    """Return the Pack of `encode`'s bytes; raise NewerFormat or ValueError."""
    if raw[0] != FORMAT:
        raise NewerFormat(f"pack of format {raw[0]}, this engine knows {FORMAT}")
    unpacker = zlib.decompressobj()
    try:
        columns = _decode(unpacker.decompress(raw[HEAD:], MOST_BYTES))
    except zlib.error as error:
        raise ValueError(f"a pack can't be read: {error}") from error
    steps = columns.steps
    count = len(steps)
    values = [column.split(_BETWEEN) for column in columns.values]
    refs, names = _texts(columns.ref, count), _texts(columns.to_name, count)
    locales, zones = _texts(columns.locale, count), _texts(columns.tz, count)
    flags, engaged = columns.flags or [0] * count, columns.engaged or [0] * count
    rcpts = columns.rcpt.split(_BETWEEN)
    every: tuple[Sequence[object], ...] = (rcpts, *values, refs, names, locales, zones, flags, engaged)
    if count != int.from_bytes(raw[1:3], "big") or any(len(column) != count for column in every):
        raise ValueError("a pack can't be read: its columns are not as long as its head says")
    rows, number = [], 0
    for at, step in enumerate(steps):
        number += step
        own = [column[at] for column in values]
        rows.append(
            PackRow(
                number, rcpts[at], own, refs[at], names[at], locales[at], zones[at], flags[at], engaged[at]
            )
        )
    return Pack(
        raw[3:HEAD], columns.entry, columns.stem, columns.born, columns.expires, columns.list_, rows,
        told=bool(columns.engaged),
    )  # fmt: skip


def record(pack: Pack, row: PackRow) -> Record:
    """Return a row as the queue holds it once its pack is open."""
    return Record(
        name=recipient_id(pack.stem, row.number),
        rcpt=row.rcpt,
        born=pack.born,
        expires=pack.expires,
        ref=row.ref,
        to_name=row.to_name,
        values=row.values,
        flags=row.flags,
        locale=row.locale,
        tz=row.tz,
        engaged=engaged_day(row.engaged) if pack.told else 0,
    )


def _column(texts: Sequence[str]) -> str:
    return _BETWEEN.join(texts) if any(texts) else ""


def _texts(joined: str, count: int) -> list[str]:
    return joined.split(_BETWEEN) if joined else [""] * count
