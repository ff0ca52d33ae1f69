"""What a message made elsewhere (`raw`) must show before it is sent in a tenant's name: one honest From.

Only the header block is read. Its line ends must be clear, because a lone CR that one reader takes for a line
end and another does not would hide a second From from one of them.
"""

import re
from typing import Final

from mta.address import Address, AddressError, parse
from mta.ingest.codes import BAD_RAW, Refused

MAX_HEAD: Final = 256 << 10
"""Bytes of the header block."""

_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(r"([!-9;-~]{1,76})[ \t]*:(.*)", re.DOTALL)
# A display name is a quoted string or words without the characters that could start another address.
_NAMED = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^"<>@,;:()\\\[\]]*)[ \t]*<([^<>]*)>')


def sender_of(raw: bytes, field: str) -> Address:
    """Return the address of the one From header of an RFC 5322 message; raise Refused (bad_raw)."""
    end = _END.search(raw, 0, MAX_HEAD)
    if end is None:
        raise Refused(
            BAD_RAW, f"`{field}` has no header block ended by an empty line within {MAX_HEAD} bytes"
        )
    head = raw[: end.start()].replace(b"\r\n", b"\n")
    if b"\r" in head or b"\0" in head:
        raise Refused(BAD_RAW, f"`{field}` has a lone CR or a NUL in its headers; end lines with CRLF")
    found: list[str] = []
    # Unfolding first, so that a folded From is read whole (RFC 5322 section 2.2.3).
    for line in re.sub(rb"\n(?=[ \t])", b"", head).split(b"\n"):
        header = _FIELD.fullmatch(line.decode("utf-8", "surrogateescape"))
        if header is None:
            raise Refused(
                BAD_RAW, f"`{field}` has a line in its header block that is no header: {line[:40]!a}"
            )
        if header[1].lower() == "from":
            found.append(header[2].strip(" \t"))
    if len(found) != 1:
        raise Refused(BAD_RAW, f"`{field}` has {len(found)} From headers; a message needs exactly one")
    named = _NAMED.fullmatch(found[0])
    try:
        return parse(named[1] if named else found[0])
    except AddressError as error:
        raise Refused(BAD_RAW, f"the From header of `{field}` is not one mailbox ({error})") from error
