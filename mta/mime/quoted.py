"""Quoted-printable in pieces (RFC 2045 section 6.7): each piece is encoded alone and they are only joined.

Every piece starts at the beginning of a line. One that ends in the middle of a text line ends with a soft line
break, which disappears in decoding: so a value, whatever it holds, never changes how its neighbours must be
encoded, no line passes 76 characters, and no line ends in white space.
"""

import re
from collections.abc import Callable
from typing import Final

LINE: Final = 76
SOFT: Final = b"=\r\n"
_CUT = LINE - len("=")

_UNSAFE = re.compile(rb"[^\t !-<>-~]")
# Most URLs: one line of printable ASCII without blank and `=`, and no dot or F to begin with.
_AS_IT_IS = re.compile(r"[!-\-/-<>-EG-~][!-<>-~]*")
_CODES = {bytes((byte,)): b"=%02X" % byte for byte in range(256)}


def quote(text: str, last: int = _CUT) -> bytes:
    """Return `text`, whose line ends are CRLF, as quoted-printable from the start of a line.

    Where `text` does not end with a line end the last line has no more than `last` characters.
    """
    if len(text) <= last and _AS_IT_IS.fullmatch(text):
        return text.encode("ascii")
    lines = text.split("\r\n")
    out: list[bytes] = []
    for n, line in enumerate(lines):
        raw = _UNSAFE.sub(_code, line.encode())
        if raw[-1:] in (b" ", b"\t"):
            raw = raw[:-1] + _CODES[raw[-1:]]
        limit = last if n == len(lines) - 1 else _CUT
        while True:
            # A dot or a `From ` at the start of a line has been changed on the way by careless relays.
            if raw.startswith((b".", b"From ")):
                raw = _CODES[raw[:1]] + raw[1:]
            if len(raw) <= limit:
                break
            cut = min(_CUT, len(raw) - 1)
            if raw[cut - 1] == 0x3D:
                cut -= 1
            elif raw[cut - 2] == 0x3D:
                cut -= 2
            out += (raw[:cut], SOFT)
            raw = raw[cut:]
        out += (raw, b"\r\n")
    out.pop()
    return b"".join(out)


def piece(text: str) -> bytes:
    """Return `text` as a piece of its own, after which another may stand."""
    raw = quote(text)
    return raw if not raw or raw.endswith(b"\r\n") else raw + SOFT


def finisher(escape: Callable[[str], str], plain: re.Pattern[str]) -> Callable[[str], bytes]:
    """Return the function that escapes a value and makes it a piece.

    `plain` matches values that need neither escaping nor encoding nor a second line; they are most values.
    """
    matches = plain.fullmatch

    def finish(value: str) -> bytes:
        if matches(value):
            return value.encode("ascii") + SOFT
        return piece(escape(value))

    return finish


def trimmed(body: bytes) -> bytes:
    """Return a quoted-printable body with exactly one CRLF at its end, and no soft line break there.

    DKIM's simple canonical form drops empty lines at the end of a body (RFC 6376 section 3.4.3), so a body
    that ends with a merge value must not bring any along.
    """
    while body.endswith(b"\r\n"):
        body = body[:-3] if body.endswith(SOFT) else body[:-2]
    if body.endswith((b" ", b"\t")):
        body = body[:-1] + SOFT + _CODES[body[-1:]]
    return body + b"\r\n"


def _code(found: re.Match[bytes]) -> bytes:
    return _CODES[found[0]]
