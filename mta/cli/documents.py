"""Documents on their way to the engine: read from files, and made to fit one entry."""

import base64
import binascii
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mta.cli.failure import DATA, Failure

if TYPE_CHECKING:
    from mta.queue.producer import Producer

MAX_FILE = 64 << 20
MAX_DATA = 1 << 20  # of one entry (docs/protocol.md section 8)
SMALL = 4096  # bytes that are not worth a blob
DEFAULT_TENANT = "default"


def read(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; raise Failure or OSError."""
    text = read_text(path)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failure(DATA, f"{path}: is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Failure(DATA, f"{path}: holds no JSON object")
    return document


def read_text(path: Path) -> str:
    """Return a file's text; raise Failure or OSError."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Failure(DATA, f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes; raise Failure or OSError."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise Failure(DATA, f"{path}: is larger than {MAX_FILE >> 20} MB")
    return data


def tenant_of(option: str | None, document: dict[str, Any]) -> str:
    """Return whose mail it is: the option, the document's word, or the tenant of a single-tenant engine."""
    return option or str(document.get("tenant") or DEFAULT_TENANT)


def encode(document: dict[str, Any]) -> bytes:
    """Return a document's bytes; the same document gives the same bytes, so that a repeat is one."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


async def fitted(producer: "Producer", document: dict[str, Any]) -> bytes:
    """Return a mail document's bytes, large contents put aside as blobs when it would not fit one entry."""
    data = encode(document)
    if len(data) <= MAX_DATA:
        return data
    document = dict(document)
    for name in ("html", "raw"):
        value = document.get(name)
        if isinstance(value, str) and len(value) > SMALL:
            raw = value.encode() if name == "html" else _bytes(value, name)
            document[name] = {"blob": await producer.blob(raw)}
    parts = document.get("attachments")
    if isinstance(parts, list):
        document["attachments"] = [await _part(producer, part, n) for n, part in enumerate(parts)]
    data = encode(document)
    if len(data) > MAX_DATA:
        raise Failure(
            DATA, f"the document has {len(data)} bytes without its contents; the limit is {MAX_DATA}"
        )
    return data


async def _part(producer: "Producer", part: Any, number: int) -> Any:
    value = part.get("data") if isinstance(part, dict) else None
    if not isinstance(value, str) or len(value) <= SMALL:
        return part
    return part | {"data": {"blob": await producer.blob(_bytes(value, f"attachments[{number}].data"))}}


def _bytes(text: str, field: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Failure(DATA, f"`{field}` is not base64: {error}") from error
