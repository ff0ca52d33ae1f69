"""Events, one NDJSON file per day: a line each, appended in one write per batch, readable by any tool.

A power cut can leave a torn last line. Readers skip what is no whole line, and the next write begins on a
line of its own, so a torn line costs itself and nothing else.

A day is rewritten as a new file in its place. Who appends holds the lock `events.lock` until its `sync`, who rewrites
holds it too, so that no line goes into a file that has been replaced.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from mta.archive.days import day_of, days_of

MAX_LINE = 1 << 20
_READ_BYTES = 1 << 20

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


class EventLog:
    """The files `events-YYYY-MM-DD.ndjson` of a directory; the day is the event's own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._unsynced: dict[str, int] = {}  # day -> descriptor, open until the next sync
        self._lock = -1  # held while there are some

    def add(self, events: Sequence[Mapping[str, str]]) -> None:
        """Append events. They are on disk after `sync`; raise OSError when they can't be written."""
        days: dict[str, list[bytes]] = {}
        for event in events:
            days.setdefault(_day(event), []).append(_encode(event))
        for day, lines in days.items():
            data = b"\n".join(lines) + b"\n"
            descriptor = self._descriptor(day)
            if _torn(descriptor):
                data = b"\n" + data
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]

    def sync(self) -> None:
        """Return when all that was added is on disk."""
        while self._unsynced:
            day, descriptor = next(iter(self._unsynced.items()))
            os.fsync(descriptor)
            del self._unsynced[day]
            os.close(descriptor)
        self._unlock()

    def rewrite(self, change: Callable[[dict[str, str]], dict[str, str] | None]) -> int:
        """Put other events in place of those that `change` does not return None for; return how many.

        Each day's file is replaced at once, by a whole one that is on disk. Torn lines go. Raises OSError.
        """
        changed = 0
        self.sync()
        for _, path in days_of(self.directory, "events-", ".ndjson"):
            self._locked()
            try:
                changed += _rewritten(path, change)
            finally:
                self._unlock()
        return changed

    def read(
        self, since_ms: int, until_ms: int, where: Mapping[str, str | frozenset[str]]
    ) -> Iterator[dict[str, str]]:
        """Yield events with since <= ts < until whose fields are (or are among) what `where` names.

        Ordered by day, within a day as they came. At least once: the same `eid` may come again.
        """
        # Lines are written by one encoder, so a wanted value can be looked for before a line is decoded.
        wanted = [_encode({k: v})[1:-1] for k, v in where.items() if v and isinstance(v, str)]
        first, last = day_of(max(0, since_ms)), day_of(max(0, min(until_ms, 253_402_300_799_000)))
        for day, path in days_of(self.directory, "events-", ".ndjson"):
            if not first <= day <= last:
                continue
            for line in _lines(path):
                if any(piece not in line for piece in wanted):
                    continue
                try:
                    event = _decode(line)
                    inside = since_ms <= int(event["ts"]) < until_ms
                except (msgspec.DecodeError, KeyError, ValueError):
                    continue  # torn by a power cut
                if inside and all(_fits(event.get(k, ""), v) for k, v in where.items()):
                    yield event

    def prune(self, before: str) -> int:
        """Remove the files of days before `before` (YYYY-MM-DD); return how many."""
        old = [path for day, path in days_of(self.directory, "events-", ".ndjson") if day < before]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _descriptor(self, day: str) -> int:
        known = self._unsynced.get(day)
        if known is not None:
            return known
        self._locked()
        path = self.directory / f"events-{day}.ndjson"
        fresh = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._unsynced[day] = descriptor
        if fresh:  # the name, too, must survive
            _sync_folder(self.directory)
        return descriptor

    def _locked(self) -> None:
        if self._lock < 0:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o750)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            lock = os.open(self.directory / "events.lock", flags, 0o640)
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._lock = lock

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _rewritten(path: Path, change: Callable[[dict[str, str]], dict[str, str] | None]) -> int:
    changed, draft = 0, path.with_suffix(".new")
    try:
        with draft.open("wb") as file:
            os.fchmod(file.fileno(), 0o640)
            for line in _lines(path):
                try:
                    new = change(_decode(line))
                except msgspec.DecodeError:
                    continue  # torn by a power cut: nobody reads it, and what it holds nobody knows
                changed += new is not None
                file.write(line if new is None else _encode(new) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if changed:
            os.replace(draft, path)
            _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)
    return changed


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _day(event: Mapping[str, str]) -> str:
    try:
        return day_of(int(event["ts"]))
    except (KeyError, ValueError, OverflowError, OSError):
        return day_of(int(time.time() * 1000))  # an event without a time is still an event


def _torn(descriptor: int) -> bool:
    end = os.fstat(descriptor).st_size
    return end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"


def _fits(value: str, wanted: str | frozenset[str]) -> bool:
    return value == wanted if isinstance(wanted, str) else value in wanted


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=_READ_BYTES) as file:
            while line := file.readline(MAX_LINE):
                yield line
    except FileNotFoundError:
        return  # pruned while it was being listed
