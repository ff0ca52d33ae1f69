"""Mail addresses: split, check, and put in the one form the engine compares and sends.

The local part is kept byte for byte (RFC 5321 section 2.3.11); the domain becomes a lower-case A-label.
The grammar is RFC 5321's Mailbox without address literals and source routes: stricter than what the
standard library's parser takes, because a lenient one has given wrong addresses (CVE-2023-27043).
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import idna

MAX_LOCAL = 64  # RFC 5321 section 4.5.3.1.1, in octets
MAX_DOMAIN = 255  # RFC 5321 section 4.5.3.1.2
MAX_NAME = 998  # a display name longer than a header line helps nobody

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]"
_DOT_ATOM = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*\Z")
_QUOTED = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e\u0080-\U0010ffff]|\\[\x20-\x7e])*"\Z')
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*\Z")
# An IPv4 address in any of its spellings is no domain, whatever a resolver would make of it (RFC 3696 section 2).
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\Z")
# C0 and C1 controls, the two Unicode line separators, and surrogates, which can't be encoded: none has a place
# in an address or a name.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class AddressError(ValueError):
    """The text is no mail address; the message says which rule it breaks."""


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox: `local` as its owner writes it, `domain` as a lower-case A-label."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def utf8(self) -> bool:
        """True when the address can only travel under SMTPUTF8 (RFC 6531)."""
        return not self.local.isascii()


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A display name (may be empty) and its address, as in a From or To header."""

    name: str
    address: Address


@lru_cache(maxsize=65536)
def domain_of(text: str) -> str:
    """Return the domain as a lower-case A-label without a trailing dot; raise AddressError."""
    name = text.removesuffix(".").lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii").removesuffix(".")
        except idna.IDNAError as error:
            raise AddressError(f"domain {text[:80]!r} is not a valid IDNA name") from error
    if len(name) > MAX_DOMAIN:
        raise AddressError(f"domain is longer than {MAX_DOMAIN} octets")
    if not _HOST.match(name) or _NUMBER.match(name):
        raise AddressError(f"domain {text[:80]!r} is not a host name")
    return name


def parse(text: str) -> Address:
    """Return the Address that `text` spells, with no display name; raise AddressError."""
    if _CONTROL.search(text):
        raise AddressError("address contains a control character")
    local, at, domain = text.strip(" ").rpartition("@")
    if not at:
        raise AddressError("address has no @")
    if not local:
        raise AddressError("address has nothing before the @")
    if (len(local) if local.isascii() else len(local.encode())) > MAX_LOCAL:
        raise AddressError(f"the part before the @ is longer than {MAX_LOCAL} octets")
    if not _DOT_ATOM.match(local) and not _QUOTED.match(local):
        raise AddressError(f"the part before the @ is not a valid local part: {local[:80]!r}")
    return Address(local, domain_of(domain))


def parse_mailbox(text: str) -> Mailbox:
    """Return the Mailbox of `Name <user@host>` or of a bare address; raise AddressError."""
    if _CONTROL.search(text):
        raise AddressError("mailbox contains a control character")
    text = text.strip(" ")
    if not text.endswith(">"):
        return Mailbox("", parse(text))
    name, bracket, rest = text[:-1].rpartition("<")
    if not bracket:
        raise AddressError("mailbox has a > but no <")
    name = name.strip(" ")
    if len(name) >= 2 and name.startswith('"') and name.endswith('"'):
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    if len(name) > MAX_NAME:
        raise AddressError(f"display name is longer than {MAX_NAME} characters")
    return Mailbox(name, parse(rest))
