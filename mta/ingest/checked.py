"""The submissions as the engine holds them once checked: parsed, with defaults in place, nothing in doubt.

Times and durations are ms, addresses are parsed, texts that go into a header or a command hold no control
character. Where a document leaves something to the engine's settings (pool, quota) the value is empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from mta.address import Address, Mailbox
from mta.ingest.documents import Blob
from mta.tenancy import Profile
from mta.throttle.canary import Canary
from mta.throttle.rate import Rate
from mta.throttle.window import Window


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment; `data` is a Blob until `blobs.fill` put the bytes in."""

    name: str
    type: str
    data: bytes | Blob
    cid: str | None


@dataclass(frozen=True, slots=True)
class Content:
    """What a template is compiled from, the same for message and campaign."""

    sender: Mailbox
    subject: str
    text: str
    html: str | Blob | None
    reply_to: Mailbox | None
    headers: Mapping[str, str]
    parts: tuple[Part, ...]
    opens: bool
    clicks: bool


@dataclass(frozen=True, slots=True)
class Raw:
    """A complete message made elsewhere; `data` is a Blob until `blobs.fill` put the bytes in."""

    sender: Mailbox
    data: bytes | Blob


@dataclass(frozen=True, slots=True)
class Message:
    """One mail; `recipients` are its envelope recipients in the order of their numbers, each once."""

    id: str
    content: Content | Raw
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    recipients: tuple[Address, ...]
    vars: Mapping[str, str]
    envelope_from: Address | None
    ref: str
    pool: str
    not_before: int | None
    expires: int | None
    null_sender: bool = False  # a report or automatic reply: nobody is to answer it
    notify: tuple[str, ...] = ()  # of what the sender is told by mail: failure, delay, success
    notify_to: str = ""


@dataclass(frozen=True, slots=True)
class Campaign:
    """What all recipients of a mailing share."""

    id: str
    content: Content
    list_: str
    unsubscribe: bool
    pool: str
    weight: int
    not_before: int | None
    expires: int | None
    rate: Rate | None
    hold: bool
    window: Window | None
    canary: Canary | None


@dataclass(frozen=True, slots=True)
class Recipients:
    """People of a campaign, not yet looked at one by one: see `rows.rows`."""

    campaign: str
    columns: tuple[str, ...]
    rows: list[Any]
    last: bool


@dataclass(frozen=True, slots=True)
class Scope:
    """What a control acts on: `kind` is tenant, campaign, message, recipient, domain, site or source.

    `tenant` is empty when an operator's control holds for every tenant; `value` is empty for kind tenant.
    """

    kind: str
    value: str
    tenant: str


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound set by a control; None leaves that bound alone."""

    rate: Rate | None
    connections: int | None


@dataclass(frozen=True, slots=True)
class Control:
    """An order to the engine; `duration` in ms, None = until undone."""

    op: str
    scope: Scope
    duration: int | None
    limit: Limit | None
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Addresses:
    """An order about addresses: suppress, unsuppress or erase; empty `list_` = all lists of the tenant."""

    op: str
    tenant: str  # empty: every tenant (an operator's order)
    list_: str
    addresses: tuple[Address, ...]
    reason: str
    by: str


Checked: TypeAlias = Message | Campaign | Recipients | Profile | Control | Addresses
