"""A domain's signing key: loaded and judged once, then a Signer that makes one DKIM-Signature field per message.

Checking an RSA key costs some 37 ms, so a Signer is made at start-up or reload and kept. All that does not
change from message to message is put together here when the key is loaded.
"""

import base64
import re
from binascii import b2a_base64
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Literal, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from mta.address import AddressError, domain_of
from mta.dkim.multibuffer import Parts, parts_of
from mta.dkim.selection import Selected, select

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]
MIN_RSA_BITS: Final = 2048  # RFC 8301 asks for 1024 at least and recommends 2048
MAX_RSA_BITS: Final = 8192  # a signature costs the square of it and more
_B64_LINE: Final = 74

_SELECTOR = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*\Z", re.IGNORECASE)
_PADDING = padding.PKCS1v15()
_SHA256 = SHA256()


class KeyFault(ValueError):
    """A key can't be used; the message names domain, selector and the cure, never the key."""


class Unsealed(NamedTuple):
    """A signature field that lacks its signature: the canonical `data` to be signed, and what stands around it."""

    signer: "Signer"
    data: bytes
    text: bytes


class Signer:
    """Signs for one domain and selector; holds the private key, and does not show it.

    `algorithm` is the a= value. Safe to use from several threads.
    """

    __slots__ = (
        "_head", "_head_relaxed", "_key", "_parts", "_rsa", "_whole", "algorithm", "domain", "identity", "selector",
    )  # fmt: skip

    def __init__(
        self, domain: str, selector: str, key: RSAPrivateKey | Ed25519PrivateKey, identity: str = ""
    ) -> None:
        self.domain = domain
        self.selector = selector
        self.identity = identity
        self.algorithm: Algorithm = "rsa-sha256" if isinstance(key, RSAPrivateKey) else "ed25519-sha256"
        self._key = key
        self._rsa = key if isinstance(key, RSAPrivateKey) else None
        self._whole = self._rsa  # until its parts are asked for
        self._parts: Parts | None = None
        tags = [f"v=1; a={self.algorithm}; c=relaxed/simple;", f"d={domain};", f"s={selector};"]
        if identity:
            tags.append(f"i={identity};")
        lines = ["DKIM-Signature:"]
        for tag in tags:
            if len(lines[-1]) + 1 + len(tag) > 78:
                lines.append("")
            lines[-1] += " " + tag
        self._head = "\r\n".join(lines).encode("ascii")
        self._head_relaxed = b"dkim-signature:" + self._head.replace(b"\r\n ", b" ").partition(b": ")[2]

    def __repr__(self) -> str:
        return f"Signer({self.selector}._domainkey.{self.domain}, {self.algorithm})"

    def sign(self, fields: Sequence[bytes], body_hash: bytes, t: int, x: int | None = None) -> bytes:
        """Return the folded `DKIM-Signature: ...` field, with its CRLF, to be put before `fields`.

        `fields` are `Name: value CRLF`; `body_hash` is the SHA-256 of the simple body; `t` and `x` are seconds
        since 1970, of signing and expiry (RFC 6376 section 3.5). Raises ValueError without a From field, on
        another length of hash, and when `x` is not after `t`.
        """
        return self.seal(select(fields), body_hash, t, x)

    def seal(self, selected: Selected, body_hash: bytes, t: int, x: int | None = None) -> bytes:
        """As `sign`, over fields that were selected before, so that several signers share that work."""
        one = self.unsealed(selected, body_hash, t, x)
        return sealed(one, self.raw(one.data))

    def unsealed(self, selected: Selected, body_hash: bytes, t: int, x: int | None = None) -> Unsealed:
        """As `seal`, but for the signature itself, so that signatures of several messages are made together."""
        if len(body_hash) != 32:
            raise ValueError(f"body_hash is a SHA-256 digest of 32 octets, got {len(body_hash)}")
        if x is None:
            times = b"t=%d;" % t
        elif x > t:
            times = b"t=%d; x=%d;" % (t, x)
        else:
            raise ValueError(f"the expiry of a signature must be after its time, got x={x} and t={t}")
        bh = b2a_base64(body_hash, newline=False)
        # The hash takes in the signature field itself, relaxed, with an empty b= and no CRLF (section 3.7).
        data = b"%b%b %b %b; bh=%b; b=" % (
            selected.data, self._head_relaxed, times, selected.names_relaxed, bh,
        )  # fmt: skip
        return Unsealed(self, data, b"%b\r\n %b\r\n %b;\r\n bh=%b;" % (self._head, times, selected.names, bh))

    def parts(self) -> Parts | None:
        """Return the private key as `multibuffer` reads it; None when it can't serve it."""
        if self._whole is not None:
            self._parts, self._whole = parts_of(self._whole), None
        return self._parts

    def raw(self, data: bytes) -> bytes:
        """Return the bare signature over the canonical header data."""
        if self._rsa is not None:
            return self._rsa.sign(data, _PADDING, _SHA256)
        assert not isinstance(self._key, RSAPrivateKey)
        # RFC 8463 section 3: the message that PureEdDSA signs is the SHA-256 digest.
        return self._key.sign(sha256(data).digest())

    def public(self) -> str:
        """Return the public key as the p= value of the DNS record: RSA as SubjectPublicKeyInfo, Ed25519 bare."""
        key = self._key.public_key()
        if isinstance(self._key, RSAPrivateKey):
            data = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            data = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return base64.b64encode(data).decode("ascii")


def sealed(one: Unsealed, signature: bytes) -> bytes:
    """Return the whole folded field, with its CRLF."""
    text = b2a_base64(signature, newline=False)
    b = b"\r\n ".join([text[at : at + _B64_LINE] for at in range(0, len(text), _B64_LINE)])
    return b"%b\r\n b=%b\r\n" % (one.text, b)


def load(domain: str, selector: str, pem: bytes, identity: str = "") -> Signer:
    """Return the Signer of an unencrypted PEM private key: RSA of 2048 to 8192 bits, or Ed25519.

    `identity` is the optional i= value, an `@` and the domain or one below it, with or without a local part
    of letters, digits and `._+-`. Raises KeyFault.
    """
    where = f"DKIM key of domain {domain[:80]!r}, selector {selector[:80]!r}"
    try:
        name = domain_of(domain)
    except AddressError as error:
        raise KeyFault(f"{where}: {error}; give the domain as in the From address") from None
    if not _SELECTOR.match(selector):
        raise KeyFault(f"{where}: a selector is made of letters, digits, hyphens and dots")
    if identity and not re.fullmatch(rf"[\w.+-]*@(?:[a-z0-9-]+\.)*{re.escape(name)}", identity, re.ASCII):
        raise KeyFault(f"{where}: identity must end in @{name} or @ and a domain below it")
    try:
        # The library's own check of an RSA key takes 37 ms, mostly for primality; what matters here is proved by
        # `_proved` in a hundredth of it, so that thousands of domains can be loaded.
        key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise KeyFault(f"{where}: the key is encrypted; store it without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        # No chained cause: a parser's message or traceback might show part of the key.
        raise KeyFault(f"{where}: no PEM private key (PKCS#8); make one with `openssl genrsa 2048`") from None
    if isinstance(key, RSAPrivateKey):
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise KeyFault(
                f"{where}: RSA key of {key.key_size} bits; use {MIN_RSA_BITS} to {MAX_RSA_BITS} bits (RFC 8301)"
            )
        if not _proved(key):
            raise KeyFault(f"{where}: the parts of the RSA key do not fit each other; make a new one")
    elif not isinstance(key, Ed25519PrivateKey):
        raise KeyFault(f"{where}: {type(key).__name__.lstrip('_')} can't sign DKIM; use RSA or Ed25519")
    return Signer(name, selector, key, identity)


def _proved(key: RSAPrivateKey) -> bool:
    """Whether a signature by the key verifies: a key with a wrong part could give its factors away in signatures."""
    try:
        probe = key.sign(b"mta", _PADDING, _SHA256)
        key.public_key().verify(probe, b"mta", _PADDING, _SHA256)
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
