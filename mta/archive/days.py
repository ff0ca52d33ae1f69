"""Days as they stand in file names: UTC, YYYY-MM-DD, so that names sort by time."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

_DAY_MS = 86_400_000
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def day_of(ms: int) -> str:
    """Return the UTC day of a time in ms since 1970."""
    return _day(ms // _DAY_MS)


@lru_cache(maxsize=512)
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * 86400, UTC).strftime("%Y-%m-%d")


def days_of(directory: Path, prefix: str, suffix: str) -> list[tuple[str, Path]]:
    """Return (day, path) of the files `<prefix><day><suffix>` in a directory, oldest first."""
    if not directory.is_dir():
        return []
    found = []
    for path in directory.iterdir():
        day = path.name.removeprefix(prefix).removesuffix(suffix)
        if path.name == f"{prefix}{day}{suffix}" and _DAY.fullmatch(day):
            found.append((day, path))
    return sorted(found)
