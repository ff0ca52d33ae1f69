"""The two canonical forms of header fields and bodies (RFC 6376 section 3.4): what a signature really covers.

The engine signs relaxed headers, which survive refolding, and simple bodies, whose hash is that of the wire
bytes. All four forms are here because a verifier and the tests need them.
"""

import re

_WSP = re.compile(rb"[ \t]+")
_WSP_AT_END = re.compile(rb"[ \t]+(?=\r\n|\Z)")


def relaxed_field(field: bytes) -> tuple[bytes, bytes]:
    """Return the lower-case name of `Name: value CRLF` and its relaxed form, which ends in CRLF (3.4.2).

    Raises ValueError when the field has no colon or no name.
    """
    name, colon, value = field.partition(b":")
    name = name.rstrip(b" \t").lower()
    if not colon or not name:
        raise ValueError("a header field to sign is `Name: value`")
    value = value.replace(b"\r\n", b"")
    if b"\r" in value or b"\n" in value or b"\v" in value or b"\f" in value:
        # bytes.split() takes these for white space; the standard takes SP and HTAB only.
        value = _WSP.sub(b" ", value).strip(b" ")
    else:
        value = b" ".join(value.split())
    return name, b"%b:%b\r\n" % (name, value)


def simple_field(field: bytes) -> bytes:
    """Return the field unchanged (3.4.1)."""
    return field


def simple_body(body: bytes) -> bytes:
    """Return the body without empty lines at its end, ending in one CRLF; an empty body is CRLF (3.4.3)."""
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n"


def relaxed_body(body: bytes) -> bytes:
    """Return the body with white space reduced and without empty lines at its end (3.4.4).

    A body without any line left is empty, and so is its form.
    """
    body = simple_body(_WSP.sub(b" ", _WSP_AT_END.sub(b"", body)))
    return b"" if body == b"\r\n" else body
