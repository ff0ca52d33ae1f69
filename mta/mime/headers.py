"""The header of a document: which fields its producer may set, and what of each recipient goes into them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mta.mime.characters import MAX_HEADER_VALUE, header_fault
from mta.mime.document import ContentError, Document
from mta.mime.mailboxes import mailbox, mailbox_field, parse_list
from mta.mime.merge import MARK, Mark, Names, split
from mta.mime.words import unstructured

MAX_HEADERS: Final = 100
"""Extra headers of one document."""
MAX_TEMPLATE: Final = 4000
"""Characters of a subject or extra header before merging."""

OWNED: Final = frozenset(
    {
        *("from", "sender", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "mime-version"),
        *("return-path", "received", "delivered-to", "apparently-to", "errors-to", "return-receipt-to"),
        *("dkim-signature", "authentication-results", "feedback-id", "list-id"),
    }
)
"""Fields that the engine writes itself or that must not come from outside; lower case."""
OWNED_FAMILIES: Final = ("content-", "list-unsubscribe", "resent-", "arc-", "x-mta-")

_NAME = re.compile(r"[!-9;-~]{1,76}")  # RFC 5322 section 2.2


@dataclass(frozen=True, slots=True)
class Line:
    """A field whose value is made for each recipient: texts with a merge value between each two."""

    name: str
    texts: tuple[str, ...]
    marks: tuple[Mark, ...]

    def rendered(self, values: Sequence[str], name_of: Callable[[int], str]) -> bytes:
        """Return the folded field; raise ContentError naming the merge field whose value cannot stand in it."""
        pieces = [self.texts[0]]
        for mark, text in zip(self.marks, self.texts[1:], strict=True):
            value = values[mark.source] or mark.default
            if why := value_fault(value):
                raise ContentError(name_of(mark.source), why)
            pieces += (value, text)
        return unstructured(self.name, "".join(pieces))


@dataclass(frozen=True, slots=True)
class Header:
    """What stands in the header: the same for all, or made for each recipient (`to` None: the recipient)."""

    sender: bytes
    to: bytes | None
    others: tuple[bytes, ...]
    lines: tuple[Line, ...]


def header_of(document: Document, names: Names | None) -> Header:
    """Return the document's header; raise ContentError naming the part that is wrong."""
    sender = mailbox_field("From", [mailbox(document.sender, "from")])
    others: list[bytes] = []
    if document.cc_header:
        others.append(mailbox_field("Cc", parse_list(document.cc_header, "cc")))
    if document.reply_to:
        others.append(mailbox_field("Reply-To", parse_list(document.reply_to, "reply_to")))
    to: bytes | None = None
    if document.to_header is not None:
        listed = parse_list(document.to_header, "to")
        # An empty group says that there are recipients without saying who (RFC 5322 section 3.4).
        to = mailbox_field("To", listed) if listed else b"To: undisclosed-recipients:;\r\n"
    lines: list[Line] = []
    for name, value, part in _texts(document):
        if len(value) > MAX_TEMPLATE:
            raise ContentError(part, f"is longer than {MAX_TEMPLATE} characters; shorten it")
        skeleton, marks = split(value, part, names, header=True)
        if marks:
            lines.append(Line(name, tuple(skeleton.split(MARK)), tuple(marks)))
        else:
            others.append(unstructured(name, skeleton))
    return Header(sender, to, tuple(others), tuple(lines))


def value_fault(value: str) -> str | None:
    """Return why a merge value cannot stand in a header, or None if it can."""
    if len(value) > MAX_HEADER_VALUE:
        return f"is longer than the {MAX_HEADER_VALUE} characters a header takes; shorten it"
    return header_fault(value)


def _texts(document: Document) -> list[tuple[str, str, str]]:
    texts = [("Subject", document.subject, "subject")]
    if len(document.headers) > MAX_HEADERS:
        raise ContentError("headers", f"are more than {MAX_HEADERS}; send fewer")
    known: set[str] = set()
    for name, value in document.headers.items():
        part, folded = f"headers.{name[:76]}", name.lower()
        if not _NAME.fullmatch(name):
            raise ContentError(part, "is no header name; use letters, digits and `-`, at most 76")
        if folded in OWNED or folded.startswith(OWNED_FAMILIES):
            raise ContentError(part, "is written by the engine; leave it out")
        if folded in known:
            raise ContentError(part, "is there twice; keep one")
        known.add(folded)
        texts.append((name, value, part))
    return texts
