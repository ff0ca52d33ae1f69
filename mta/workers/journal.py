"""The sent journal: which dots went out and what was answered, so that a killed worker's next life knows.

A file mapped into memory: a note is a copy of some bytes and no system call, and it outlives the process, since
the pages are the kernel's. Not fsynced: after a power cut the whole flight counts as possibly sent. One file per
worker name.

    the file's head: the message that is being made at this moment, if any
    D id            before a message's final dot goes out
    V id code text  after the reply to it: the verdict, until it is settled

A record's first byte is written last, so a record that a kill cut short is not there.
"""

import mmap
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from mta.message import ID_BYTES

SIZE = 4 << 20
_HEAD = struct.Struct(f">c{ID_BYTES}sHH")  # tag, id, code, length of text
_MAKING = struct.Struct(f">c{ID_BYTES}s6x")  # the head: tag, id
_TEXT = 400
_LARGEST = _HEAD.size + _TEXT


@dataclass(slots=True)
class Past:
    """What an earlier life left: dots without an answer, and answers that may not have been settled."""

    open: set[bytes] = field(default_factory=set)
    answered: dict[bytes, tuple[int, str]] = field(default_factory=dict)  # id -> reply code, text
    making: bytes = b""  # what it was making when it died
    end: int = _MAKING.size  # where its records end


def replay(raw: bytes) -> Past:
    """Return what the journal's bytes say; reading stops where no record begins."""
    past = Past()
    if len(raw) < _MAKING.size:
        return past
    tag, message_id = _MAKING.unpack_from(raw)
    if tag == b"M":
        past.making = message_id
    at = _MAKING.size
    while at + _HEAD.size <= len(raw):
        tag, message_id, code, length = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        if tag not in (b"D", b"V") or at + length > len(raw):
            break
        if tag == b"D":
            past.open.add(message_id)
        else:
            past.open.discard(message_id)
            past.answered[message_id] = (code, raw[at : at + length].decode("utf-8", "replace"))
        at += length
        past.end = at
    return past


class Journal:
    """The open journal of one worker; `open` holds the ids whose dot is out and whose answer is not settled."""

    def __init__(self, path: Path, size: int = SIZE) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.size = size
        before = path.read_bytes() if path.exists() else b""
        self.past = replay(before)
        self.open: set[bytes] = set()
        self._at = 0
        self._map = self._fresh(before[_MAKING.size : self.past.end])

    def making(self, message_id: bytes) -> None:
        """Note that the message is being made now: should that kill the process, its next life knows."""
        self._map[1 : _MAKING.size - 6] = message_id
        self._map[0] = 77  # "M", written last

    def made(self) -> None:
        """Note that nothing is being made."""
        self._map[0] = 0

    def dot(self, message_id: bytes) -> None:
        """Note that the message's dot goes out now."""
        self.open.add(message_id)
        self._write(_HEAD.pack(b"D", message_id, 0, 0))

    def answered(self, message_id: bytes, code: int, text: str) -> None:
        """Note the reply to the message's dot."""
        raw = text.encode()[:_TEXT]
        self._write(_HEAD.pack(b"V", message_id, code, len(raw)) + raw)

    def settled(self, message_ids: list[bytes]) -> None:
        """Note that verdicts are in the queue: their records are no longer needed."""
        self.open.difference_update(message_ids)
        if not self.open and self._at > self.size // 4:
            self._rotate()

    def forget_past(self) -> None:
        """Drop the earlier life's records, once they have been acted on."""
        self.past = Past()
        self._rotate()

    def close(self) -> None:
        """Close the file; a journal with nothing to tell is removed."""
        self._map.close()
        if not self.open and not self.past.open and not self.past.answered and not self.past.making:
            self.path.unlink(missing_ok=True)

    def _write(self, record: bytes) -> None:
        if self._at + _LARGEST > len(self._map):
            self._rotate()
        at, end = self._at, self._at + len(record)
        self._map[at + 1 : end] = record[1:]
        self._map[at] = record[0]
        self._at = end

    def _rotate(self) -> None:
        """Begin a new file with what is still open; a kill leaves the old one or the new one, whole."""
        old = self._map
        self._map = self._fresh(b"".join(_HEAD.pack(b"D", one, 0, 0) for one in self.open))
        old.close()

    def _fresh(self, content: bytes) -> mmap.mmap:
        # The whole name and more: a suffix would be taken for one, and all workers of a host share what is before it.
        path = self.path.with_name(f"{self.path.name}.new")
        size = max(self.size, _MAKING.size + len(content) + self.size)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.truncate(fd, size)
            os.pwrite(fd, content, _MAKING.size)
            mapped = mmap.mmap(fd, size)
        finally:
            os.close(fd)
        os.replace(path, self.path)
        self._at = _MAKING.size + len(content)
        return mapped
