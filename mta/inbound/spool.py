"""Reports on disk: each is a file before the sender is told 250, and goes when its effects are in the queue.

`new/` holds what is to be read, `unparsed/` what nobody could read and `postmaster/` mail for a person; the last two
are bounded, oldest out first. A file is an envelope as one line of JSON, then the mail as it came.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final

import msgspec

KEPT_BYTES: Final = 256 << 20
"""Of each folder that keeps mail for a person."""


class Envelope(msgspec.Struct, frozen=True):
    """How a report came: its sender and recipients, the client, when (ms since 1970)."""

    sender: str
    recipients: list[str]
    ip: str
    helo: str
    ts: int


@dataclass(frozen=True, slots=True)
class Spooled:
    """A report read back."""

    path: Path
    envelope: Envelope
    raw: bytes


class Spool:
    """The folders under one directory. Calls block: use threads in a loop."""

    def __init__(self, directory: Path, keep: int = 1000) -> None:
        self.directory = directory
        self.keep = keep
        self.new = directory / "new"

    def prepare(self) -> None:
        """Make the folders; remove what an earlier life left half written (its sender was never told 250)."""
        self.new.mkdir(parents=True, exist_ok=True, mode=0o750)
        for path in self.directory.glob(".tmp-*"):
            path.unlink(missing_ok=True)

    def add(self, envelope: Envelope, raw: bytes) -> Path:
        """Write a report; on disk at return. Raises OSError."""
        name = f"{envelope.ts:015d}-{token_hex(6)}.eml"
        draft, path = self.directory / f".tmp-{name}", self.new / name
        try:
            with draft.open("xb") as file:
                file.write(msgspec.json.encode(envelope) + b"\n")
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        folder = os.open(self.new, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return path

    def waiting(self) -> list[Path]:
        """Return the reports to be read, oldest first."""
        return sorted(self.new.glob("*.eml"))

    def read(self, path: Path) -> Spooled:
        """Return a report; raise ValueError when the file is not one of ours."""
        head, _, raw = path.read_bytes().partition(b"\n")
        return Spooled(path, msgspec.json.decode(head, type=Envelope), raw)

    def done(self, path: Path) -> None:
        """Forget a report whose effects are in the queue."""
        path.unlink(missing_ok=True)

    def keep_for_person(self, path: Path, folder: str) -> None:
        """Move a report to `unparsed` or `postmaster` and remove what is over the bounds."""
        target = self.directory / folder
        target.mkdir(exist_ok=True, mode=0o750)
        path.rename(target / path.name)
        total = 0
        for number, old in enumerate(sorted(target.glob("*.eml"), reverse=True)):
            total += old.stat().st_size
            if number >= self.keep or total > KEPT_BYTES:
                old.unlink(missing_ok=True)
