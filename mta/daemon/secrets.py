"""The engine's own secret: one file, made at first start, from which token and suppression keys are derived.

It is a credential and never in Redis: who copies the database can neither forge a token nor read the lists.
"""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from mta.daemon.exits import CONFIG, Stop
from mta.tracking.token import Keys

SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Secrets:
    """Derived keys: signed tokens by key id, and the keyed hash of suppressed addresses."""

    tokens: Keys
    suppression: bytes


def load(path: Path) -> Secrets:
    """Return the secrets of a file of hexadecimal lines, newest first; the file is made when it is missing.

    Line n from the end has key id n: a new first line rotates, old tokens verify until their line is removed.
    The suppression key is derived from the oldest line, since its hashes can't be made anew. Raises Stop(CONFIG).
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_hex(SECRET_BYTES) + "\n")
        try:
            os.link(fresh, path)  # whoever links first wins: all roles read the same secret
        except FileExistsError:
            pass
        fresh.unlink()
    try:
        lines = [bytes.fromhex(line) for line in path.read_text().split()]
    except (OSError, ValueError) as error:
        raise Stop(
            CONFIG, f"secret file {path} can't be read ({error}); it holds hexadecimal lines"
        ) from error
    if not lines or any(len(line) < SECRET_BYTES for line in lines) or len(lines) > 16:
        raise Stop(
            CONFIG, f"secret file {path} must hold 1 to 16 lines of {SECRET_BYTES * 2} hexadecimal digits"
        )
    oldest_first = lines[::-1]
    table = {number: _derive(line, b"mta token") for number, line in enumerate(oldest_first)}
    return Secrets(Keys(len(lines) - 1, table), _derive(oldest_first[0], b"mta suppression"))


def _derive(secret: bytes, purpose: bytes) -> bytes:
    return hashlib.blake2b(purpose, key=secret, digest_size=32).digest()
