"""Files that must be secret, and certificates that end."""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mta.cli.checkup.finding import BAD, OK, UNKNOWN, WARN, Finding

if TYPE_CHECKING:
    from mta.config.settings import Settings

AREA: Final = "files"
SOON_DAYS: Final = 14
MOST_KEYS: Final = 10_000


def files(settings: "Settings") -> list[Finding]:
    """Return the findings about keys, passwords and certificates."""
    from mta.daemon.vitals import certificates

    owner = _owner(settings.paths.root)
    found = [_secret(name, path, owner) for name, path in _secrets(settings)]
    found += [_certificate(name, path) for name, path in certificates(settings)]
    return [one for one in found if one is not None]


def _secrets(settings: "Settings") -> Iterator[tuple[str, Path]]:
    yield "state directory", settings.paths.root
    yield "token keys", settings.tracking_keys
    yield "redis.password_file", Path(settings.redis.password_file or "/nonexistent")
    yield "inbound.certificate", Path(settings.inbound.certificate or "/nonexistent")
    yield "web.certificate", Path(settings.web.certificate or "/nonexistent")
    keys = sorted(settings.dkim_keys.glob("*/*.pem")) if settings.dkim_keys.is_dir() else []
    for path in keys[:MOST_KEYS]:
        yield "DKIM key", path


def _owner(state: Path) -> int:
    """Return the user the engine runs as: who owns what it writes; -1 before its first start."""
    try:
        return state.stat().st_uid
    except OSError:
        return -1


def _secret(name: str, path: Path, owner: int) -> Finding | None:
    """A secret that others can read is none; one that the engine can't read is of no use."""
    about = f"{name} {path}"
    try:
        found = path.stat()
    except FileNotFoundError:
        return None  # made at the first start, or named wrongly, which check-config tells
    except OSError as error:
        return Finding(
            AREA, UNKNOWN, about, str(error.strerror), "run doctor as the engine's user, or as root"
        )
    mode = stat.S_IMODE(found.st_mode)
    open_to = mode & 0o077
    if stat.S_ISDIR(found.st_mode):
        if open_to & 0o022:
            says = f"others may write there (mode {mode:04o})"
            return Finding(AREA, BAD, about, says, f"chmod go-rwx {path}")
        return Finding(AREA, OK, about, f"mode {mode:04o}")
    if open_to & 0o007:
        return Finding(AREA, BAD, about, f"everybody may read it (mode {mode:04o})", f"chmod 600 {path}")
    if open_to:
        return Finding(AREA, WARN, about, f"its group may read it (mode {mode:04o})", f"chmod 600 {path}")
    if owner not in (-1, 0, found.st_uid):
        says = f"the engine can't read it: it belongs to user {found.st_uid}, the state directory to {owner}"
        return Finding(AREA, BAD, about, says, f"chown {owner}: {path}")
    if not os.access(path, os.R_OK):
        return Finding(
            AREA, UNKNOWN, about, "you can't read it", "run doctor as the engine's user, or as root"
        )
    return Finding(AREA, OK, about, f"mode {mode:04o}")


def _certificate(name: str, path: Path) -> Finding:
    from mta.daemon.vitals import seconds_left

    left = seconds_left(path, time.time())
    about = f"{name} {path}"
    if left is None:
        return Finding(
            AREA, BAD, about, "no certificate can be read there", f"put a PEM file there, or change {name}"
        )
    days = int(left // 86400)
    if left <= 0:
        return Finding(
            AREA, BAD, about, f"the certificate ended {-days} days ago", "replace it and reload the engine"
        )
    if days < SOON_DAYS:
        return Finding(
            AREA, WARN, about, f"the certificate ends in {days} days", "replace it and reload the engine"
        )
    return Finding(AREA, OK, about, f"the certificate lasts {days} days")
