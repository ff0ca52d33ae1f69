"""Events: what the web tier reads. A flat map of strings with a stable `eid` (docs/protocol.md section 2)."""

from collections.abc import Mapping
from typing import Final

FINAL: Final = frozenset({"delivered", "bounced", "expired", "suppressed", "purged", "failed"})
"""Exactly one of these per accepted recipient (a later report about it comes in addition, `async` = 1)."""

COUNTED: Final = (
    "accepted",
    "delivered",
    "bounced",
    "expired",
    "suppressed",
    "purged",
    "failed",
    "deferred",
    "opened",
    "clicked",
    "unsubscribed",
    "complained",
    "late_bounced",
)
"""The totals of a campaign, in the order they are shown."""


def event(kind: str, eid: str, ts: int, /, **fields: str | int) -> dict[str, str]:
    """Return the field map of one event; `ts` in ms since 1970; empty fields are left out."""
    out = {"v": "1", "event": kind, "eid": eid, "ts": str(ts)}
    for name, value in fields.items():
        text = str(value)
        if text:
            out[name.rstrip("_")] = text
    return out


def flat(fields: Mapping[str, str]) -> list[str]:
    """Return an event's fields as name, value, name, value: the form in which scripts take them."""
    return [part for pair in fields.items() for part in pair]


def delivery_eid(name: str, tenant: str, kind: str, attempt: int) -> str:
    """Return the stable id of an attempt's event: the same attempt told twice has the same eid."""
    return f"{tenant}/{name}/{kind}/{attempt}"


def token_eid(token: str, kind: str, ts: int) -> str:
    """Return the id of an open, click or unsubscribe: one per token and second."""
    return f"{token}/{kind}/{ts // 1000}"
