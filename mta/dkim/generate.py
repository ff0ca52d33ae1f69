"""New signing keys. The one place of this room that is not pure: `cryptography` asks the system for randomness."""

from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mta.dkim.key import MAX_RSA_BITS, MIN_RSA_BITS


def generate(kind: Literal["rsa", "ed25519"], bits: int = MIN_RSA_BITS) -> bytes:
    """Return a new private key as unencrypted PKCS#8 PEM, made from the operating system's randomness.

    `bits` counts for RSA only. Raises ValueError on a size that `key.load` would refuse.
    """
    key: RSAPrivateKey | Ed25519PrivateKey
    if kind == "ed25519":
        key = Ed25519PrivateKey.generate()
    elif MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        key = generate_private_key(public_exponent=65537, key_size=bits)
    else:
        raise ValueError(f"an RSA key for DKIM has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, got {bits}")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
