"""What is compiled and what a recipient adds: plain values, checked nowhere but in `compile` and `render`."""

from collections.abc import Sequence

import msgspec


class ContentError(ValueError):
    """A document, or a value met at render time, cannot become mail; names the part and the cure."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"`{field}` {why}")
        self.field = field
        self.why = why


class Attachment(msgspec.Struct, frozen=True):
    """A file that goes along; with a `cid` and an HTML body it is shown inline, as `cid:<cid>`."""

    name: str
    type: str
    data: bytes
    cid: str | None = None


class Document(msgspec.Struct, frozen=True):
    """A message or campaign as its producer wrote it. `sender` is `Name <a@b>` or `a@b`.

    `to_header`, `cc_header` and `reply_to` are mailboxes separated by commas. Without `to_header` each
    recipient stands alone in To; an empty one says that the recipients are not disclosed. With `merge` off the
    texts are taken literally. `track_opens` and `track_clicks` say what may be tracked; `Urls` says what is.
    """

    sender: str
    subject: str
    text: str | None = None
    html: str | None = None
    reply_to: str | None = None
    headers: dict[str, str] = {}
    attachments: list[Attachment] = []
    to_header: str | None = None
    cc_header: str | None = None
    merge: bool = True
    track_opens: bool = True
    track_clicks: bool = True


class Person(msgspec.Struct, frozen=True):
    """One recipient; `values` stand in the order of `Compiled.fields`, "" where there is none."""

    email: str
    name: str = ""
    values: Sequence[str] = ()


class Urls(msgspec.Struct, frozen=True):
    """One recipient's whole URLs; an empty one is off. `click` is a prefix to which `/<link>` is added."""

    open: str = ""
    click: str = ""
    unsubscribe: str = ""
    view: str = ""


class Rendered(msgspec.Struct):
    """A message ready to be signed: folded fields, each ended by CRLF, and the body as it goes on the wire.

    The joined `body` ends in exactly one CRLF, so `body_hash`, its SHA-256, is the body hash of DKIM's simple
    canonical form (RFC 6376 section 3.4.3). Fields that all recipients share are the same bytes objects in
    every message. `eight_bit` says that the body or a field holds bytes over 127.
    """

    fields: list[bytes]
    body: list[bytes]
    body_hash: bytes
    eight_bit: bool = False
