"""What is read of a peer's certificate: its names, and its public key as the very bytes it was sent in.

The key is cut out of the DER by hand: a library that parses and writes it anew may spell it otherwise (a compressed
EC point), and a digest is over what was sent (RFC 6698 section 2.1.2).
"""

from cryptography import x509

_SEQUENCE = 0x30
_VERSION = 0xA0  # [0] EXPLICIT, absent in version 1


class BadCertificate(ValueError):
    """The bytes are no certificate."""


def public_key_info(der: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a certificate (RFC 5280 section 4.1), DER; raise BadCertificate."""
    start, end = _inside(der, 0, _SEQUENCE, len(der))
    at, end = _inside(der, start, _SEQUENCE, end)  # TBSCertificate
    if at < end and der[at] == _VERSION:
        at = _after(der, at, end)
    for _ in range(5):  # serialNumber, signature, issuer, validity, subject
        at = _after(der, at, end)
    _inside(der, at, _SEQUENCE, end)
    return der[at : _after(der, at, end)]


def dns_names(der: bytes) -> tuple[str, ...]:
    """Return the DNS names of a certificate's subjectAltName; none when it can't be read.

    The common name is not looked at (RFC 9525 section 2).
    """
    try:
        extensions = x509.load_der_x509_certificate(der).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return tuple(names.get_values_for_type(x509.DNSName))
    except (ValueError, TypeError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.InvalidVersion):
        return ()


def _header(der: bytes, at: int, end: int) -> tuple[int, int]:
    """Return where the contents of the element at `at` begin and end."""
    if at + 2 > end:
        raise BadCertificate("the certificate ends too soon")
    size, start = der[at + 1], at + 2
    if size >= 0x80:
        octets = size & 0x7F
        if not 1 <= octets <= 4 or start + octets > end:
            raise BadCertificate("a length in the certificate is wrong")
        size = int.from_bytes(der[start : start + octets], "big")
        start += octets
    if start + size > end:
        raise BadCertificate("the certificate ends too soon")
    return start, start + size


def _after(der: bytes, at: int, end: int) -> int:
    return _header(der, at, end)[1]


def _inside(der: bytes, at: int, tag: int, end: int) -> tuple[int, int]:
    if at >= end or der[at] != tag:
        raise BadCertificate("not what a certificate has in this place")
    return _header(der, at, end)
