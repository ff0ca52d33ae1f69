"""The documents as they are written in JSON, one struct per kind: names and types only, no meaning.

Every optional member may be null, which says the same as leaving it out. docs/schema/ holds the same shapes
for other languages; a test keeps the two equal. What the values must be is the affair of the check modules.
"""

from typing import Any, Final

from msgspec import Struct, field

MAX_DATA: Final = 1 << 20
"""Bytes of one entry's `data`."""
MAX_ROWS: Final = 1000
MAX_COLUMNS: Final = 100
MAX_CONTENT: Final = 25 << 20
"""Bytes of one message's text, html and decoded attachments (or raw) together, blobs filled in."""
MAX_RECIPIENTS: Final = 100
"""Envelope recipients of one `message`: to, cc and bcc together."""
MAX_ATTACHMENTS: Final = 100
MAX_HEADERS: Final = 50
MAX_HEADER: Final = 2000
"""Characters of a subject, a header value or a display name with its address."""
MAX_VARS: Final = 500
MAX_TEXT: Final = 500
"""Characters of a ref, a reason or a `by`."""
MAX_ROW: Final = 65536
"""Characters of all cells of one row together."""
MAX_NAMES: Final = 1000
"""Entries of a list in a tenant or control document (domains, pools, keys, addresses)."""


class Blob(Struct, frozen=True, forbid_unknown_fields=True):
    """Stands where large bytes would: they wait in Redis under their SHA-256."""

    blob: str


class Track(Struct, forbid_unknown_fields=True):
    opens: bool | None = None
    clicks: bool | None = None


class Attachment(Struct, forbid_unknown_fields=True):
    name: str
    type: str
    data: str | Blob
    cid: str | None = None


class Message(Struct, forbid_unknown_fields=True):
    sender: str = field(name="from")
    tenant: str | None = None
    id: str | None = None
    to: list[str] | None = None
    cc: list[str] | None = None
    bcc: list[str] | None = None
    reply_to: str | None = None
    subject: str | None = None
    text: str | None = None
    html: str | Blob | None = None
    headers: dict[str, Any] | None = None
    attachments: list[Attachment] | None = None
    vars: dict[str, Any] | None = None
    raw: str | Blob | None = None
    envelope_from: str | None = None
    notify: list[str] | None = None
    notify_to: str | None = None
    ref: str | None = None
    track: Track | None = None
    pool: str | None = None
    not_before: str | None = None
    expires: str | None = None


class Window(Struct, forbid_unknown_fields=True):
    start: str = field(name="from")
    end: str = field(name="to")
    days: str | None = None
    tz: str | None = None


class Canary(Struct, forbid_unknown_fields=True):
    share: float
    then: str | None = None
    max_bounce: float | None = None
    max_complaint: float | None = None
    max_deferral: float | None = None
    least: int | None = None
    wait: str | None = None


class Campaign(Struct, forbid_unknown_fields=True):
    id: str
    sender: str = field(name="from")
    subject: str
    tenant: str | None = None
    list_: str | None = field(name="list", default=None)
    reply_to: str | None = None
    text: str | None = None
    html: str | Blob | None = None
    headers: dict[str, Any] | None = None
    attachments: list[Attachment] | None = None
    track: Track | None = None
    unsubscribe: bool | None = None
    pool: str | None = None
    weight: int | None = None
    not_before: str | None = None
    expires: str | None = None
    rate: str | None = None
    hold: bool | None = None
    window: Window | None = None
    canary: Canary | None = None


class Recipients(Struct, forbid_unknown_fields=True):
    campaign: str
    columns: list[str]
    rows: list[Any]  # cells are checked one by one: a bad row is refused alone, not with its 999 neighbours
    tenant: str | None = None
    last: bool | None = None


class DkimKey(Struct, forbid_unknown_fields=True):
    domain: str
    selector: str


class Privacy(Struct, forbid_unknown_fields=True):
    ip: str | None = None
    opens: bool | None = None
    clicks: bool | None = None


class Tenant(Struct, forbid_unknown_fields=True):
    id: str
    from_domains: list[str]
    bounce_domain: str | None = None
    track_host: str | None = None
    weight: int | None = None
    classes: list[str] | None = None
    rate: str | None = None
    quota: str | None = None
    urgent_quota: str | None = None
    dkim: list[DkimKey] | None = None
    pools: list[str] | None = None
    review: bool | None = None
    privacy: Privacy | None = None


class Scope(Struct, forbid_unknown_fields=True):
    tenant: str | None = None
    campaign: str | None = None
    domain: str | None = None
    site: str | None = None
    source: str | None = None
    message: str | None = None
    recipient: str | None = None


class Limit(Struct, forbid_unknown_fields=True):
    rate: str | None = None
    connections: int | None = None


class Control(Struct, forbid_unknown_fields=True):
    op: str
    scope: Scope | None = None
    duration: str | None = field(name="for", default=None)
    reason: str | None = None
    by: str | None = None
    limit: Limit | None = None
    tenant: str | None = None
    list_: str | None = field(name="list", default=None)
    addresses: list[str] | None = None
