"""The MIME tree: mixed(related(alternative(text, html), inline files), attached files), only needed levels.

A part is a list of chunks that starts with its own header fields. Boundaries start with `=_`, which neither
quoted-printable nor base64 can contain (RFC 2045 section 6.7), so none ever stands in the content; they are made
from a digest of the content, so the same content gives the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mta.mime.attachment import part_of
from mta.mime.document import Attachment, ContentError
from mta.mime.items import Resolved
from mta.mime.layout import Base64, Chunk, Quoted

MAX_ATTACHMENTS: Final = 1000
"""Attachments of one document."""


@dataclass(frozen=True, slots=True)
class Part:
    """A MIME entity: header fields without the last CRLF each, and the chunks of its body."""

    fields: tuple[bytes, ...]
    chunks: tuple[Chunk, ...]

    @property
    def whole(self) -> tuple[Chunk, ...]:
        """Fields and body, as it stands inside a multipart."""
        return (b"".join(field + b"\r\n" for field in self.fields) + b"\r\n", *self.chunks)


def text_part(kind: str, items: Sequence[Resolved], *, in_base64: bool) -> Part:
    """Return a text part in UTF-8."""
    return Part(
        (
            b"Content-Type: text/%s; charset=utf-8" % kind.encode(),
            b"Content-Transfer-Encoding: " + (b"base64" if in_base64 else b"quoted-printable"),
        ),
        (Base64(items) if in_base64 else Quoted(items),),
    )


class Files:
    """A document's attachments as parts, shared by all its bodies."""

    def __init__(self, attachments: Sequence[Attachment], *, html: bool) -> None:
        """Encode them; those with a Content-ID are inline where there is HTML to show them. Raises ContentError."""
        if len(attachments) > MAX_ATTACHMENTS:
            raise ContentError("attachments", f"are more than {MAX_ATTACHMENTS}; send fewer")
        self.inline: list[bytes] = []
        self.attached: list[bytes] = []
        known: set[str] = set()
        for n, attachment in enumerate(attachments):
            inline = html and attachment.cid is not None
            if attachment.cid is not None and attachment.cid in known:
                raise ContentError(
                    f"attachments[{n}].cid", "is another attachment's too; make each one its own"
                )
            known.add(attachment.cid or "")
            part = part_of(attachment, f"attachments[{n}]", inline=inline)
            (self.inline if inline else self.attached).append(part)


def tree(texts: Sequence[Part], files: Files, digest: str) -> Part:
    """Return the top entity; `texts` from plain to rich (RFC 2046 section 5.1.4)."""
    top, kind = texts[0], b""
    if len(texts) > 1:
        kind = b"multipart/alternative"
        top = _multipart(kind, f"=_{digest}.a", [part.whole for part in texts])
    if files.inline:
        # RFC 2387 section 3.1: `type` names the part to start with.
        root = kind or b"text/html"
        bodies = [top.whole, *((part,) for part in files.inline)]
        top = _multipart(b'multipart/related; type="%s"' % root, f"=_{digest}.r", bodies)
    if files.attached:
        bodies = [top.whole, *((part,) for part in files.attached)]
        top = _multipart(b"multipart/mixed", f"=_{digest}.m", bodies)
    return top


def _multipart(kind: bytes, boundary: str, bodies: Sequence[Sequence[Chunk]]) -> Part:
    mark = boundary.encode("ascii")
    chunks: list[Chunk] = []
    for n, body in enumerate(bodies):
        chunks += ((b"\r\n--" if n else b"--") + mark + b"\r\n", *body)
    chunks.append(b"\r\n--" + mark + b"--\r\n")
    return Part(
        (b'Content-Type: %s;\r\n boundary="%s"' % (kind, mark), b"Content-Transfer-Encoding: 7bit"),
        tuple(chunks),
    )
