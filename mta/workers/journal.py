"""The sent journal: which dots went out and what was answered, so that a killed worker's next life knows.

Written without fsync: it must survive the process, not the machine (after a power cut the whole flight counts as
possibly sent). One file per worker name; a torn last record is ignored.

    D id            before a message's final dot goes out
    V id kind text  after the reply to it: the verdict, until it is settled
"""

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from mta.message import ID_BYTES

ROTATE_BYTES = 4 << 20
_HEAD = struct.Struct(f">c{ID_BYTES}sHH")  # tag, id, code, length of text
_TEXT = 400


@dataclass(slots=True)
class Past:
    """What an earlier life left: dots without an answer, and answers that may not have been settled."""

    open: set[bytes] = field(default_factory=set)
    answered: dict[bytes, tuple[int, str]] = field(default_factory=dict)  # id -> reply code, text


def replay(raw: bytes) -> Past:
    """Return what the journal's bytes say; reading stops at a torn record."""
    past = Past()
    at = 0
    while at + _HEAD.size <= len(raw):
        tag, message_id, code, length = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        if at + length > len(raw) or tag not in (b"D", b"V"):
            break
        if tag == b"D":
            past.open.add(message_id)
        else:
            past.open.discard(message_id)
            past.answered[message_id] = (code, raw[at : at + length].decode("utf-8", "replace"))
        at += length
    return past


class Journal:
    """The open journal of one worker; `open` holds the ids whose dot is out and whose answer is not settled."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.past = replay(path.read_bytes()) if path.exists() else Past()
        self.open: set[bytes] = set()
        self._waiting = b""
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._fd).st_size

    def dot(self, message_id: bytes) -> None:
        """Note that the message's dot goes out now; what waits is written with it."""
        self.open.add(message_id)
        self._waiting += _HEAD.pack(b"D", message_id, 0, 0)
        self.flush()

    def answered(self, message_id: bytes, code: int, text: str) -> None:
        """Note the reply to the message's dot; `flush` before control goes back to the event loop."""
        raw = text.encode()[:_TEXT]
        self._waiting += _HEAD.pack(b"V", message_id, code, len(raw)) + raw

    def flush(self) -> None:
        """Write what waits: the reply to one dot mostly goes with the next dot, in one call."""
        if self._waiting:
            os.write(self._fd, self._waiting)
            self._size += len(self._waiting)
            self._waiting = b""

    def settled(self, message_ids: list[bytes]) -> None:
        """Note that verdicts are in the queue: their records are no longer needed."""
        self.flush()
        self.open.difference_update(message_ids)
        if self._size > ROTATE_BYTES or (not self.open and self._size > 1 << 16):
            self._rotate()

    def forget_past(self) -> None:
        """Drop the earlier life's records, once they have been acted on."""
        self.past = Past()
        self._rotate()

    def close(self) -> None:
        """Close the file; an empty journal is removed."""
        self.flush()
        os.close(self._fd)
        if not self.open and not self.past.open and not self.past.answered:
            self.path.unlink(missing_ok=True)

    def _rotate(self) -> None:
        # The new file is complete before it takes the name, so a kill leaves one or the other.
        fresh = self.path.with_suffix(".new")
        raw = b"".join(_HEAD.pack(b"D", message_id, 0, 0) for message_id in self.open)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        os.write(fd, raw)
        os.replace(fresh, self.path)
        os.close(self._fd)
        self._fd, self._size = fd, len(raw)
