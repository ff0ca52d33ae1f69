"""Accepted submission entries, one SQLite file per day, so that a day past its time is removed by one unlink.

SQLite because several processes look rows up while one writes, and a look-up by number must not read a file
through. A write is on disk when `add` returns: only then may Redis forget the entry.
"""

import sqlite3
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mta.archive.days import day_of, days_of

LOOK_SECONDS = 0.1  # between two looks at it; less than between two passes of an erasure
ERASED = "erased"  # a file touched whenever entries were rewritten: what other processes remember is old then
MAX_OPEN = 64  # files kept open; more days than that are opened when asked for
CACHE_BYTES = 32 << 20
MAX_DATA = 64 << 20  # uncompressed; an entry's data is at most 1 MiB when it is accepted
BUSY_SECONDS = 10.0

_TABLES = """
create table if not exists entry (
    seq integer primary key, ts integer not null, cls integer not null, kind text not null,
    tenant text not null, key text not null, campaign text not null, data blob not null
) strict;
create index if not exists campaign on entry (tenant, campaign) where kind = 'campaign';
create index if not exists key on entry (tenant, key);
"""
_COLUMNS = "seq, ts, cls, kind, tenant, key, campaign, data"


@dataclass(frozen=True, slots=True)
class Entry:
    """A submission as it was accepted: `ts` in ms since 1970, `data` the JSON document."""

    seq: int
    ts: int
    cls: int
    kind: str
    tenant: str
    key: str
    campaign: str
    data: bytes


class Entries:
    """The files `entries-YYYY-MM-DD.sqlite3` of a directory. May be used by several threads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._files: OrderedDict[Path, sqlite3.Connection] = OrderedDict()
        self._written: set[Path] = set()
        self._lock = threading.RLock()
        self._kept: OrderedDict[int, Entry] = OrderedDict()
        self._kept_bytes = 0
        self._erased = self._erasure()
        self._looked = 0.0

    def add(self, entries: Sequence[Entry]) -> None:
        """Write entries, each to the file of its day; the same number again replaces it. On disk at return."""
        with self._lock:
            in_order = sorted(entries, key=lambda entry: entry.ts)
            for day, group in groupby(in_order, lambda entry: day_of(entry.ts)):
                path = self.directory / f"entries-{day}.sqlite3"
                rows = [
                    (e.seq, e.ts, e.cls, e.kind, e.tenant, e.key, e.campaign, zlib.compress(e.data, 6))
                    for e in group
                ]
                for row in rows:
                    self._forget(int(row[0]))
                with self._open(path, write=True) as connection:
                    connection.executemany(
                        f"insert or replace into entry ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?)", rows
                    )

    def get(self, seq: int) -> Entry | None:
        """Return the entry with this number, newest day first; None when it is not here (or no more)."""
        with self._lock:
            known = self._remembered(seq)
            if known is not None:
                return known
            found = self._first(f"select {_COLUMNS} from entry where seq = ?", (seq,))
            if found is not None:
                self._keep(found)
            return found

    def remembered(self, seq: int) -> Entry | None:
        """Return the entry if it is in memory and nobody is reading files just now: never waits."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self._remembered(seq)
        finally:
            self._lock.release()

    def _remembered(self, seq: int) -> Entry | None:
        now = time.monotonic()
        if now > self._looked + LOOK_SECONDS:
            self._looked = now
            if (erased := self._erasure()) != self._erased:
                self._forget_all()
                self._erased = erased
        known = self._kept.get(seq)
        if known is not None:
            self._kept.move_to_end(seq)
        return known

    def campaign(self, tenant: str, campaign: str) -> Entry | None:
        """Return the newest `campaign` entry of that name."""
        return self._first(
            f"select {_COLUMNS} from entry where kind = 'campaign' and tenant = ? and campaign = ?"
            " order by seq desc limit 1",
            (tenant, campaign),
        )

    def by_key(self, tenant: str, key: str) -> Entry | None:
        """Return the newest entry submitted under this idempotency key."""
        return self._first(
            f"select {_COLUMNS} from entry where tenant = ? and key = ? order by seq desc limit 1",
            (tenant, key),
        )

    def keys_of(self, tenant: str, campaign: str, kind: str) -> Iterator[tuple[int, str]]:
        """Yield number and key of a tenant's entries of a kind, newest day first; data is not read."""
        query = "select seq, key from entry where tenant = ? and campaign = ? and kind = ?"
        for path in self._newest_first():
            try:
                with self._lock:
                    rows = self._open(path).execute(query, (tenant, campaign, kind)).fetchall()
            except sqlite3.OperationalError as error:
                if path.exists() and "no such table" not in str(error):
                    raise
                continue
            yield from rows

    def prune(self, before: str) -> int:
        """Remove the files of days before `before` (YYYY-MM-DD); return how many."""
        removed = 0
        with self._lock:
            for day, path in days_of(self.directory, "entries-", ".sqlite3"):
                if day < before:
                    self._close(path)
                    for suffix in ("-wal", "-shm", ""):
                        path.with_name(path.name + suffix).unlink(missing_ok=True)
                    removed += 1
            if removed:
                self._forget_all()
        return removed

    def rewrite(self, change: Callable[[Entry], bytes | None]) -> int:
        """Put other data in place of what `change` does not return None for; return how many entries.

        A day's file in one transaction; what stood there is overwritten with zeros, in the file and its log.
        """
        changed = 0
        with self._lock:
            for path in self._newest_first():
                connection = self._open(path, write=True)
                connection.execute("pragma secure_delete = on")
                new = []
                for *fields, packed in connection.execute(f"select {_COLUMNS} from entry"):
                    entry = Entry(*(*fields, _inflate(packed)))
                    data = change(entry)
                    if data is not None:
                        new.append((zlib.compress(data, 6), entry.seq))
                if new:
                    with connection:
                        connection.executemany("update entry set data = ? where seq = ?", new)
                    changed += len(new)
                connection.execute("pragma wal_checkpoint(truncate)")
            self._forget_all()
            if changed:
                (self.directory / ERASED).write_bytes(b"")
        return changed

    def _erasure(self) -> int:
        try:
            return (self.directory / ERASED).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for path in list(self._files):
                self._close(path)

    def _first(self, query: str, values: tuple[object, ...]) -> Entry | None:
        with self._lock:
            for path in self._newest_first():
                try:
                    row = self._open(path).execute(query, values).fetchone()
                except sqlite3.OperationalError as error:
                    # Another process has removed the file since the listing, or is only now making it.
                    if path.exists() and "no such table" not in str(error):
                        raise
                    continue
                if row is not None:
                    row = (*row[:-1], _inflate(row[-1]))
                    return Entry(*row)
        return None

    def _newest_first(self) -> Iterator[Path]:
        for _, path in reversed(days_of(self.directory, "entries-", ".sqlite3")):
            yield path

    def _open(self, path: Path, *, write: bool = False) -> sqlite3.Connection:
        connection = self._files.get(path)
        if connection is not None and write and path not in self._written:
            self._close(path)  # it was opened for look-ups
            connection = None
        if connection is None:
            if write:
                self.directory.mkdir(parents=True, exist_ok=True, mode=0o750)
            mode = "rwc" if write else "rw"
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=BUSY_SECONDS,
                check_same_thread=False,  # the lock above keeps threads apart
            )
            if write:
                connection.execute("pragma journal_mode = wal")
                connection.executescript(_TABLES)
                self._written.add(path)
            # FULL: in WAL mode NORMAL would not sync at each commit.
            connection.execute("pragma synchronous = full")
            self._files[path] = connection
        self._files.move_to_end(path)
        while len(self._files) > MAX_OPEN:
            self._close(next(iter(self._files)))
        return connection

    def _close(self, path: Path) -> None:
        connection = self._files.pop(path, None)
        self._written.discard(path)
        if connection is not None:
            connection.close()

    def _forget_all(self) -> None:
        self._kept.clear()
        self._kept_bytes = 0

    def _forget(self, seq: int) -> None:
        old = self._kept.pop(seq, None)
        if old is not None:
            self._kept_bytes -= len(old.data)

    def _keep(self, entry: Entry) -> None:
        self._kept[entry.seq] = entry
        self._kept_bytes += len(entry.data)
        while self._kept_bytes > CACHE_BYTES:
            _, old = self._kept.popitem(last=False)
            self._kept_bytes -= len(old.data)


def _inflate(blob: bytes) -> bytes:
    machine = zlib.decompressobj()
    data = machine.decompress(blob, MAX_DATA)
    if machine.unconsumed_tail:
        raise ValueError(f"an archived entry is larger than {MAX_DATA} bytes")
    return data
