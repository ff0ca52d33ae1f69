"""From a stream entry to a checked submission, or to the refusal that says what is wrong with it.

Pure: the bytes of the entry and the name of its stream go in. What needs the engine's memory (a key seen
before, an unknown campaign, a tenant's rights) is decided by the caller with what comes out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from mta.identity import is_id
from mta.ingest import administration, documents, mail
from mta.ingest.checked import Checked
from mta.ingest.codes import (
    BAD_ID,
    ENCODING,
    KIND,
    MISSING_FIELD,
    TOO_LARGE,
    UNKNOWN_MEMBER,
    VERSION,
    Refusal,
    Refused,
)
from mta.ingest.decoding import decode
from mta.ingest.fields import identifier
from mta.ingest.grammar import shown
from mta.message import Class
from mta.nearest import suggestion

CONTROL_LABEL: Final = "control"
"""The label of the control stream; the mail streams carry the labels of Class."""
LABELS: Final = (CONTROL_LABEL, *(cls.label for cls in Class))
PROTOCOL: Final = "1"
_REQUIRED = ("v", "kind", "tenant", "key", "data")
_FIELDS = (*_REQUIRED, "enc")
_CLASSES: Final = {cls.label: cls for cls in Class}


@dataclass(frozen=True, slots=True)
class Submission:
    """An entry that passed: `cls` is None on the control stream, `data` is the JSON as submitted."""

    cls: Class | None
    kind: str
    tenant: str
    key: str
    data: bytes
    document: Checked


def _reader(struct: type[Any], check: Callable[[Any, str, str, Any], Checked]) -> Callable[..., Checked]:
    decoder = msgspec.json.Decoder(struct)

    def read_document(data: bytes, tenant: str, key: str, cls: Class | None) -> Checked:
        return check(decode(decoder, data, struct), tenant, key, cls)

    return read_document


MAIL: Final = {
    "message": _reader(documents.Message, mail.message),
    "campaign": _reader(documents.Campaign, mail.campaign),
    "recipients": _reader(documents.Recipients, mail.recipients),
}
CONTROL: Final = {
    "tenant": _reader(
        documents.Tenant, lambda document, tenant, _key, _cls: administration.tenant(document, tenant)
    ),
    "control": _reader(
        documents.Control, lambda document, tenant, _key, _cls: administration.control(document, tenant)
    ),
}


def read(fields: Mapping[bytes, bytes], label: str) -> Submission | Refusal:
    """Return the checked submission in a stream entry, or why it is refused.

    `label` is the last part of the stream's name: a class, or `control`. Raises ValueError for another label,
    and nothing else whatever the entry holds. Rows of a `recipients` entry are left to `rows.rows`, blobs and
    the limit on a whole message to `blobs.fill`.
    """
    if label not in LABELS:
        raise ValueError(f"no submission stream is called {label!r}; known: {', '.join(LABELS)}")
    try:
        return _read(fields, label)
    except Refused as refused:
        key, tenant = (_echo(fields.get(name, b"")) for name in (b"key", b"tenant"))
        return Refusal(refused.code, refused.why, key, tenant)


def _read(fields: Mapping[bytes, bytes], label: str) -> Submission:
    for name in _REQUIRED:
        if name.encode() not in fields:
            raise Refused(
                MISSING_FIELD, f"the entry has no field `{name}`; send v, kind, tenant, key and data"
            )
    data = fields[b"data"]
    if len(data) > documents.MAX_DATA:
        raise Refused(
            TOO_LARGE,
            f"`data` has {len(data)} bytes; the limit is {documents.MAX_DATA}: split rows, use blobs",
        )
    version, kind, tenant, key = (_text(fields, name) for name in ("v", "kind", "tenant", "key"))
    if version != PROTOCOL:
        raise Refused(VERSION, f"`v` is {shown(version)}; this engine reads version {PROTOCOL}")
    identifier(tenant, "tenant")
    identifier(key, "key")
    for raw in fields:
        if raw.decode("utf-8", "replace") not in _FIELDS:
            name = raw.decode("utf-8", "replace")
            raise Refused(
                UNKNOWN_MEMBER, f"the entry has an unknown field {shown(name)}; {suggestion(name, _FIELDS)}"
            )
    if fields.get(b"enc"):
        raise Refused(
            ENCODING, "`enc` is set, but version 1 has no compression; leave it out and send plain JSON"
        )
    kinds = CONTROL if label == CONTROL_LABEL else MAIL
    if kind not in kinds:
        known = MAIL | CONTROL
        cure = f"submit it to the {_home(kind)}" if kind in known else suggestion(kind, known)
        raise Refused(KIND, f"`kind` is {shown(kind)} on the stream {label}; {cure}")
    if tenant == administration.OPERATOR and label != CONTROL_LABEL:
        raise Refused(
            BAD_ID, "`tenant` is `operator`, which is reserved for control; mail needs a tenant of its own"
        )
    cls = _CLASSES.get(label)
    return Submission(cls, kind, tenant, key, data, kinds[kind](data, tenant, key, cls))


def _home(kind: str) -> str:
    return "control stream" if kind in CONTROL else "stream of its class: urgent, transactional or bulk"


def _text(fields: Mapping[bytes, bytes], name: str) -> str:
    try:
        return fields[name.encode()].decode()
    except UnicodeDecodeError as error:
        raise Refused(MISSING_FIELD, f"the entry's field `{name}` is not UTF-8; send it in UTF-8") from error


def _echo(raw: bytes) -> str:
    text = raw[:200].decode("utf-8", "replace")
    return text if is_id(text) else ascii(text)[1:-1][:64]
