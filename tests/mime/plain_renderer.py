"""The slow renderer that is right by inspection: merging by one substitution, reading by the standard library."""

import html
import re
from collections.abc import Callable, Mapping
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256

from mta.mime.document import Rendered

FIELD = re.compile(r"\{\{\{ *([\w.-]+) *(?:\|(.*?))?\}\}\}|\{\{ *([\w.-]+) *(?:\|(.*?))?\}\}", re.DOTALL)


def plain(value: str) -> str:
    return value


def entities(value: str) -> str:
    return html.escape(value, quote=True)


def merged(template: str, values: Mapping[str, str], escape: Callable[[str], str]) -> str:
    """The template with each merge field replaced by its value, escaped unless it has three braces."""

    def replace(found: re.Match[str]) -> str:
        name, default = (found[1], found[2]) if found[1] else (found[3], found[4])
        value = values.get(name) or (default or "").strip(" ")
        return value if found[1] else escape(value)

    return FIELD.sub(replace, template)


def lines(text: str) -> str:
    """The text with LF line ends, as its reader sees it, none at its end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def wire(rendered: Rendered) -> bytes:
    return b"".join([*rendered.fields, b"\r\n", *rendered.body])


def received(rendered: Rendered) -> EmailMessage:
    """The message as the standard library reads it, once it is proved to keep the rules of RFC 5322 and MIME."""
    raw, body = wire(rendered), b"".join(rendered.body)
    assert raw.isascii()
    assert b"\0" not in raw
    bare = raw.replace(b"\r\n", b"")
    assert b"\r" not in bare
    assert b"\n" not in bare
    for field in rendered.fields:
        assert field.endswith(b"\r\n")
        assert not re.search(rb"\r\n[^ \t]", field[:-2] + b" ")
        assert not re.search(rb"\r\n[ \t]*\r\n", field)
        assert max(map(len, field.split(b"\r\n"))) <= 998
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert not re.search(rb"[ \t]\r\n", body)
    assert not re.search(rb"^(\.|From )", body, re.MULTILINE)
    assert body.endswith(b"\r\n")
    assert not body.endswith(b"\r\n\r\n")
    assert sha256(body).digest() == rendered.body_hash
    message = message_from_bytes(raw, policy=SMTP)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert part.defects == [], part.defects
        for name, value in part.items():
            assert not getattr(value, "defects", ()), (name, value, value.defects)
    for name in ("Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type"):
        assert len(message.get_all(name, [])) == 1, name
    return message


def content(message: EmailMessage, kind: str) -> str | None:
    """The text of the body of this kind, with LF line ends and none at its end."""
    part = message.get_body((kind,))
    return None if part is None else lines(part.get_content())
