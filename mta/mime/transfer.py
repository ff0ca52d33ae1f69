"""Content-Transfer-Encoding (RFC 2045 section 6): base64 in lines, and which encoding a text is smaller in."""

import re
from binascii import b2a_base64

from mta.mime.quoted import LINE

_ENCODED = re.compile(rb"[^\t\r\n !-<>-~]")


def base64_lines(data: bytes) -> bytes:
    """Return `data` in base64, lines of at most 76 characters each ended by CRLF; one empty line for no data."""
    encoded = b2a_base64(data, newline=False)
    return b"\r\n".join([encoded[at : at + LINE] for at in range(0, len(encoded) or 1, LINE)]) + b"\r\n"


def smaller_in_base64(text: str) -> bool:
    """Return whether `text` is shorter in base64 than in quoted-printable."""
    raw = text.encode()
    return len(_ENCODED.findall(raw)) * 2 > len(raw) // 3
