"""What people want to see of a server's certificate: who it says it is, who says so, and for how long."""

from dataclasses import dataclass
from hashlib import sha256

from cryptography import x509

from mta.policy.certificate import dns_names

MOST_TEXT = 256  # characters of a name: strangers choose them
MOST_NAMES = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate in words; times in ms since 1970. `fault` says why it can't be read."""

    sha256: str
    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    begins: int = 0
    ends: int = 0
    fault: str = ""


def shown(der: bytes) -> Shown:
    """Return what a certificate (DER) says; never raises."""
    digest = sha256(der).hexdigest()
    try:
        one = x509.load_der_x509_certificate(der)
        return Shown(
            digest,
            one.subject.rfc4514_string()[:MOST_TEXT],
            one.issuer.rfc4514_string()[:MOST_TEXT],
            tuple(name[:MOST_TEXT] for name in dns_names(der)[:MOST_NAMES]),
            int(one.not_valid_before_utc.timestamp() * 1000),
            int(one.not_valid_after_utc.timestamp() * 1000),
        )
    except (ValueError, TypeError, x509.InvalidVersion) as error:
        return Shown(digest, fault=f"it can't be read: {error}"[:MOST_TEXT])
