"""Queue items: a record as bytes, with a fixed head that scripts can read without unpacking it.

byte 0      format, 1 today; an engine leaves items of a newer format alone
byte 1      flags (mta.message.Flag), which scripts may set
bytes 2-10  message id
bytes 11-   msgpack of mta.message.Record, without its last members where none of them says anything
"""

from dataclasses import dataclass

import msgspec

from mta.message import ID_BYTES, Record

FORMAT = 1
HEAD = 2 + ID_BYTES

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode
_MEMBERS = Record.__struct_fields__
# From `attempts` on: 0 is one byte, "" is one byte, and no string can end like this, since it would not be UTF-8.
_SILENT = _encode([getattr(Record("", "", 0, 0), name) for name in _MEMBERS[_MEMBERS.index("attempts") :]])[
    1:
]
_SHORT = bytes((0x90 + len(_MEMBERS) - len(_SILENT),))


class NewerFormat(ValueError):
    """The item was written by a newer engine; this one must not touch it."""


@dataclass(slots=True)
class Item:
    """One record with its id and lane, as taken."""

    id: bytes
    lane: str
    record: Record

    def encode(self) -> bytes:
        """Return the item's bytes."""
        return encode(self.id, self.record)


def encode(message_id: bytes, record: Record) -> bytes:
    """Return the queue item of a record."""
    packed = _encode(record)
    if packed.endswith(_SILENT):
        # Millions wait that were never tried: a list without its last members is read with their defaults.
        packed = _SHORT + packed[1 : -len(_SILENT)]
    return bytes((FORMAT, record.flags)) + message_id + packed


def decode(raw: bytes, lane: str) -> Item:
    """Return the Item of `encode`'s bytes; raise NewerFormat or msgspec.DecodeError."""
    if raw[0] != FORMAT:
        raise NewerFormat(f"queue item of format {raw[0]}, this engine knows {FORMAT}")
    record = _decode(memoryview(raw)[HEAD:])
    record.flags = raw[1]
    return Item(raw[2:HEAD], lane, record)
