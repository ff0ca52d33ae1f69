"""Messages made elsewhere (`raw`): checked and split once, sent as they are but for what must not travel.

Only line ends change (to CRLF), Bcc and Return-Path go, and empty lines at the end of the body: both canonical
forms of DKIM ignore those, so a signature that came along stays valid (RFC 6376 section 3.4).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from mta.mime.document import ContentError, Rendered

MAX_RAW: Final = 40 << 20
"""Bytes of a raw message: 25 MiB of files in base64, and some."""
MAX_FIELDS: Final = 1000
"""Header fields of a raw message."""
MAX_LINE: Final = 998
"""Bytes of a line without its CRLF (RFC 5322 section 2.1.1)."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_LONG = re.compile(rb"[^\r\n]{%d}" % (MAX_LINE + 1))
_FIELD = re.compile(rb"([!-9;-~]{1,76})[ \t]*:")
_LEFT_OUT: Final = frozenset((b"bcc", b"resent-bcc", b"return-path"))
_ONCE: Final = (b"from", b"sender", b"to", b"cc", b"reply-to", b"subject", b"date", b"message-id")
_ADDED: Final = ("Date", "Message-ID")
_TAG_D = re.compile(rb"(?:\A|;)d=([^;]*)")


@dataclass(frozen=True, slots=True)
class RawContent:
    """A raw message: fields each ended by CRLF, and a body that ends in exactly one CRLF.

    `missing` are those of Date and Message-ID that it lacks. `eight_bit` says that bytes over 127 are in it;
    `utf8` that they are in its header, so that it needs SMTPUTF8 (RFC 6531).
    """

    fields: tuple[bytes, ...]
    body: bytes
    body_hash: bytes
    missing: tuple[str, ...]
    eight_bit: bool
    utf8: bool

    @property
    def size_estimate(self) -> int:
        """Bytes of the message, rather over."""
        return sum(map(len, self.fields)) + len(self.body) + 500

    def signed_by(self, domain: str) -> bool:
        """Return whether a DKIM signature names this domain; whether it is valid is not looked at."""
        wanted = domain.lower().encode()
        for field in self.fields:
            name, _, value = field.partition(b":")
            if name.strip().lower() == b"dkim-signature":
                found = _TAG_D.search(re.sub(rb"[ \t\r\n]", b"", value))
                if found and found[1].lower() == wanted:
                    return True
        return False


def prepare(raw: bytes) -> RawContent:
    """Return the message ready to be sent; raise ContentError (field `raw`) where it breaks RFC 5322."""
    if len(raw) > MAX_RAW:
        raise ContentError("raw", f"is over {MAX_RAW >> 20} MiB; send a smaller message")
    if b"\0" in raw:
        raise ContentError("raw", "holds a NUL byte; encode the part it is in as base64")
    if _LONG.search(raw):
        raise ContentError("raw", f"has a line over {MAX_LINE} bytes; encode or fold it")
    text = _LINE_END.sub(b"\r\n", raw)
    # A message may end with its header.
    head, _, body = (text if b"\r\n\r\n" in text else text.rstrip(b"\r\n") + b"\r\n\r\n").partition(
        b"\r\n\r\n"
    )
    fields, seen = _split(head)
    if seen.get(b"from") != 1:
        raise ContentError("raw", f"has {seen.get(b'from', 0)} From fields; a message has exactly one")
    for name in _ONCE:
        if seen.get(name, 0) > 1:
            raise ContentError("raw", f"has {seen[name]} {name.decode().title()} fields; keep one")
    body = body.rstrip(b"\r\n") + b"\r\n"
    utf8 = any(not field.isascii() for field in fields)
    return RawContent(
        fields=tuple(fields),
        body=body,
        body_hash=sha256(body).digest(),
        missing=tuple(name for name in _ADDED if name.lower().encode() not in seen),
        eight_bit=utf8 or not body.isascii(),
        utf8=utf8,
    )


def render_raw(content: RawContent, date: str, message_id: str, extra: Sequence[bytes] = ()) -> Rendered:
    """Return the message, with the date and id given where it has none of its own, and the `extra` fields."""
    fields: list[bytes] = []
    if not date.isprintable() or not message_id.isprintable():
        raise ContentError("message_id", "and the date must hold no control characters")
    if "Date" in content.missing:
        fields.append(f"Date: {date}\r\n".encode("ascii"))
    if "Message-ID" in content.missing:
        shown = message_id if message_id.startswith("<") else f"<{message_id}>"
        fields.append(f"Message-ID: {shown}\r\n".encode())
    return Rendered([*fields, *content.fields, *extra], [content.body], content.body_hash, content.eight_bit)


def _split(head: bytes) -> tuple[list[bytes], dict[bytes, int]]:
    """Return the fields that stay, and how often each name is there."""
    found: list[list[bytes]] = []
    seen: dict[bytes, int] = {}
    for line in head.split(b"\r\n"):
        if line.startswith((b" ", b"\t")):
            if not found:
                raise ContentError("raw", "starts with white space; start with a header field")
            found[-1].append(line)
            continue
        field = _FIELD.match(line)
        if field is None:
            raise ContentError(
                "raw", f"has a line in its header that is no field: {line[:40]!a}; take it out"
            )
        name = field[1].lower()
        seen[name] = seen.get(name, 0) + 1
        found.append([b"" if name in _LEFT_OUT else name, line])
    if len(found) > MAX_FIELDS:
        raise ContentError("raw", f"has more than {MAX_FIELDS} header fields; send fewer")
    return [b"\r\n".join(lines) + b"\r\n" for name, *lines in found if name], seen
