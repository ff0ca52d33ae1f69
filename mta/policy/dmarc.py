"""What a domain asks receivers to do with mail that does not prove to be its own: DMARC records (RFC 7489 section 6).

A record of a registry (RFC 9091) is read by the same rules; its `np` for names that do not exist concerns nobody who
sends.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

POLICIES: Final = ("none", "quarantine", "reject")
MAX_RECORD: Final = 4096
_VERSION: Final = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")


@dataclass(frozen=True, slots=True)
class Policy:
    """A record: `policy` for the domain, `below` for domains below it; strict alignment; who is told (`rua`)."""

    policy: str
    below: str
    strict_dkim: bool = False
    strict_spf: bool = False
    reports: tuple[str, ...] = ()


def found(texts: Sequence[str]) -> list[str]:
    """Return the TXT records that are DMARC's (section 6.6.3: all others are discarded)."""
    return [text for text in texts if _VERSION.match(text)]


def parse(record: str) -> Policy:
    """Return a record's policy; raise ValueError that names what is wrong."""
    if len(record) > MAX_RECORD:
        raise ValueError(f"it is longer than {MAX_RECORD} characters")
    tags: dict[str, str] = {}
    for piece in record.split(";"):
        name, equals, value = piece.partition("=")
        if not piece.strip():
            continue
        if not equals:
            raise ValueError(f"it has a part that is no tag=value: {piece.strip()[:40]!a}")
        tags.setdefault(name.strip().lower(), value.strip())
    policy = tags.get("p", "").lower()
    if policy not in POLICIES:
        # Section 6.6.3: with an address for reports it counts as p=none, else not at all. Nobody means either.
        raise ValueError(f"p={tags.get('p', '')[:20]} is none of {', '.join(POLICIES)}")
    below = tags.get("sp", policy).lower()
    return Policy(
        policy, below if below in POLICIES else policy,
        tags.get("adkim", "r").lower() == "s", tags.get("aspf", "r").lower() == "s",
        tuple(one.strip() for one in tags.get("rua", "").split(",") if one.strip()),
    )  # fmt: skip
