"""What of a person stands in files of this machine that other processes append to or hold open.

Such a file can't be replaced: whoever holds it would go on with the old one, and some count in it. So the address is
starred out where it stands, with nothing moved; only what is packed, or about the person alone, is replaced or removed.
"""

import gzip
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from mta.erasure.subject import DataSubject

MAX_LINE: Final = 1 << 20
MAX_REPORT: Final = 64 << 20
MAX_JOURNAL: Final = 256 << 20


def mail_log(path: Path | None, subject: DataSubject) -> int:
    """Star a person out of the mail log and its rotated files; return how many lines. Raises OSError."""
    if path is None:
        return 0
    count = 0
    for file in sorted(path.parent.glob(f"{path.name}*")):
        if file.suffix == ".gz":
            count += _packed(file, lambda line: _logged(subject, line))
        elif file.is_file():
            count += _in_place(file, lambda line: _logged(subject, line))
    return count


def transcript(path: Path, subject: DataSubject) -> int:
    """Star a person out of the SMTP transcript and its rotated files; return how many lines. Raises OSError.

    Only for a person erased everywhere: a line names no tenant.
    """
    return 0 if subject.tenant else mail_log(path, subject)


def web_spool(directory: Path, subject: DataSubject) -> int:
    """Star out what the web keeps for later about a person: such a line is none any more. Returns how many."""
    return sum(_in_place(file, lambda line: _kept(subject, line)) for file in _files(directory, "*.events"))


def reports(directory: Path, subject: DataSubject) -> int:
    """Remove reports about a person, read or not; return how many.

    Only for a person erased everywhere: a report does not say whose mail it is about.
    """
    count = 0
    if not subject.tenant:
        for file in [*_files(directory, "*/*.eml"), *_files(directory, ".tmp-*")]:
            if subject.stands_in(_read(file, MAX_REPORT)):
                file.unlink(missing_ok=True)
                count += 1
    return count


def journals(directory: Path, subject: DataSubject) -> int:
    """Star a person out of the replies that sent journals hold; return how many.

    A worker maps its journal into memory, which is the same memory; a reply's length stays what its record says.
    """
    count = 0
    for file in _files(directory, "*"):
        raw = _read(file, MAX_JOURNAL)
        new = subject.masked(raw)
        if new == raw or subject.tenant:
            continue
        with file.open("r+b") as opened:
            for start in _differences(raw, new):
                end = start + 1
                while end < len(new) and raw[end] != new[end]:
                    end += 1
                os.pwrite(opened.fileno(), new[start:end], start)
                count += 1
            os.fsync(opened.fileno())
    return count


def _logged(subject: DataSubject, line: bytes) -> bytes:
    if subject.tenant and not any(
        mark in line
        for mark in (f" tenant={subject.tenant} ".encode(), f'"tenant":"{subject.tenant}"'.encode())
    ):
        return line
    return subject.masked_line(line)


def _kept(subject: DataSubject, line: bytes) -> bytes:
    if not subject.stands_in(line) or (subject.tenant and f'"{subject.tenant}"'.encode() not in line):
        return line
    return b" " * (len(line) - 1) + b"\n"


def _in_place(file: Path, change: Callable[[bytes], bytes]) -> int:
    count = at = 0
    try:
        with file.open("r+b", buffering=1 << 20) as opened:
            while line := opened.readline(MAX_LINE):
                new = change(line)
                if new != line:
                    os.pwrite(opened.fileno(), new, at)
                    count += 1
                at += len(line)
            if count:
                os.fsync(opened.fileno())
    except FileNotFoundError:
        return 0  # rotated away, or sent: the next pass looks again
    return count


def _packed(file: Path, change: Callable[[bytes], bytes]) -> int:
    count, draft = 0, file.with_name(f".{file.name}.new")
    before = file.stat()
    try:
        with gzip.open(file, "rb") as old, draft.open("wb") as target:
            with gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=int(before.st_mtime)) as new:
                while line := old.readline(MAX_LINE):
                    changed = change(line)
                    count += changed != line
                    new.write(changed)
            os.fchmod(target.fileno(), before.st_mode & 0o777)
            target.flush()
            os.fsync(target.fileno())
        if count:
            os.replace(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    return count


def _files(directory: Path, pattern: str) -> Iterable[Path]:
    return sorted(path for path in directory.glob(pattern) if path.is_file())


def _read(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(most)
    except FileNotFoundError:
        return b""


def _differences(old: bytes, new: bytes) -> Iterator[int]:
    """Yield where each stretch begins in which two texts of the same length differ."""
    page = 4096
    for start in range(0, len(old), page):
        if old[start : start + page] == new[start : start + page]:
            continue
        for at in range(start, min(start + page, len(old))):
            if old[at] != new[at] and (at == 0 or old[at - 1] == new[at - 1]):
                yield at
