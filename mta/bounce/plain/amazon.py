"""What Amazon SES tells by mail through SNS: one line of JSON in a text part.

Field names: docs.aws.amazon.com/ses/latest/dg/notification-contents.html.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from mta.bounce import dsn
from mta.bounce.dsn import Status

MAX_LINE: Final = 64 << 10

MARK: Final = '"notificationType"'
_LISTS: Final = {
    "bounce": ("bouncedRecipients", "failed"),
    "complaint": ("complainedRecipients", "complained"),
    "delivery": ("recipients", "delivered"),
}


def read(lines: Sequence[str]) -> list[Status]:
    """Return what a notification among these lines says of each recipient. Never raises.

    `action` is `failed`, `delayed`, `delivered` or `complained`.
    """
    line = next((line for line in lines if MARK in line), "").strip()
    if not line.startswith("{") or len(line) > MAX_LINE:
        return []
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return []
    kind = str(found.get("notificationType", "")).lower() if isinstance(found, dict) else ""
    about = found.get(kind) if kind in _LISTS else None
    if not isinstance(about, dict):
        return []
    field, action = _LISTS[kind]
    listed = about.get(field)
    remote, said = _text(about.get("reportingMTA")), _text(about.get("smtpResponse"))
    return [
        _status(one if isinstance(one, dict) else {"emailAddress": one}, action, remote, said)
        for one in (listed if isinstance(listed, list) else [])[: dsn.MAX_RECIPIENTS]
    ]


def _status(one: dict[str, Any], action: str, remote: str, said: str) -> Status:
    diagnostic = _text(one.get("diagnosticCode")).partition(";")[2].strip() or said
    address = _text(one.get("emailAddress"))[: dsn.MAX_ADDRESS]
    address = address if address.isprintable() else ""
    return Status(
        recipient=address,
        final=address,
        action="delayed" if _text(one.get("action")).lower() == "delayed" else action,
        status=dsn.enhanced_in(_text(one.get("status"))) or dsn.enhanced_in(diagnostic),
        code=dsn.code_in(diagnostic),
        diagnostic=diagnostic,
        remote="",
        reporting=remote.rpartition(";")[2].strip()[: dsn.MAX_NAME],
    )


def _text(value: object) -> str:
    return value[: dsn.MAX_DIAGNOSTIC] if isinstance(value, str) else ""
