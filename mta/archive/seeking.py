"""Look for the events of one message or person in the daily files: newest day first, in large reads, within a bound.

The files have no index: a line is found by the very text its encoder writes, at the speed of memory, and only then
decoded.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mta.archive.days import day_of, days_of

READ_BYTES = 4 << 20
MOST_BYTES = 16 << 30  # of files that are read for one question
MOST_EVENTS = 1_000

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


@dataclass(slots=True)
class Sought:
    """What was found, oldest first; `complete` False: a bound ended the look. `days` files were looked through."""

    events: list[dict[str, str]] = field(default_factory=list)
    days: int = 0
    complete: bool = True


def seek(
    directory: Path,
    name: str,
    value: str,
    *,
    since_ms: int = 0,
    most_bytes: int = MOST_BYTES,
    most: int = MOST_EVENTS,
    tell: Callable[[int], None] | None = None,
) -> Sought:
    """Return the events whose field `name` is `value`; those of one `eid` once. Days before `since_ms` are left out.

    `tell` hears how many bytes each read took. Blocks: use a thread in a loop.
    """
    out = Sought()
    needle = _encode({name: value})[1:-1]
    found: dict[str, dict[str, str]] = {}
    left = most_bytes
    first = day_of(max(0, since_ms))
    for day, path in reversed(days_of(directory, "events-", ".ndjson")):
        if day < first:
            break
        if left <= 0 or len(found) >= most:
            out.complete = False
            break
        out.days += 1
        for block in _blocks(path):
            left -= len(block)
            if tell is not None:
                tell(len(block))
            for event in _matching(block, needle):
                if event.get(name) == value and len(found) < most:
                    found.setdefault(event.get("eid", str(len(found))), event)
            if left <= 0:
                out.complete = False
                break
    out.events = sorted(found.values(), key=lambda event: int(event.get("ts", "0") or 0))
    return out


def _blocks(path: Path) -> Iterator[bytes]:
    """Give a file in blocks of whole lines; a line longer than a read comes with the next end of a line."""
    try:
        with path.open("rb", buffering=0) as file:
            kept = b""
            while chunk := file.read(READ_BYTES):
                cut = chunk.rfind(b"\n") + 1
                if not cut:
                    kept += chunk
                    continue
                yield kept + chunk[:cut]
                kept = chunk[cut:]
            if kept:
                yield kept
    except FileNotFoundError:
        return  # pruned since the listing


def _matching(block: bytes, needle: bytes) -> Iterator[dict[str, str]]:
    at = block.find(needle)
    while at >= 0:
        start, end = block.rfind(b"\n", 0, at) + 1, block.find(b"\n", at)
        end = len(block) if end < 0 else end
        try:
            yield _decode(block[start:end])
        except msgspec.DecodeError:
            pass  # torn by a power cut
        at = block.find(needle, end)
