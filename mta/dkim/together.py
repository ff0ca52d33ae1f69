"""The signatures of several messages at once: what one by one would cost three times as much (mta.dkim.multibuffer)."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from mta.dkim.key import Signer, Unsealed, sealed
from mta.dkim.multibuffer import LANES, LEAST, MultiBuffer, Parts
from mta.dkim.selection import Selected


class Unsigned(NamedTuple):
    """A message to sign: its selected fields, the SHA-256 of its body, and who signs."""

    selected: Selected
    body_hash: bytes
    signers: Sequence[Signer]


def sign_together(
    messages: Sequence[Unsigned], t: int, x: int | None, multibuffer: MultiBuffer | None
) -> list[list[bytes]]:
    """Return for each message what `sign_all` would: one DKIM-Signature field per signer, in their order.

    RSA signatures are deterministic (RFC 8017 section 8.2), so the octets are the same with and without a
    `multibuffer`. Raises ValueError on another length of hash, and when `x` is not after `t`.
    """
    opened = [
        [signer.unsealed(one.selected, one.body_hash, t, x) for signer in one.signers] for one in messages
    ]
    if multibuffer is None:
        return [[sealed(one, one.signer.raw(one.data)) for one in fields] for fields in opened]
    made = {
        id(one): signature
        for one, signature in _made([one for fields in opened for one in fields], multibuffer)
    }
    return [
        [sealed(one, made.get(id(one)) or one.signer.raw(one.data)) for one in fields] for fields in opened
    ]


def _made(fields: Sequence[Unsealed], multibuffer: MultiBuffer) -> Iterator[tuple[Unsealed, bytes | None]]:
    """Yield the signatures that are worth a call."""
    by_bits: dict[int, list[tuple[Unsealed, Parts]]] = defaultdict(list)
    for one in fields:
        parts = one.signer.parts()
        if parts is not None and multibuffer.serves(parts.bits):
            by_bits[parts.bits].append((one, parts))
    for bits, jobs in by_bits.items():
        for at in range(0, len(jobs), LANES):
            group = jobs[at : at + LANES]
            if len(group) >= LEAST[bits]:
                digests = [sha256(one.data).digest() for one, _ in group]
                signatures = multibuffer.sign(digests, [parts for _, parts in group])
                yield from zip((one for one, _ in group), signatures, strict=True)
