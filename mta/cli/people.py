"""A CSV file of people as `recipients` documents: read as a stream, cut the same way each time.

The cut depends on the file and the batch size alone, so that a rerun makes the same entries under the same keys
and nobody gets two mails.
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mta.cli.failure import DATA, Failure

MAX_BATCH = 1000  # rows of an entry (docs/protocol.md section 8)
MAX_BYTES = 900_000  # of an entry's rows; the entry may have 1 MiB
MAX_KEY = 64


@dataclass(frozen=True, slots=True)
class Batch:
    """One `recipients` entry."""

    number: int  # from 1
    rows: int
    data: bytes
    last: bool


def batches(lines: Iterable[str], campaign: str, most: int, name: str) -> Iterator[Batch]:
    """Yield the entries of a CSV text, header line first; raise Failure naming file and line.

    Lines without any cell are skipped. `name` is the file's, for errors.
    """
    reader = csv.reader(lines, strict=True)
    head = b""
    number, rows, size = 1, list[bytes](), 0
    try:
        columns = [cell.strip() for cell in next(reader, [])]
        if "email" not in columns:
            raise Failure(
                DATA, f"{name}:1: the header names no column `email`; it has {', '.join(columns) or 'none'}"
            )
        named = {"campaign": campaign, "columns": columns}
        head = json.dumps(named, ensure_ascii=False, separators=(",", ":")).encode()[:-1]
        for cells in reader:
            if not any(cells):
                continue
            row = json.dumps(cells, ensure_ascii=False, separators=(",", ":")).encode()
            # Only now is it sure that the batch before this row is not the last one.
            if len(rows) == most or (rows and size + len(row) > MAX_BYTES):
                yield _batch(number, head, rows, last=False)
                number, rows, size = number + 1, [], 0
            rows.append(row)
            size += len(row) + 1
    except csv.Error as error:
        raise Failure(DATA, f"{name}:{reader.line_num}: is not CSV: {error}") from error
    except UnicodeDecodeError as error:
        raise Failure(DATA, f"{name}: is not UTF-8 after line {reader.line_num}; save it as UTF-8") from error
    if not rows:
        raise Failure(DATA, f"{name}: holds a header and nobody")
    yield _batch(number, head, rows, last=True)


def _batch(number: int, head: bytes, rows: list[bytes], *, last: bool) -> Batch:
    data = b'%b,"rows":[%b],"last":%b}' % (head, b",".join(rows), b"true" if last else b"false")
    return Batch(number, len(rows), data, last)


def key_of(campaign: str, part: str) -> str:
    """Return the idempotency key of a part of a campaign: the same for every run."""
    key = f"{campaign}.{part}"
    if len(key) <= MAX_KEY:
        return key
    digest = hashlib.blake2b(campaign.encode(), digest_size=8).hexdigest()
    return f"{campaign[:24]}.{digest}.{part}"
