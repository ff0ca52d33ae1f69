"""All signatures of one message: the fields are canonicalised once, however many keys sign them.

Two keys are the rule while Ed25519 is young: receivers that do not know it read the RSA signature (RFC 8463).
"""

from collections.abc import Sequence

from mta.dkim.key import Signer
from mta.dkim.selection import select


def sign_all(
    fields: Sequence[bytes], body_hash: bytes, signers: Sequence[Signer], t: int, x: int | None = None
) -> list[bytes]:
    """Return one DKIM-Signature field per signer, in their order, to be put before `fields`.

    Arguments and errors are those of `Signer.sign`; no signature covers another one.
    """
    selected = select(fields)
    return [signer.seal(selected, body_hash, t, x) for signer in signers]
