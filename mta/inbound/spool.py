"""Reports on disk: each is a file before the sender is told 250, and goes when its effects are in the queue.

`new/` holds what is to be read. Three folders hold mail for a person (`mta reports`): `unparsed/` what nobody could
read, `unsigned/` what came to a return path without a signature that counts, `postmaster/` the rest. They are bounded,
oldest out first. A file is an envelope as one line of JSON, then the mail as it came.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from secrets import token_hex
from typing import Final

import msgspec

KEPT: Final = ("unparsed", "unsigned", "postmaster")
"""Folders of mail for a person."""
MOST_LISTED: Final = 5000
"""Reports looked at in one round: what waits may be far more."""
KEPT_BYTES: Final = 256 << 20
"""Of each folder that keeps mail for a person."""


class Envelope(msgspec.Struct, frozen=True):
    """How a report came: its sender and recipients, the client, when (ms since 1970); why it is kept, if it is."""

    sender: str
    recipients: list[str]
    ip: str
    helo: str
    ts: int
    why: str = ""


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

    def waiting(self) -> tuple[list[Path], int]:
        """Return the MOST_LISTED oldest reports to be read, oldest first, and how many there are."""
        count = 0

        def names() -> Iterator[str]:
            nonlocal count
            with os.scandir(self.new) as entries:
                for entry in entries:
                    if entry.name.endswith(".eml"):
                        count += 1
                        yield entry.name

        try:
            oldest = nsmallest(MOST_LISTED, names())
        except FileNotFoundError:
            return [], 0  # somebody removed the folder: it is there again with the next start
        return [self.new / name for name in oldest], count

    def read(self, path: Path) -> Spooled:
        """Return a report; raise ValueError when the file is not one of ours, OSError when it is gone."""
        head, _, raw = path.read_bytes().partition(b"\n")
        return Spooled(path, self.envelope(head), raw)

    def envelope(self, line: bytes) -> Envelope:
        """Return how a report came, of a file's first line; raise ValueError when the file is not one of ours."""
        return msgspec.json.decode(line, type=Envelope)

    def done(self, path: Path) -> None:
        """Forget a report whose effects are in the queue."""
        path.unlink(missing_ok=True)

    def keep_for_person(self, path: Path, folder: str, why: str = "") -> int:
        """Move a report to a folder of KEPT with the reason; remove what is over the bounds and return how many.

        Raises OSError, the report being where it was.
        """
        target = self.directory / folder
        target.mkdir(exist_ok=True, mode=0o750)
        if why:
            self._note(path, why)
        path.rename(target / path.name)
        total = dropped = 0
        for number, old in enumerate(sorted(target.glob("*.eml"), reverse=True)):
            total += old.stat().st_size
            if number >= self.keep or (number and total > KEPT_BYTES):
                old.unlink(missing_ok=True)
                dropped += 1
        return dropped

    def _note(self, path: Path, why: str) -> None:
        head, _, raw = path.read_bytes().partition(b"\n")
        try:
            envelope = msgspec.structs.replace(msgspec.json.decode(head, type=Envelope), why=why[:500])
        except msgspec.DecodeError:
            return  # not one of ours: it is kept as it is
        draft = self.directory / f".tmp-{path.name}"
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(envelope) + b"\n")
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)

    def kept(self, folder: str) -> list[Path]:
        """Return what a folder holds for a person, oldest first."""
        return sorted((self.directory / folder).glob("*.eml"))

    def again(self, path: Path) -> None:
        """Have a kept report read once more."""
        path.rename(self.new / path.name)
