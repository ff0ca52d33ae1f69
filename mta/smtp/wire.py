"""What we put on the wire: commands that nothing can be smuggled into, and content with its dots doubled.

This is the second of two layers. Addresses and headers were checked when they came in; here, the last place
before the socket, whatever could end a line or a path early is refused again, before any byte has gone out.
"""

import re
from collections.abc import Sequence
from typing import Final

MAX_PATH: Final = 254
"""Octets of an address inside its angle brackets (RFC 5321 4.5.3.1.3: 256 with them)."""

MAX_LOCAL: Final = 64
"""Octets before the @ (RFC 5321 4.5.3.1.1)."""

JOINED_BELOW: Final = 256 * 1024
"""Octets below which parts are joined: one copy costs less than checking and writing many small pieces."""

LARGE: Final = 64 * 1024
"""Octets from which a part of content over JOINED_BELOW is passed on as it is."""

DATA: Final = b"DATA\r\n"
RSET: Final = b"RSET\r\n"
QUIT: Final = b"QUIT\r\n"
DOT: Final = b".\r\n"

# Mailbox of RFC 5321 4.1.2 and RFC 6531 3.3: an atom without specials, space or controls, or a quoted string
# (only there may space and ">" stand); a host name or an address literal. C1 controls, the Unicode line
# separators and lone surrogates are in neither.
_UNICODE = "\u00a0-\u2027\u202a-\ud7ff\ue000-\U0010ffff"
_MAILBOX = re.compile(
    rf"""([^\x00-\x20"(),:;<>@\[\\\]\x7f-\x9f\u2028\u2029\ud800-\udfff]+"""
    rf"""|"(?:[\x20\x21\x23-\x5b\x5d-\x7e{_UNICODE}]|\\[\x20-\x7e])*")"""
    r"@(?:[A-Za-z0-9.-]+|\[[A-Za-z0-9.:]+\])"
)


class WireError(ValueError):
    """Something that must not reach the wire; the message says what. Nothing of it has been sent."""


def mail(
    sender: str, size: int | None = None, eight_bit: bool = False, utf8: bool = False, more: str = ""
) -> bytes:
    """Return the MAIL command; `""` is the null sender. `size` in octets adds SIZE. Raises WireError.

    `more` are further parameters, each behind a space; whoever made them has checked them.
    """
    line = f"MAIL FROM:<{path(sender) if sender else ''}>"
    if size is not None:
        # A number that is no number has been an injection elsewhere, so its type is checked as well.
        if type(size) is not int or size < 0:
            raise WireError(f"size {size!r:.80} is not a number of octets")
        line += f" SIZE={size}"
    if eight_bit:
        line += " BODY=8BITMIME"
    if utf8:
        line += " SMTPUTF8"
    return f"{line}{more}\r\n".encode()


def rcpt(recipient: str, more: str = "") -> bytes:
    """Return the RCPT command; `more` as for `mail`. Raises WireError."""
    return f"RCPT TO:<{path(recipient)}>{more}\r\n".encode()


def bdat(octets: int) -> bytes:
    """Return the command in front of a whole message of so many octets, none of them escaped (RFC 3030)."""
    return b"BDAT %d LAST\r\n" % octets


def path(address: str) -> str:
    """Return `address` as it is if it may stand between angle brackets; raise WireError."""
    found = _MAILBOX.fullmatch(address)
    if found is None:
        raise WireError(f"address {address[:80]!r} can't be written in an SMTP command")
    local = found.end(1)
    octets = len(address)
    if not address.isascii():
        octets = len(address.encode())
        local = len(address[:local].encode())
    if local > MAX_LOCAL:
        raise WireError(f"address {address[:80]!r} has more than {MAX_LOCAL} octets before the @")
    if octets > MAX_PATH:
        raise WireError(f"address {address[:80]!r} is longer than {MAX_PATH} octets")
    return address


def checked(parts: Sequence[bytes]) -> list[bytes]:
    """Return a whole message as it may go on the wire, its dots as they are.

    `parts` may be split anywhere. Content of no more than JOINED_BELOW octets comes back as one piece; of
    more, large parts come back as they are, not copied. Raises WireError unless every line ends in CRLF, the
    last one too, no CR or LF stands alone, and there is no NUL (RFC 5321 2.3.8). BDAT could carry such content,
    but it is passed on by hosts that have only DATA.
    """
    pieces = [b"".join(parts)] if sum(map(len, parts)) <= JOINED_BELOW else _grouped(parts)
    for piece in pieces:
        if b"\0" in piece:
            raise WireError("the content holds a NUL")
        # Equal only if each CR stands before an LF and each LF behind a CR; far quicker than a search for either.
        if piece.replace(b"\r", b"").replace(b"\n", b"\r\n") != piece:
            raise WireError("the content holds a bare CR or LF")
    if not (pieces and pieces[-1].endswith(b"\n")):
        raise WireError("the content does not end in CRLF")
    return pieces


def stuff(parts: Sequence[bytes]) -> list[bytes]:
    """Return a whole message as it follows 354, without the final dot: each line's leading dot is doubled.

    Takes, returns and raises as `checked` does (RFC 5321 4.5.2).
    """
    pieces = checked(parts)
    at_start = True
    for i, piece in enumerate(pieces):
        # Searched from the right, which CPython does in a third of the time of `in`.
        if piece.rfind(b"\r\n.") >= 0:
            pieces[i] = piece.replace(b"\r\n.", b"\r\n..")
        if at_start and piece.startswith(b"."):
            pieces[i] = b"." + pieces[i]
        at_start = piece.endswith(b"\n")
    return pieces


def _grouped(parts: Sequence[bytes]) -> list[bytes]:
    """Return the parts with runs of small ones joined, cut so that no CR is parted from its LF."""
    pieces: list[bytes] = []
    run: list[bytes] = []
    for part in parts:
        if len(part) < LARGE:
            run.append(part)
        else:
            pieces += (b"".join(run), part)
            run = []
    pieces.append(b"".join(run))
    pieces = [piece for piece in pieces if piece]
    for i in range(1, len(pieces)):
        if pieces[i - 1].endswith(b"\r"):
            pieces[i - 1] = pieces[i - 1][:-1]
            pieces[i] = b"\r" + pieces[i]
    return pieces
