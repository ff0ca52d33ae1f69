"""Checks that many members share: ids, addresses, domains, bounded texts. Each names the field it refuses."""

from collections.abc import Mapping
from typing import Any

from mta.address import Address, AddressError, Mailbox, domain_of, parse, parse_mailbox
from mta.identity import is_id
from mta.ingest.codes import (
    BAD_ADDRESS,
    BAD_BLOB,
    BAD_DOMAIN,
    BAD_ID,
    BAD_TIME,
    BAD_VALUE,
    TENANT_MISMATCH,
    TOO_LARGE,
    WRONG_TYPE,
    Refused,
)
from mta.ingest.documents import MAX_HEADER, Blob
from mta.ingest.grammar import one_line, shown, time

_HEX = frozenset("0123456789abcdef")


def identifier(text: str, field: str) -> str:
    """Return `text` when it is an id."""
    if not is_id(text):
        raise Refused(
            BAD_ID,
            f"`{field}` is {shown(text)}; use 1 to 64 of A-Z a-z 0-9 . _ - with a letter or digit first",
        )
    return text


def own(named: str | None, tenant: str, field: str = "tenant") -> None:
    """Refuse a document that names another tenant than its entry."""
    if named is not None and named != tenant:
        raise Refused(
            TENANT_MISMATCH,
            f"`{field}` is {shown(named)} but the entry says {shown(tenant)}; submit it as that tenant",
        )


def address(text: str, field: str) -> Address:
    """Return the bare address in `text`."""
    try:
        return parse(one_line(text, field))
    except AddressError as error:
        raise Refused(
            BAD_ADDRESS, f"`{field}` is not a mail address ({error}); write user@example.org"
        ) from error


def mailbox(text: str, field: str) -> Mailbox:
    """Return the address with its display name in `text`."""
    bounded(text, field, MAX_HEADER)
    try:
        found = parse_mailbox(one_line(text, field))
        # "A <a@x>, B <b@x>" must not become B with a strange name: nothing is guessed.
        if ("<" in found.name or ">" in found.name) and not text.lstrip(" ").startswith('"'):
            raise AddressError("it holds more than one")
    except AddressError as error:
        raise Refused(
            BAD_ADDRESS,
            f"`{field}` is not one mailbox ({error}); write user@example.org or Name <user@example.org>",
        ) from error
    return found


def domain(text: str, field: str) -> str:
    """Return a host or domain name as a lower-case A-label with at least two labels."""
    try:
        name = domain_of(one_line(text, field))
    except AddressError as error:
        raise Refused(
            BAD_DOMAIN, f"`{field}` is not a domain name ({error}); write one such as example.org"
        ) from error
    if "." not in name:
        raise Refused(BAD_DOMAIN, f"`{field}` is {shown(text)}; write the whole name, such as example.org")
    return name


def bounded(text: str, field: str, limit: int) -> str:
    """Return `text` when it has at most `limit` characters."""
    if len(text) > limit:
        raise Refused(TOO_LARGE, f"`{field}` has {len(text)} characters; the limit is {limit}")
    return text


def line(text: str | None, field: str, limit: int) -> str:
    """Return a bounded one-line text; empty for an absent member."""
    return "" if text is None else one_line(bounded(text, field, limit), field)


def few(items: list[Any] | tuple[Any, ...] | Mapping[str, Any], field: str, limit: int) -> None:
    """Refuse a list or object with more than `limit` members."""
    if len(items) > limit:
        raise Refused(TOO_LARGE, f"`{field}` has {len(items)} members; the limit is {limit}")


def whole(value: int | None, field: str, low: int, high: int, default: int) -> int:
    """Return an integer inside its range."""
    if value is None:
        return default
    if not low <= value <= high:
        raise Refused(BAD_VALUE, f"`{field}` is {shown(value)}; write a whole number from {low} to {high}")
    return value


def one_of(value: str, field: str, known: tuple[str, ...]) -> str:
    """Return `value` when it is one of the known words."""
    if value not in known:
        raise Refused(BAD_VALUE, f"`{field}` is {shown(value)}; write one of {', '.join(known)}")
    return value


def lifetime(not_before: str | None, expires: str | None) -> tuple[int | None, int | None]:
    """Return both times in ms; `expires` must lie after `not_before`."""
    start = None if not_before is None else time(not_before, "not_before")
    end = None if expires is None else time(expires, "expires")
    if start is not None and end is not None and end <= start:
        raise Refused(BAD_TIME, "`expires` is not after `not_before`; swap them or leave one out")
    return start, end


def blob(reference: Blob, field: str) -> Blob:
    """Return the reference when it is a SHA-256 in lower-case hex."""
    if len(reference.blob) != 64 or not _HEX.issuperset(reference.blob):
        raise Refused(
            BAD_BLOB, f"`{field}.blob` is {shown(reference.blob)}; write the SHA-256 in lower-case hex"
        )
    return reference


def text_of(cell: object, field: str) -> str:
    """Return a merge value as text: numbers as JSON writes them, true, false, and null as nothing."""
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int) and abs(cell) < 10**30:
        return str(cell)
    if isinstance(cell, float) and abs(cell) < 1e15:
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, int | float):
        raise Refused(BAD_VALUE, f"`{field}` is a number too large to keep exact; send it as a string")
    raise Refused(WRONG_TYPE, f"`{field}` is an array or object; send a string, number, true, false or null")
