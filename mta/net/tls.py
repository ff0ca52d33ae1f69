"""TLS as OpenSSL does it: the contexts all sessions share, a peer's certificates, and faults by their names."""

import _ssl
import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal

from mta.net.terms import Contexts
from mta.policy import dane
from mta.policy.certificate import dns_names
from mta.policy.names import covers
from mta.policy.tls import Level, TlsNeed

Minimum = Literal["1.2", "1.3"]

# X509_V_ERR_* of OpenSSL (x509_vfy.h) that have a result type of their own.
_DATES: Final = {9: "certificate-expired", 10: "certificate-expired", 62: "certificate-host-mismatch"}

HAS_CHAIN: Final = hasattr(ssl.SSLObject, "get_unverified_chain") or hasattr(
    getattr(_ssl, "_SSLSocket", None), "get_unverified_chain"
)
"""Whether the certificates a server sent can be had, which TLSA usage 2 needs (public since Python 3.13)."""


def contexts(minimum: Minimum = "1.2", authorities: str = "") -> Contexts:
    """Return the contexts for opening sessions; `authorities` is a PEM file, empty = the system's.

    Raises OSError or ssl.SSLError when the file can't be used.
    """
    encrypting = opportunistic_context(minimum)
    verifying = _context(minimum)
    # Names are compared by us: they may differ from the one said in SNI, and from the host's (policy/names.py).
    verifying.verify_mode = ssl.CERT_REQUIRED
    if authorities:
        verifying.load_verify_locations(cafile=authorities)
    else:
        verifying.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return Contexts(encrypting, verifying)


def opportunistic_context(minimum: Minimum = "1.2") -> ssl.SSLContext:
    """Return a context that encrypts without asking who is there (RFC 7435)."""
    return _context(minimum)


def _context(minimum: Minimum) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if minimum == "1.3" else ssl.TLSVersion.TLSv1_2
    return context


def chain_of(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """Return the certificates the server sent, DER, its own first; none before the handshake.

    Without HAS_CHAIN its own alone.
    """
    own = tls.getpeercert(binary_form=True)
    if own is None:
        return ()
    public: Callable[[], list[bytes]] | None = getattr(tls, "get_unverified_chain", None)
    if public is not None:
        return tuple(public()) or (own,)
    # Python 3.10 to 3.12 have it under the hood; a test holds us to it.
    private: Callable[[], Any] | None = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    if private is None:
        return (own,)
    return tuple(each.public_bytes(_ssl.ENCODING_DER) for each in private() or ()) or (own,)


def shortfall(tls: ssl.SSLObject, need: TlsNeed, now: datetime) -> str:
    """Return what of `need` a session does not have, as an RFC 8460 result type; empty when it has all.

    For VERIFY the handshake was made with the verifying context, so the chain is good and names are left to see.
    """
    if need.level is Level.DANE:
        return dane.vouched(need.tlsa, chain_of(tls), need.names, now)
    names = need.names if need.level is Level.VERIFY else need.trial
    own = tls.getpeercert(binary_form=True)
    if names and not (own and covers(dns_names(own), names)):
        return "certificate-host-mismatch"
    return ""


def fault_of(error: BaseException | None) -> str:
    """Return the RFC 8460 result type of a handshake that failed, looking through what wraps the error."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return _DATES.get(error.verify_code, "certificate-not-trusted")
        error = error.__cause__
    return "validation-failure"
