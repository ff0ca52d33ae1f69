"""Check what a message or campaign shows its readers: From, subject, bodies, headers, attachments."""

import re
from typing import Any

from mta.ingest.checked import Content, Part
from mta.ingest.codes import BAD_CONTENT, BAD_HEADER, BAD_VALUE, WRONG_TYPE, Refused
from mta.ingest.documents import MAX_ATTACHMENTS, MAX_HEADER, MAX_HEADERS, Attachment, Blob, Campaign, Message
from mta.ingest.fields import blob, bounded, few, line, mailbox
from mta.ingest.grammar import base64, body, one_line, shown
from mta.mime.headers import OWNED, OWNED_FAMILIES

# RFC 5322 section 2.2 allows more; names outside this set are mistakes or tricks.
_HEADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,75}", re.ASCII)
_MIME_TYPE = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}/[A-Za-z0-9][\w.+-]{0,63}", re.ASCII)
_CID = re.compile(r"[\w.+@-]{1,128}", re.ASCII)


def content_of(document: Message | Campaign, *, track: bool) -> Content:
    """Return the checked content; `track` is the default of both `track` members."""
    sender = mailbox(document.sender, "from")
    if document.subject is None or not (document.text or document.html):
        raise Refused(BAD_CONTENT, "`subject` with `text` or `html` is missing; give both, or `raw` alone")
    html = document.html
    given = document.track
    return Content(
        sender=sender,
        subject=line(document.subject, "subject", MAX_HEADER),
        text=body(document.text or "", "text"),
        html=blob(html, "html") if isinstance(html, Blob) else body(html, "html") if html else None,
        reply_to=None if document.reply_to is None else mailbox(document.reply_to, "reply_to"),
        headers=headers_of(document.headers or {}),
        parts=parts_of(document.attachments or []),
        opens=track if given is None or given.opens is None else given.opens,
        clicks=track if given is None or given.clicks is None else given.clicks,
    )


def headers_of(headers: dict[str, Any]) -> dict[str, str]:
    """Return extra headers whose names are legal and the producer's to choose."""
    few(headers, "headers", MAX_HEADERS)
    seen: set[str] = set()
    for name, value in headers.items():
        folded = name.lower()
        if not _HEADER.fullmatch(name):
            raise Refused(
                BAD_HEADER, f"`headers` has the name {shown(name)}; use letters, digits, `-` and `_`"
            )
        if folded in OWNED or folded.startswith(OWNED_FAMILIES):
            raise Refused(BAD_HEADER, f"`headers.{name}` is written by the engine; leave it out")
        if folded in seen:
            raise Refused(BAD_HEADER, f"`headers.{name}` is there twice in different case; keep one")
        seen.add(folded)
        if not isinstance(value, str):
            raise Refused(WRONG_TYPE, f"`headers.{name}` is no string; quote the value")
        line(value, f"headers.{name}", MAX_HEADER)
    return headers


def parts_of(attachments: list[Attachment]) -> tuple[Part, ...]:
    """Return the attachments, decoded where their bytes are inline."""
    few(attachments, "attachments", MAX_ATTACHMENTS)
    return tuple(_part(attachment, f"attachments[{n}]") for n, attachment in enumerate(attachments))


def _part(attachment: Attachment, at: str) -> Part:
    name = one_line(bounded(attachment.name, f"{at}.name", 255), f"{at}.name")
    if not name or "/" in name or "\\" in name:
        raise Refused(BAD_VALUE, f"`{at}.name` is {shown(name)}; write a file name without a path")
    if not _MIME_TYPE.fullmatch(one_line(attachment.type, f"{at}.type")):
        raise Refused(
            BAD_VALUE, f"`{at}.type` is {shown(attachment.type)}; write one such as application/pdf"
        )
    if attachment.type.lower().startswith(("multipart/", "message/")):
        # RFC 2046 forbids base64 for both, and attachments always travel in base64.
        raise Refused(
            BAD_VALUE, f"`{at}.type` is {shown(attachment.type)}; attach it as application/octet-stream"
        )
    cid = attachment.cid
    if cid is not None and not _CID.fullmatch(one_line(cid, f"{at}.cid")):
        raise Refused(
            BAD_VALUE, f"`{at}.cid` is {shown(cid)}; write the Content-ID without < and >, such as logo"
        )
    data = attachment.data
    return Part(
        name,
        attachment.type.lower(),
        blob(data, f"{at}.data") if isinstance(data, Blob) else base64(data, f"{at}.data"),
        cid,
    )
