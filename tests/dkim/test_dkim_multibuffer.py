"""Signatures of several messages at once: octet for octet those that are made one by one."""

import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mta.dkim.generate import generate
from mta.dkim.key import Signer, load
from mta.dkim.multibuffer import LANES, LEAST, MultiBuffer, Parts, padded, parts_of
from mta.dkim.selection import select
from mta.dkim.sign import sign_all
from mta.dkim.together import Unsigned, sign_together
from mta.workers.library import load as load_library

T, X = 1_700_000_000, 1_700_604_800
LIBRARY = load_library(Path(sys.prefix, "lib"))
KEYS = {bits: rsa.generate_private_key(65537, bits) for bits in (2048, 3072)}
RSA = Signer("example.com", "r1", KEYS[2048])
OTHER = Signer("example.net", "r2", rsa.generate_private_key(65537, 2048))
LONGER = Signer("example.com", "r3", KEYS[3072])
ED = load("example.com", "e1", generate("ed25519"))

needs_lanes = pytest.mark.skipif(
    LIBRARY is None, reason="needs the extra multibuffer and a processor with AVX-512 IFMA"
)


class Plain:
    """What the library does, with arithmetic of Python's: for any machine. `faulty` lanes do not verify."""

    def __init__(
        self, *keys: RSAPrivateKey, sizes: Sequence[int] = (2048,), faulty: Sequence[int] = ()
    ) -> None:
        self.sizes, self.faulty = sizes, faulty
        self.numbers = {key.private_numbers().public_numbers.n: key.private_numbers() for key in keys}
        self.calls: list[int] = []

    def serves(self, bits: int) -> bool:
        return bits in self.sizes

    def sign(self, digests: Sequence[bytes], keys: Sequence[Parts]) -> list[bytes | None]:
        assert len({key.bits for key in keys}) == 1
        assert len(digests) == len(keys) <= LANES
        self.calls.append(len(digests))
        found: list[bytes | None] = []
        for lane, (digest, parts) in enumerate(zip(digests, keys, strict=True)):
            numbers = self.numbers[int.from_bytes(bytes(parts._kept[5]), "little")]
            block = int.from_bytes(padded(digest, parts.bits), "big")
            signature = pow(block, numbers.d, numbers.public_numbers.n).to_bytes(parts.bits // 8, "big")
            found.append(None if lane in self.faulty else signature)
        return found


def messages(count: int, signers: Sequence[Signer]) -> list[tuple[list[bytes], Unsigned]]:
    made = []
    for number in range(count):
        fields = [b"From: a@example.com\r\n", b"To: u%d@example.org\r\n" % number, b"Subject: Hello\r\n"]
        made.append((fields, Unsigned(select(fields), sha256(b"%d" % number).digest(), signers)))
    return made


def held(count: int, signers: Sequence[Signer], multibuffer: object) -> None:
    given = messages(count, signers)
    found = sign_together([one for _, one in given], T, X, multibuffer)  # type: ignore[arg-type]
    assert found == [sign_all(fields, one.body_hash, signers, T, X) for fields, one in given]


@pytest.mark.parametrize("count", [*range(1, 10), 16, 19])
def test_fewer_than_are_worth_a_call_are_signed_one_by_one(count: int) -> None:
    plain = Plain(KEYS[2048])
    held(count, [RSA], plain)
    rest = count % LANES
    assert plain.calls == [LANES] * (count // LANES) + [rest] * (rest >= LEAST[2048])


@pytest.mark.parametrize("signers", [[RSA, ED], [ED], [RSA, LONGER, ED], []], ids=str)
def test_each_message_has_its_signatures_in_their_order(signers: list[Signer]) -> None:
    plain = Plain(*KEYS.values(), sizes=(2048, 3072))
    held(8, signers, plain)
    assert plain.calls == [8] * sum(signer in (RSA, LONGER) for signer in signers)


def test_what_did_not_verify_is_signed_again_alone() -> None:
    held(8, [RSA], Plain(KEYS[2048], faulty=[0, 5]))


def test_without_a_library_nothing_changes() -> None:
    held(9, [RSA, ED], None)


def test_keys_that_eight_lanes_can_not_serve() -> None:
    assert parts_of(rsa.generate_private_key(3, 2048)) is None
    assert ED.parts() is None
    assert RSA.parts() is RSA.parts()
    assert "Parts of an RSA key of 2048 bits" in repr(RSA.parts())


def test_where_it_is_not_installed_there_is_none(tmp_path: Path) -> None:
    assert load_library(tmp_path) is None
    (tmp_path / "libintlc.so.5").write_bytes(b"no library")
    assert load_library(tmp_path) is None


@needs_lanes
@pytest.mark.parametrize("signers", [[RSA], [RSA, ED], [RSA, OTHER, LONGER]], ids=str)
@pytest.mark.parametrize("count", [4, 7, 8, 9, 16])
def test_the_library_makes_the_same_octets(signers: list[Signer], count: int) -> None:
    held(count, signers, LIBRARY)


@needs_lanes
def test_keys_may_differ_from_lane_to_lane() -> None:
    assert LIBRARY is not None
    digests = [sha256(b"%d" % number).digest() for number in range(LANES)]
    signers = [RSA, OTHER] * (LANES // 2)
    parts = [one for signer in signers if (one := signer.parts())]
    for number, signature in enumerate(LIBRARY.sign(digests, parts)):
        assert signature == signers[number].raw(b"%d" % number)


@needs_lanes
def test_a_fault_in_the_arithmetic_lets_no_signature_out() -> None:
    """With one half of it wrong, a signature and its message would give the factors away."""
    assert LIBRARY is not None
    broken, whole = Parts(KEYS[2048]), Parts(KEYS[2048])
    broken._kept[2][7] ^= 1
    digests = [sha256(b"%d" % number).digest() for number in range(4)]
    found = LIBRARY.sign(digests, [whole, broken, whole, whole])
    assert [one is None for one in found] == [False, True, False, False]


@needs_lanes
def test_the_library_refuses_what_has_no_lane() -> None:
    assert isinstance(LIBRARY, MultiBuffer)
    parts = Parts(KEYS[2048])
    with pytest.raises(ValueError, match="1 to 8"):
        LIBRARY.sign([bytes(32)] * 9, [parts] * 9)
    with pytest.raises(ValueError, match="one size"):
        LIBRARY.sign([bytes(32)] * 2, [parts, Parts(KEYS[3072])])
