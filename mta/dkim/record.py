"""What the owner of a domain publishes so that signatures verify: the TXT record (RFC 6376 section 3.6.1)."""

from typing import Final

from mta.dkim.key import Signer

MAX_STRING: Final = 255  # octets of one character-string (RFC 1035 section 3.3)


def dns_name(signer: Signer) -> str:
    """Return the name of the record, without a trailing dot."""
    return f"{signer.selector}._domainkey.{signer.domain}"


def dns_record(signer: Signer) -> str:
    """Return the text of the record, in one piece."""
    kind = "rsa" if signer.algorithm == "rsa-sha256" else "ed25519"
    return f"v=DKIM1; k={kind}; p={signer.public()}"


def txt_strings(text: str) -> list[str]:
    """Return the text in strings of at most 255 octets: a zone file holds them side by side, each in quotes."""
    return [text[at : at + MAX_STRING] for at in range(0, len(text), MAX_STRING)]
