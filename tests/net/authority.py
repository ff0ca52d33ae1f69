"""Certificates made for a test: an authority, what it signs, and servers that show them."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from mta.policy.certificate import public_key_info

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Made:
    """A certificate, its key, and who signed it (None: itself)."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    issuer: "Made | None" = None

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def spki(self) -> bytes:
        return public_key_info(self.der)

    def server(self, *sent: "Made") -> ssl.SSLContext:
        """A server's context that shows this certificate and those `sent` with it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with TemporaryDirectory() as folder:  # the ssl module reads keys from files only
            path = Path(folder, "all.pem")
            path.write_bytes(key + self.pem + b"".join(each.pem for each in sent))
            context.load_cert_chain(path)
        return context


def make(
    name: str,
    issuer: Made | None = None,
    *,
    names: Sequence[str] = (),
    signs: bool = False,
    begins: timedelta = timedelta(days=-2),
    ends: timedelta = timedelta(days=30),
) -> Made:
    """Return a certificate; `signs`: it may sign others; `begins` and `ends` from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + begins)
        .not_valid_after(NOW + ends)
    )
    if signs:
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(alternatives, critical=False)
    return Made(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key, issuer)
