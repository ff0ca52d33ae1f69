"""What a server offers: the EHLO reply as values (RFC 5321 4.1.1.1), read once per session."""

from collections.abc import Sequence
from dataclasses import dataclass

SIZE_DIGITS = 20  # RFC 1870 section 3: a size has at most 20 digits


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The service extensions of one session; `size` is None when SIZE is not offered and 0 when it has no limit."""

    pipelining: bool = False  # RFC 2920
    chunking: bool = False  # RFC 3030
    eight_bit: bool = False  # RFC 6152
    utf8: bool = False  # RFC 6531
    dsn: bool = False  # RFC 3461
    starttls: bool = False  # RFC 3207
    enhanced: bool = False  # RFC 2034
    requiretls: bool = False  # RFC 8689
    size: int | None = None  # RFC 1870, in octets
    auth: tuple[str, ...] = ()  # RFC 4954, mechanisms in upper case


def parse(lines: Sequence[str]) -> Capabilities:
    """Return what the lines of an EHLO reply offer; the first is the greeting line and offers nothing.

    Keywords are case-blind and unknown ones are passed over. Never raises: a HELO reply or no lines at all
    mean a server without extensions.
    """
    offered: dict[str, list[str]] = {}
    for line in lines[1:]:
        # "AUTH=LOGIN" is how servers older than RFC 4954 wrote it; some still write both forms.
        words = line.upper().replace("AUTH=", "AUTH ", 1).split()
        if words:
            offered.setdefault(words[0], []).extend(words[1:])
    return Capabilities(
        pipelining="PIPELINING" in offered,
        chunking="CHUNKING" in offered,
        eight_bit="8BITMIME" in offered,
        utf8="SMTPUTF8" in offered,
        dsn="DSN" in offered,
        starttls="STARTTLS" in offered,
        enhanced="ENHANCEDSTATUSCODES" in offered,
        requiretls="REQUIRETLS" in offered,
        size=_size(offered["SIZE"]) if "SIZE" in offered else None,
        auth=tuple(dict.fromkeys(offered.get("AUTH", ()))),
    )


def _size(words: list[str]) -> int:
    """Return the limit in octets; a limit that is missing or no number is no limit that could be kept."""
    first = words[0] if words else ""
    return int(first) if first.isascii() and first.isdigit() and len(first) <= SIZE_DIGITS else 0
