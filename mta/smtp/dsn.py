"""What a sender may ask of delivery reports: the parameters of RFC 3461, and the encodings they travel in.

Asked of servers that offer DSN and of no others; without them a server reports as it always does.
"""

import re
from typing import Final

import msgspec

from mta.smtp.wire import WireError, path

MAX_ENVID: Final = 100
"""Octets of an ENVID as it is written (RFC 3461 4.4)."""

MAX_ORCPT: Final = 500
"""Octets of an ORCPT as it is written, type and semicolon included (RFC 3461 4.2)."""

RET: Final = frozenset({"", "FULL", "HDRS"})
NOTIFY: Final = frozenset({"SUCCESS", "FAILURE", "DELAY"})

_TO_XTEXT: Final = {
    code: f"+{code:02X}" for code in (*range(0x01, 0x21), ord("+"), ord("="), 0x7F)
}  # RFC 3461 section 4
_PLAIN: Final = re.compile(r"[\x21-\x2a\x2c-\x3c\x3e-\x5b\x5d-\x7e]")  # QCHAR of RFC 6533 section 3


class Dsn(msgspec.Struct, frozen=True):
    """The reports asked for: all empty asks for nothing.

    `ret` is "FULL", "HDRS" or "" (the server's choice); `notify` any of SUCCESS, FAILURE and DELAY, or NEVER
    alone; `envid` is printable and returns in the report; `orcpt` names the address first written to for each
    recipient in order, with "" where there is none, or is empty for all.
    """

    ret: str = ""
    notify: tuple[str, ...] = ()
    envid: str = ""
    orcpt: tuple[str, ...] = ()


def mail_words(dsn: Dsn) -> str:
    """Return what is added to the MAIL command; raise WireError."""
    if dsn.ret not in RET:
        raise WireError(f"ret is {dsn.ret[:20]!r}: use FULL, HDRS or nothing")
    words = f" RET={dsn.ret}" if dsn.ret else ""
    if dsn.envid:
        if not dsn.envid.isprintable():
            raise WireError(f"envid {dsn.envid[:80]!r} is not printable")
        coded = xtext(dsn.envid)
        if len(coded) > MAX_ENVID:
            raise WireError(f"envid is {len(coded)} octets when written, {MAX_ENVID} is the limit")
        words += f" ENVID={coded}"
    return words


def rcpt_words(dsn: Dsn, number: int, recipients: int) -> str:
    """Return what is added to the RCPT command of recipient `number`, from 0; raise WireError."""
    words = ""
    if dsn.notify:
        if dsn.notify != ("NEVER",) and not (
            NOTIFY.issuperset(dsn.notify) and len(set(dsn.notify)) == len(dsn.notify)
        ):
            raise WireError(f"notify is {dsn.notify!r:.80}: use SUCCESS, FAILURE, DELAY, or NEVER alone")
        words = " NOTIFY=" + ",".join(dsn.notify)
    if dsn.orcpt:
        if len(dsn.orcpt) != recipients:
            raise WireError(f"orcpt has {len(dsn.orcpt)} addresses for {recipients} recipients")
        if dsn.orcpt[number]:
            words += f" ORCPT={_typed(dsn.orcpt[number])}"
    return words


def xtext(text: str) -> str:
    """Return `text` as xtext (RFC 3461 section 4): "+", "=", space and controls become +XX in upper case.

    Raises WireError for NUL, which no report could carry, and for what is not ASCII.
    """
    if not text.isascii() or "\0" in text:
        raise WireError(f"{text[:80]!r} can't be written as xtext: it must be ASCII without NUL")
    return text.translate(_TO_XTEXT)


def _typed(address: str) -> str:
    """Return an address with its type: rfc822, or utf-8 in the 7-bit form that every server can take (RFC 6533)."""
    path(address)
    if address.isascii():
        coded = "rfc822;" + xtext(address)
    else:
        coded = "utf-8;" + "".join(
            one if _PLAIN.fullmatch(one) else f"\\x{{{ord(one):02X}}}" for one in address
        )
    if len(coded) > MAX_ORCPT:
        raise WireError(f"orcpt is {len(coded)} octets when written, {MAX_ORCPT} is the limit")
    return coded
