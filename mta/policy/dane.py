"""DANE for SMTP (RFC 7672): TLSA records, which of them are usable, and whether a server's chain fits one.

Only usages 2 (a trust anchor that the server sends along) and 3 (the server's own certificate or key) are usable for
SMTP; 0 and 1 are not (section 3.1.3). Records that can't be used leave the demand for encryption in place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256, sha512
from hmac import compare_digest

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import verification

from mta.policy.certificate import BadCertificate, dns_names, public_key_info
from mta.policy.names import covers

MOST_CHAIN = 16  # certificates of a server that are looked at
_DIGESTS = {1: sha256, 2: sha512}


@dataclass(frozen=True, slots=True)
class Tlsa:
    """One TLSA record (RFC 6698 section 2.1)."""

    usage: int
    selector: int  # 0: the certificate, 1: its SubjectPublicKeyInfo
    matching: int  # 0: as it is, 1: SHA-256, 2: SHA-512
    data: bytes

    @property
    def usable(self) -> bool:
        """Whether it can vouch for a server: a usage, selector and digest that are known, and a digest's length."""
        if self.usage not in (2, 3) or self.selector not in (0, 1) or not self.data:
            return False
        digest = _DIGESTS.get(self.matching)
        return self.matching == 0 if digest is None else len(self.data) == digest().digest_size

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"

    def fits(self, der: bytes) -> bool:
        """Return whether this record names the certificate."""
        try:
            chosen = public_key_info(der) if self.selector else der
        except BadCertificate:
            return False
        digest = _DIGESTS.get(self.matching)
        return compare_digest(self.data, digest(chosen).digest() if digest else chosen)


UNREADABLE = Tlsa(255, 255, 255, b"")  # 255 is PrivCert/PrivSel/PrivMatch: never usable


def parse(text: str) -> Tlsa:
    """Return the record of `3 1 1 hex`; what can't be read is a record that is not usable."""
    try:
        usage, selector, matching, data = text.split(" ", 3)
        return Tlsa(int(usage), int(selector), int(matching), bytes.fromhex(data))
    except ValueError:
        return UNREADABLE


def usable(records: Sequence[Tlsa], *, anchors: bool = True) -> tuple[Tlsa, ...]:
    """Return the usable records; `anchors` False leaves usage 2 out, where a server's chain can't be had."""
    return tuple(one for one in records if one.usable and (anchors or one.usage == 3))


def vouched(records: Sequence[Tlsa], chain: Sequence[bytes], names: Sequence[str], now: datetime) -> str:
    """Return what is wrong with a server's chain (DER, its own certificate first); empty when one record fits.

    Usage 3 asks for nothing more than the match: no name, no date (RFC 7672 section 3.1.1). Usage 2 asks for a chain
    to the anchor, valid at `now` (with a time zone), and for one of `names` in the certificate (3.1.2). The answer
    is a TLS-RPT result type (RFC 8460 section 4.3).
    """
    if not chain:
        return "validation-failure"
    if any(one.usage == 3 and one.fits(chain[0]) for one in records):
        return ""
    result = "validation-failure"
    for record in records:
        if record.usage != 2:
            continue
        for anchor in _anchors(record, chain[1:MOST_CHAIN]):
            if not _chained(chain[0], chain[1:MOST_CHAIN], anchor, now):
                result = "certificate-not-trusted"
            elif not covers(dns_names(chain[0]), names):
                result = "certificate-host-mismatch"
            else:
                return ""
    return result


def _anchors(record: Tlsa, chain: Sequence[bytes]) -> list[bytes]:
    found = [der for der in chain if record.fits(der)]
    if not found and record.selector == 0 and record.matching == 0:
        found = [record.data]  # the whole anchor stands in the DNS: the server need not send it
    return found


def _chained(leaf: bytes, others: Sequence[bytes], anchor: bytes, now: datetime) -> bool:
    """Return whether signatures lead from the leaf to the anchor, all within their time."""
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in (leaf, anchor, *others)]
        end, root, *between = certificates
        # Private anchors are seldom made by the rules of the public ones, so their extensions are not judged, save
        # that who signs must be allowed to (basicConstraints is checked by the verifier itself).
        permit = verification.ExtensionPolicy.permit_all()
        verifier = (
            verification.PolicyBuilder()
            .store(verification.Store([root]))
            .time(now)
            .extension_policies(ca_policy=_signs(permit), ee_policy=permit)
            .build_client_verifier()
        )
        verifier.verify(end, between)
        return True
    except (ValueError, TypeError, UnsupportedAlgorithm, verification.VerificationError):
        return False


def _signs(permit: verification.ExtensionPolicy) -> verification.ExtensionPolicy:
    return permit.require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, _may_sign)


def _may_sign(
    _: verification.Policy, __: x509.Certificate, constraints: x509.BasicConstraints | None
) -> None:
    if constraints is None or not constraints.ca:
        raise ValueError("not a certificate that may sign others")
