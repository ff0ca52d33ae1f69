"""Check a message, a campaign or the head of a recipients entry: documents that come on the mail streams."""

import re
from typing import Any, Final

from mta.address import Mailbox
from mta.identity import message_id
from mta.ingest import documents as wire
from mta.ingest.blobs import check_sender
from mta.ingest.checked import Campaign, Content, Message, Raw, Recipients
from mta.ingest.codes import (
    BAD_COLUMN,
    BAD_CONTENT,
    BAD_VALUE,
    NO_RECIPIENT,
    TOO_LARGE,
    UNSUBSCRIBE_REQUIRED,
    Refused,
)
from mta.ingest.content import content_of
from mta.ingest.fields import (
    address,
    blob,
    bounded,
    few,
    identifier,
    lifetime,
    line,
    mailbox,
    one_of,
    own,
    text_of,
    whole,
)
from mta.ingest.grammar import base64, body, clock, days, duration, rate, shown, zone
from mta.message import Class
from mta.mime.mailing import NULL_SENDER
from mta.throttle.canary import Canary
from mta.throttle.window import Window

BUILT_IN: Final = frozenset({"unsubscribe_url", "view_url"})
"""Merge names the engine fills: no column and no `vars` member may carry them."""
NOTIFY: Final = ("failure", "delay", "success")
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_ELSE = "recipient, else "


def field_name(text: str, where: str) -> str:
    """Return `text` when a merge field may have that name."""
    if not _FIELD_NAME.fullmatch(text) or text in BUILT_IN:
        raise Refused(
            BAD_COLUMN, f"`{where}` names {shown(text)}; use letters, digits, `_`, `.`, `-`, first a letter"
        )
    return text


def message(document: wire.Message, tenant: str, key: str, cls: Class) -> Message:
    """Return the checked message; its id is made from tenant and key when it has none."""
    own(document.tenant, tenant)
    to, cc, bcc = (
        tuple(mailbox(text, f"{field}[{n}]") for n, text in enumerate(texts or ()))
        for field, texts in (("to", document.to), ("cc", document.cc), ("bcc", document.bcc))
    )
    recipients = tuple(dict.fromkeys(box.address for box in (*to, *cc, *bcc)))
    if not recipients:
        raise Refused(NO_RECIPIENT, "`to`, `cc` and `bcc` are all empty; name at least one recipient")
    if len(recipients) > wire.MAX_RECIPIENTS:
        raise Refused(
            TOO_LARGE, f"`to`, `cc`, `bcc` name {len(recipients)}; the limit is {wire.MAX_RECIPIENTS}"
        )
    not_before, expires = lifetime(document.not_before, document.expires)
    null = document.envelope_from == NULL_SENDER
    if null and document.raw is None:
        raise Refused(
            BAD_VALUE,
            "`envelope_from` is `<>`, which belongs to reports and automatic replies; give them as `raw`",
        )
    return Message(
        id=message_id(tenant, key) if document.id is None else identifier(document.id, "id"),
        content=content_of(document, track=False) if document.raw is None else _raw(document, document.raw),
        to=to,
        cc=cc,
        recipients=recipients,
        vars=_vars(document.vars or {}),
        envelope_from=None
        if document.envelope_from is None or null
        else address(document.envelope_from, "envelope_from"),
        ref=line(document.ref, "ref", wire.MAX_TEXT),
        pool=_optional_id(document.pool, "pool"),
        not_before=not_before,
        expires=expires,
        null_sender=null,
        notify=_notify(document, null=null),
        notify_to="" if document.notify_to is None else str(address(document.notify_to, "notify_to")),
    )


def _notify(document: wire.Message, *, null: bool) -> tuple[str, ...]:
    if document.notify is None:
        if document.notify_to is not None:
            raise Refused(BAD_VALUE, "`notify_to` without `notify`; say of what: failure, delay, success")
        return ()
    if null:
        raise Refused(
            BAD_VALUE, "`notify` beside `envelope_from` `<>`: nobody is told of a report; leave it out"
        )
    few(document.notify, "notify", len(NOTIFY))
    return tuple(dict.fromkeys(one_of(word, "notify", NOTIFY) for word in document.notify))


def campaign(document: wire.Campaign, tenant: str, key: str, cls: Class) -> Campaign:
    """Return the checked campaign; a bulk one always carries its unsubscribe link (RFC 8058)."""
    own(document.tenant, tenant)
    if cls is Class.BULK and document.unsubscribe is False:
        raise Refused(
            UNSUBSCRIBE_REQUIRED,
            "`unsubscribe` is false on a bulk campaign; leave it out, or submit as transactional",
        )
    not_before, expires = lifetime(document.not_before, document.expires)
    content: Content = content_of(document, track=True)
    return Campaign(
        id=identifier(document.id, "id"),
        content=content,
        list_=_optional_id(document.list_, "list"),
        unsubscribe=document.unsubscribe is not False,
        pool=_optional_id(document.pool, "pool"),
        weight=whole(document.weight, "weight", 1, 1000, 1),
        not_before=not_before,
        expires=expires,
        rate=None if document.rate is None else rate(document.rate, "rate"),
        hold=bool(document.hold),
        window=None if document.window is None else _window(document.window),
        canary=None if document.canary is None else _canary(document.canary),
    )


def recipients(document: wire.Recipients, tenant: str, key: str, cls: Class) -> Recipients:
    """Return the head of the entry checked: campaign, columns, count. Its rows are checked by `rows.rows`."""
    own(document.tenant, tenant)
    identifier(document.campaign, "campaign")
    few(document.columns, "columns", wire.MAX_COLUMNS)
    few(document.rows, "rows", wire.MAX_ROWS)
    columns = tuple(field_name(name, "columns") for name in document.columns)
    for name in columns:
        if columns.count(name) > 1:
            raise Refused(BAD_COLUMN, f"`columns` names {shown(name)} twice; name each column once")
    if "email" not in columns:
        raise Refused(BAD_COLUMN, "`columns` has no `email`; add the column with the addresses")
    return Recipients(document.campaign, columns, document.rows, bool(document.last))


def _raw(document: wire.Message, data: str | wire.Blob) -> Raw:
    beside = ("subject", "text", "html", "headers", "attachments", "vars", "reply_to", "track")
    for name in beside:
        if getattr(document, name) is not None:
            raise Refused(
                BAD_CONTENT, f"`{name}` stands beside `raw`, which is sent as it is; leave one of them out"
            )
    sender: Mailbox = mailbox(document.sender, "from")
    raw = Raw(sender, blob(data, "raw") if isinstance(data, wire.Blob) else base64(data, "raw"))
    check_sender(raw)
    return raw


def _vars(values: dict[str, Any]) -> dict[str, str]:
    few(values, "vars", wire.MAX_VARS)
    return {
        field_name(name, "vars"): body(text_of(value, f"vars.{name}"), f"vars.{name}")
        for name, value in values.items()
    }


def _optional_id(text: str | None, field: str) -> str:
    return "" if text is None else identifier(text, field)


def _window(window: wire.Window) -> Window:
    start, end = clock(window.start, "window.from"), clock(window.end, "window.to")
    if start == end:
        raise Refused(
            BAD_VALUE, "`window.from` and `window.to` are equal; leave the window out to send all day"
        )
    zone_text = bounded(window.tz or "UTC", "window.tz", 120)
    return Window(
        days=days(window.days or "mon-sun", "window.days"),
        start=start,
        end=end,
        by_recipient=zone_text.startswith(_ELSE),
        zone=zone(zone_text.removeprefix(_ELSE), "window.tz"),
    )


def _canary(canary: wire.Canary) -> Canary:
    if not 0 < canary.share < 1:
        raise Refused(
            BAD_VALUE, f"`canary.share` is {canary.share}; write a share between 0 and 1, such as 0.01"
        )
    given: dict[str, Any] = {}
    for field in ("max_bounce", "max_complaint", "max_deferral"):
        value = getattr(canary, field)
        if value is not None:
            if not 0 <= value <= 1:
                raise Refused(BAD_VALUE, f"`canary.{field}` is {value}; write a share from 0 to 1")
            given[field] = value
    if canary.least is not None:
        given["least"] = whole(canary.least, "canary.least", 1, 10_000, 1)
    if canary.wait is not None:
        given["wait"] = duration(canary.wait, "canary.wait")
    then = one_of(canary.then or "hold", "canary.then", ("hold", "go"))
    return Canary(canary.share, then, **given)
