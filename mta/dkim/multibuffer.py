"""RSA signatures made eight at once, in the lanes of one wide register (AVX-512 IFMA).

One signature is a chain of multiplications, each of which waits for the one before, so a processor that could do eight
at a time does one. Signatures of different messages do not wait for each other. The library is Intel's Cryptography
Primitives Library (`crypto_mb`, Apache-2.0); where it or the processor does not serve, nobody has to know: the caller
gets no MultiBuffer, or None for a key, and signs one at a time.
"""

import ctypes
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

LANES: Final = 8
LEAST: Final = {2048: 4, 3072: 7, 4096: 5}
"""By size of key: one lane costs as much as eight, which cost what three signatures of 2048 bits do one by one."""
_NAMES: Final = {2048: "2K", 3072: "3K", 4096: "4K"}
_PUBLIC: Final = 65537
_ALGORITHM: Final = {2048: 1, 3072: 2, 4096: 3}  # enum MBX_ALGO
# RFC 8017 section 9.2: EMSA-PKCS1-v1_5 with the DER prefix of a SHA-256 digest.
_DIGEST_INFO: Final = bytes.fromhex("3031300d060960864801650304020105000420")
_Eight = ctypes.c_void_p * LANES


def padded(digest: bytes, bits: int) -> bytes:
    """Return the block that an RSA key of so many bits signs for a SHA-256 digest (RFC 8017 section 9.2)."""
    tail = _DIGEST_INFO + digest
    return b"\x00\x01" + b"\xff" * (bits // 8 - 3 - len(tail)) + b"\x00" + tail


class Parts:
    """A private key as the library reads it: little-endian numbers in memory of their own."""

    __slots__ = ("_kept", "bits", "modulus", "private")

    def __init__(self, key: RSAPrivateKey) -> None:
        numbers = key.private_numbers()
        self.bits = key.key_size
        half = (numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
        self._kept = [_number(one, self.bits // 2) for one in half]
        self._kept.append(_number(numbers.public_numbers.n, self.bits))
        *self.private, self.modulus = (ctypes.addressof(one) for one in self._kept)

    def __repr__(self) -> str:
        return f"<Parts of an RSA key of {self.bits} bits>"


def _number(value: int, bits: int) -> ctypes.Array[ctypes.c_uint8]:
    return (ctypes.c_uint8 * (bits // 8)).from_buffer_copy(value.to_bytes(bits // 8, "little"))


def parts_of(key: RSAPrivateKey) -> Parts | None:
    """Return a key's parts; None for one that eight lanes can't serve (its size, its exponent, its uneven primes)."""
    if key.key_size not in _NAMES:
        return None
    numbers = key.private_numbers()
    halves = {numbers.p.bit_length(), numbers.q.bit_length()}
    if numbers.public_numbers.e != _PUBLIC or halves != {key.key_size // 2}:
        return None
    return Parts(key)


class MultiBuffer:
    """The library, loaded (mta.workers.library). For one thread: its lanes are used again by the next call."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._private = library.mbx_rsa_private_crt_mb8
        self._public = library.mbx_rsa_public_mb8
        self._methods: dict[int, tuple[ctypes.c_void_p, ctypes.c_void_p]] = {}
        most = 0
        for bits, name in _NAMES.items():
            info = library.mbx_get_algo_info
            info.restype = ctypes.c_uint64
            if not info(_ALGORITHM[bits]) & LANES:
                continue
            pair = []
            for kind in ("private_crt", "pub65537"):
                method = library[f"mbx_RSA{name}_{kind}_Method"]
                method.restype = ctypes.c_void_p
                pair.append(ctypes.c_void_p(method()))
                most = max(most, library.mbx_RSA_Method_BufSize(pair[-1]))
            self._methods[bits] = (pair[0], pair[1])
        widest = max(_NAMES) // 8
        self._scratch = (ctypes.c_uint8 * most)()
        self._blocks = [(ctypes.c_uint8 * widest)() for _ in range(LANES)]
        self._signed = [(ctypes.c_uint8 * widest)() for _ in range(LANES)]
        self._proof = [(ctypes.c_uint8 * widest)() for _ in range(LANES)]
        self._at = [_Eight(*map(ctypes.addressof, one)) for one in (self._blocks, self._signed, self._proof)]

    def __repr__(self) -> str:
        return f"<MultiBuffer {', '.join(map(str, self._methods))} bits>"

    def serves(self, bits: int) -> bool:
        """Whether keys of this size can be used."""
        return bits in self._methods

    def sign(self, digests: Sequence[bytes], keys: Sequence[Parts]) -> list[bytes | None]:
        """Return an RSASSA-PKCS1-v1_5 signature (RFC 8017 section 8.2) of each SHA-256 digest by its key.

        One to eight of them, all keys of one size. Each signature is verified before it is returned, since one with a
        fault in half of its arithmetic gives the key away (Boneh, DeMillo, Lipton 1997); None stands for one that did
        not verify. Raises ValueError for another number or sizes that differ.
        """
        count, bits = len(digests), keys[0].bits
        if not 0 < count <= LANES or len(keys) != count or any(key.bits != bits for key in keys):
            raise ValueError(
                f"{count} digests and {len(keys)} keys: 1 to {LANES} of each, of one size of key"
            )
        private, public = self._methods[bits]
        size = bits // 8
        blocks = [padded(digest, bits) for digest in digests]
        for lane, block in enumerate(blocks):
            ctypes.memmove(self._blocks[lane], block, size)
        # Lanes that are not needed work on what lies there, by the first key: the call costs the same.
        lanes = [*keys, *[keys[0]] * (LANES - count)]
        for lane in range(count, LANES):
            ctypes.memmove(self._blocks[lane], blocks[0], size)
        source, signed, proof = self._at
        self._private(
            source, signed, *(_Eight(*[key.private[part] for key in lanes]) for part in range(5)),
            bits, private, self._scratch,
        )  # fmt: skip
        modulus = _Eight(*[key.modulus for key in lanes])
        self._public(signed, proof, modulus, bits, public, self._scratch)
        return [
            ctypes.string_at(self._signed[lane], size)
            if ctypes.string_at(self._proof[lane], size) == block
            else None
            for lane, block in enumerate(blocks)
        ]
