"""A mailing as the queue stores it: the checked document with what a worker must know of its tenant and campaign."""

import msgspec

from mta.mime.document import Document

NULL_SENDER = "<>"
"""An `envelope_from` that says: nothing of this comes back (RFC 5321 section 4.5.5)."""


class Mailing(msgspec.Struct, omit_defaults=True):
    """Content that many messages share; exactly one of `document` and `raw` is set."""

    tenant: str
    from_domain: str
    campaign: str = ""
    list_: str = ""
    unsubscribe: bool = False
    message_id: str = ""  # the id of a `message`, shared by its recipients; empty: each has its own
    envelope_from: str = ""  # instead of the signed return path; NULL_SENDER: none at all
    document: Document | None = None
    raw: bytes | None = None


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Mailing).decode
