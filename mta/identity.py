"""Public names: the grammar of ids, and how the name of each recipient's message is made.

A name is made from what the producer sent and nothing else, so a repeated submission makes the same names and
no second message. All rows of an entry share a stem, so the queue can keep the stem once and only count.
"""

import re
from base64 import b32encode
from hashlib import blake2b
from typing import Final

MAX_ID: Final = 64
MAX_NAME: Final = 72
"""A recipient's message name: an id, a dot and a number."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,71}", re.ASCII)
_STEM_DIGEST = 10  # bytes: 16 characters of base32 without padding; a tenant's entries never come near 2**40
_CAMPAIGN_SHOWN = 24


def is_id(text: str) -> bool:
    """Say whether `text` is a legal tenant, campaign, list, message id or key (docs/protocol.md)."""
    return _ID.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Say whether `text` can be the public name of one recipient's message: a little longer than an id."""
    return _NAME.fullmatch(text) is not None


def message_id(tenant: str, key: str) -> str:
    """Return the id of a `message` that was submitted without one."""
    return f"m.{_digest(b'mta message', tenant, key)}"


def recipient_id(message: str, n: int) -> str:
    """Return the name of a message's envelope recipient `n`, counted from 0 through to, cc and bcc."""
    return f"{message}.{n}"


def entry_stem(tenant: str, campaign: str, key: str) -> str:
    """Return what the names of all rows of one `recipients` entry begin with (at most 41 characters)."""
    return f"{campaign[:_CAMPAIGN_SHOWN]}.{_digest(b'mta recipients', tenant, campaign, key)}"


def public_id(tenant: str, campaign: str, key: str, row: int) -> str:
    """Return the name of the message of row `row`, counted from 0: `recipient_id(entry_stem(...), row)`."""
    return recipient_id(entry_stem(tenant, campaign, key), row)


def _digest(purpose: bytes, *parts: str) -> str:
    # NUL is outside the id grammar, so no two lists of parts can be joined to the same bytes.
    digest = blake2b("\0".join(parts).encode(), digest_size=_STEM_DIGEST, person=purpose).digest()
    return b32encode(digest).decode("ascii").lower()
