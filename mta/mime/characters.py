"""Which characters may go into mail: the second layer against header injection, behind the one at ingest.

A header value holds no control character at all, nor what some reader takes for a line end (NEL, U+2028,
U+2029). A body may hold tab and line ends. Lone surrogates are no text and cannot be encoded.
"""

import re
from typing import Final

from mta.mime.document import ContentError

MAX_HEADER_VALUE: Final = 998
"""Characters of one merge value that goes into a header."""

_NOT_IN_HEADER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOT_IN_BODY = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def header_fault(text: str) -> str | None:
    """Return why `text` cannot go into a header, or None if it can."""
    found = _NOT_IN_HEADER.search(text)
    if found:
        return f"holds {_code(found[0])}, which no header may hold; take it out"
    return None


def body_fault(text: str) -> str | None:
    """Return why `text` cannot go into a text or HTML body, or None if it can."""
    found = _NOT_IN_BODY.search(text)
    if found:
        return f"holds {_code(found[0])}, which cannot be sent; take it out"
    return None


def check_header(text: str, field: str) -> None:
    """Raise ContentError if `text` cannot go into a header."""
    if why := header_fault(text):
        raise ContentError(field, why)


def check_body(text: str, field: str) -> None:
    """Raise ContentError if `text` cannot go into a body."""
    if why := body_fault(text):
        raise ContentError(field, why)


def crlf(text: str) -> str:
    """Return `text` with every CR, LF and CRLF made CRLF."""
    if "\n" not in text and "\r" not in text:
        return text
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def _code(character: str) -> str:
    return f"the character U+{ord(character):04X}"
