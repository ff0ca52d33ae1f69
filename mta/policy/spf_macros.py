"""Macros in the domains of SPF records: `%{i}._spf.%{d2}` and the like (RFC 7208 section 7)."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

MAX_NAME: Final = 253
_MACRO = re.compile(r"%(?:\{([A-Za-z])(\d{0,3})(r?)([.\-+,/_=]*)\}|(%|_|-))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: address, the sender's local part and domain, and the name said in EHLO."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    local: str
    domain: str
    helo: str


def expanded(text: str, sender: Sender, domain: str) -> str:
    """Return a domain with its macros replaced, cut from the left to 253 characters; raise ValueError."""
    at, parts = 0, list[str]()
    for found in _MACRO.finditer(text):
        parts += [_plain(text[at : found.start()]), _value(found, sender, domain)]
        at = found.end()
    parts.append(_plain(text[at:]))
    name = "".join(parts).lower().rstrip(".")
    while len(name) > MAX_NAME:
        _, dot, name = name.partition(".")
        if not dot:
            raise ValueError("it is longer than a domain may be")
    return name


def _plain(text: str) -> str:
    if "%" in text:
        raise ValueError("it has a % that begins no macro")
    return text


def _value(found: re.Match[str], sender: Sender, domain: str) -> str:
    letter, digits, reverse, delimiters, escaped = found.groups()
    if escaped:
        return {"%": "%", "_": " ", "-": "%20"}[escaped]
    value = _letter(letter.lower(), sender, domain)
    pieces = re.split(f"[{re.escape(delimiters or '.')}]", value)
    if reverse:
        pieces.reverse()
    if digits:
        if int(digits) == 0:
            raise ValueError("a macro keeps none of its parts")
        pieces = pieces[-int(digits) :]
    joined = ".".join(pieces)
    return quote(joined, safe="") if letter.isupper() else joined


def _letter(letter: str, sender: Sender, domain: str) -> str:
    match letter:
        case "s":
            return f"{sender.local}@{sender.domain}"
        case "l":
            return sender.local
        case "o":
            return sender.domain
        case "d":
            return domain
        case "i":
            if sender.address.version == 4:
                return str(sender.address)
            return ".".join(f"{int(sender.address):032x}")
        case "v":
            return "in-addr" if sender.address.version == 4 else "ip6"
        case "h":
            return sender.helo
        case "p":
            return "unknown"  # the name of the address is not to be asked for (section 5.5)
    raise ValueError(f"%{{{letter}}} is no macro of a domain")
