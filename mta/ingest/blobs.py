"""Put the bytes that blob references stand for in their places, and hold the whole message to its limit.

Fetching them from Redis is the caller's work; this is the part that can be checked without it.
"""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import TypeVar

from mta.ingest.checked import Campaign, Checked, Content, Message, Part, Raw
from mta.ingest.codes import BAD_BLOB, BAD_RAW, MISSING_BLOB, TOO_LARGE, Refused
from mta.ingest.documents import MAX_CONTENT, Blob
from mta.ingest.grammar import body
from mta.ingest.raw import sender_of

T = TypeVar("T", Message, Campaign)


def digests(document: Checked) -> tuple[str, ...]:
    """Return the SHA-256 names of the blobs a document refers to, each once."""
    if not isinstance(document, Message | Campaign):
        return ()
    content = document.content
    places = (
        [content.data] if isinstance(content, Raw) else [content.html, *(part.data for part in content.parts)]
    )
    return tuple(dict.fromkeys(place.blob for place in places if isinstance(place, Blob)))


def fill(document: T, blobs: Mapping[str, bytes]) -> T:
    """Return the document with every blob in place; raise Refused when one is missing, false or too large.

    To be called for every message and campaign, with or without blobs: the limit on the whole is held here.
    """
    content = document.content
    filled = _raw(content, blobs) if isinstance(content, Raw) else _content(content, blobs)
    return replace(document, content=filled)


def check_sender(raw: Raw) -> None:
    """Refuse a raw message whose From header names another address than the document's `from`."""
    if isinstance(raw.data, Blob):
        return
    shown = sender_of(raw.data, "raw")
    if shown != raw.sender.address:
        raise Refused(
            BAD_RAW,
            f"the From header of `raw` says {shown}, `from` says {raw.sender.address}; make them equal",
        )


def _raw(raw: Raw, blobs: Mapping[str, bytes]) -> Raw:
    if isinstance(raw.data, Blob):
        raw = replace(raw, data=_bytes(raw.data, "raw", blobs))
        check_sender(raw)
    _hold(len(raw.data) if isinstance(raw.data, bytes) else 0)
    return raw


def _content(content: Content, blobs: Mapping[str, bytes]) -> Content:
    html = content.html
    if isinstance(html, Blob):
        try:
            html = body(_bytes(html, "html", blobs).decode(), "html")
        except UnicodeDecodeError as error:
            raise Refused(BAD_BLOB, "the blob of `html` is not UTF-8; store it in UTF-8") from error
    parts = tuple(_part(part, n, blobs) for n, part in enumerate(content.parts))
    size = len(content.text.encode()) + len((html or "").encode())
    _hold(size + sum(len(part.data) for part in parts if isinstance(part.data, bytes)))
    return replace(content, html=html, parts=parts)


def _part(part: Part, n: int, blobs: Mapping[str, bytes]) -> Part:
    if isinstance(part.data, Blob):
        return replace(part, data=_bytes(part.data, f"attachments[{n}].data", blobs))
    return part


def _bytes(reference: Blob, field: str, blobs: Mapping[str, bytes]) -> bytes:
    data = blobs.get(reference.blob)
    if data is None:
        raise Refused(
            MISSING_BLOB,
            f"`{field}` refers to blob {reference.blob}, which is not there; SET it, then submit",
        )
    if sha256(data).hexdigest() != reference.blob:
        raise Refused(
            BAD_BLOB, f"`{field}` refers to blob {reference.blob}, but its bytes have another SHA-256"
        )
    return data


def _hold(size: int) -> None:
    if size > MAX_CONTENT:
        raise Refused(
            TOO_LARGE, f"the message has {size} bytes with its attachments; the limit is {MAX_CONTENT}"
        )
