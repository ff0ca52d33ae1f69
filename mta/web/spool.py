"""A local file that keeps effects while Redis is away: bounded, one JSON value per line, read again in order.

What is in it may be carried out twice after a crash: events have a stable `eid` and a suppression is the same
twice, so nothing has to be remembered beside the file.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


class SpoolFull(OSError):
    """The file has reached its cap: what was to be added is not kept."""


class Spool:
    """One file, for one process; calls block for a moment, and with `durable` until it is on disk."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._read = 0  # where the next unread line begins
        self._end = path.stat().st_size if path.exists() else 0

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return self._read >= self._end

    def add(self, rows: Sequence[Any], *, durable: bool = False) -> None:
        """Append rows; raise SpoolFull, or OSError when the file can't be written."""
        data = b"".join(_encode(row) + b"\n" for row in rows)
        if self._end - self._read + len(data) > self.max_bytes or self._end + len(data) > 2 * self.max_bytes:
            raise SpoolFull(f"{self.path} holds {self._end} bytes; web.spool allows {self.max_bytes}")
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if self._end and os.pread(descriptor, 1, self._end - 1) != b"\n":
                data = b"\n" + data  # an earlier life ended in the middle of a line
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:])
            if durable:
                os.fsync(descriptor)
        finally:
            self._end = os.fstat(descriptor).st_size
            os.close(descriptor)

    def peek(self, most: int) -> tuple[list[Any], int]:
        """Return up to `most` rows from the front, and the position to give to `drop` when they are done."""
        rows: list[Any] = []
        if self.empty:
            return rows, self._read
        with self.path.open("rb") as file:
            file.seek(self._read)
            while len(rows) < most and (line := file.readline()):
                try:
                    rows.append(msgspec.json.decode(line))
                except msgspec.DecodeError:
                    continue  # torn
            return rows, file.tell()

    def drop(self, position: int) -> None:
        """Forget what stands before `position`; the file goes when nothing is left."""
        self._read = position
        if self.empty:
            self.path.unlink(missing_ok=True)
            self._read = self._end = 0
