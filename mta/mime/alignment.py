"""Whether the domains of a mailing belong together, as DMARC asks (RFC 7489 section 3.1).

Relaxed alignment compares organisational domains, which takes the public suffix list to be exact. Here a domain
and one below it are one organisation, and so are two that share a parent of two labels or more, unless that parent
looks like a registry's own (`co.uk`). That is right but for the rarest suffixes, and needs no list that grows old.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mta.mime.finding import Finding, finding

# Second-level labels under which registries of two-letter domains sell names.
_REGISTRY: Final = frozenset((
    "ac", "co", "com", "edu", "gen", "go", "gob", "gov", "gouv", "govt", "ltd", "mil", "ne", "net", "nom", "or", "org",
    "plc",
))  # fmt: skip
MAILBOX_PROVIDERS: Final = frozenset((
    "gmail.com", "googlemail.com", "yahoo.com", "ymail.com", "aol.com", "outlook.com", "hotmail.com", "live.com",
    "msn.com", "icloud.com", "me.com", "mac.com", "gmx.de", "gmx.net", "web.de", "mail.ru", "yandex.ru", "proton.me",
))  # fmt: skip
"""Domains whose owners publish a DMARC policy, or whose receivers refuse mail that others send in their name."""


@dataclass(frozen=True, slots=True)
class Domains:
    """Which domains a mailing shows or uses; `signing` are the d= of its signatures, an empty text is unknown."""

    sender: str
    signing: Sequence[str] = ()
    return_path: str = ""
    tracking: str = ""


def organisation(domain: str) -> str:
    """Return the organisational domain, as near as this module gets."""
    labels = domain.lower().rstrip(".").split(".")
    keep = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _REGISTRY else 2
    return ".".join(labels[-keep:])


def aligned(one: str, other: str) -> bool:
    """Whether two domains are in relaxed alignment."""
    return organisation(one) == organisation(other)


def check(domains: Domains) -> list[Finding]:
    """Return what is wrong with the domains of a mailing."""
    sender, found = domains.sender, list[Finding]()
    parent = organisation(sender)
    if sender in MAILBOX_PROVIDERS:
        found.append(finding("from-mailbox-provider", "from", sender=sender))
    if not domains.signing:
        found.append(finding("dkim-missing", "from", sender=sender))
    elif not any(aligned(one, sender) for one in domains.signing):
        signing = ", ".join(domains.signing)
        found.append(finding("dkim-unaligned", "from", sender=sender, signing=signing))
    for code, where, domain in (
        ("return-path-unaligned", "from", domains.return_path),
        ("tracking-unaligned", "track", domains.tracking),
    ):
        if domain and not aligned(domain, sender):
            found.append(finding(code, where, sender=sender, domain=domain, parent=parent))
    return found
