"""Which header fields a signature covers, and their canonical bytes in signing order (RFC 6376 section 5.4).

A field that a reader or a mail program believes is listed once more than it is present ("oversigned"): nobody
can then add a second From, Subject or Content-Type below a valid signature. The choice depends on the names of
a message's fields alone, so it is made once per list of names, not once per message.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from mta.dkim.canonical import relaxed_field

OVERSIGNED: Final = (
    b"from", b"subject", b"to", b"cc", b"date", b"message-id", b"reply-to",
    b"mime-version", b"content-type", b"content-transfer-encoding",
    b"list-unsubscribe", b"list-unsubscribe-post", b"list-id", b"feedback-id",
)  # fmt: skip
"""Listed once more than present, absent ones once."""

SIGNED: Final = (
    b"sender", b"in-reply-to", b"references", b"auto-submitted", b"precedence",
    b"content-id", b"content-description", b"content-disposition",
    b"list-help", b"list-subscribe", b"list-post", b"list-owner", b"list-archive",
    b"resent-date", b"resent-from", b"resent-sender", b"resent-to", b"resent-cc", b"resent-message-id",
)  # fmt: skip
"""Listed as often as present: later hands may lawfully add one. Every other field stays unsigned."""

PERSONAL: Final = frozenset((b"to", b"subject", b"message-id", b"list-unsubscribe"))
"""Hardly ever the same in two messages: to remember them would push all else out of the processor's cache."""

MAX_CACHED_FIELDS: Final = 4096
MAX_CACHED_FIELD: Final = 2000  # octets; longer fields are canonicalised each time
MAX_CACHED_PLANS: Final = 256
_FOLD_AT: Final = 76  # octets of one line of names, so that ` h=...` stays within 78


class Selected(NamedTuple):
    """The signed fields' canonical bytes and the names for h=, as written and in canonical form."""

    data: bytes
    names: bytes
    names_relaxed: bytes


class _Plan(NamedTuple):
    order: tuple[int, ...]
    names: bytes
    names_relaxed: bytes


_known: dict[bytes, tuple[bytes, bytes]] = {}


def select(fields: Sequence[bytes]) -> Selected:
    """Return what a signature over `fields` (each `Name: value CRLF`) covers.

    Repeated fields are taken from the bottom up (section 5.4.2). Raises ValueError without a From field.
    """
    known = _known.get
    pairs = [known(field) or _relaxed(field) for field in fields]
    plan = _plan(tuple([name for name, _ in pairs]))
    return Selected(b"".join([pairs[at][1] for at in plan.order]), plan.names, plan.names_relaxed)


def _relaxed(field: bytes) -> tuple[bytes, bytes]:
    pair = relaxed_field(field)
    if pair[0] not in PERSONAL and len(field) <= MAX_CACHED_FIELD:
        if len(_known) >= MAX_CACHED_FIELDS:
            _known.clear()
        _known[field] = pair
    return pair


@lru_cache(MAX_CACHED_PLANS)
def _plan(present: tuple[bytes, ...]) -> _Plan:
    if b"from" not in present:
        raise ValueError("a message without a From field can't be signed (RFC 6376 section 5.4)")
    order: list[int] = []
    listed: list[bytes] = []
    for table, extra in ((OVERSIGNED, 1), (SIGNED, 0)):
        for name in table:
            places = [at for at in range(len(present) - 1, -1, -1) if present[at] == name]
            order += places
            listed += [name] * (len(places) + extra)
    names = _folded(listed)
    return _Plan(tuple(order), names, names.replace(b"\r\n ", b" "))


def _folded(names: list[bytes]) -> bytes:
    lines = [b"h=" + names[0]]
    for name in names[1:]:
        if len(lines[-1]) + len(name) + 2 > _FOLD_AT:
            lines[-1] += b":"
            lines.append(name)
        else:
            lines[-1] += b":" + name
    return b"\r\n ".join(lines)
