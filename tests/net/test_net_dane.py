"""TLSA records against chains of real certificates (RFC 7672 section 3), and hostile ones of both."""

from datetime import timedelta
from hashlib import sha256, sha512

import pytest
from authority import NOW, Made, make
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.policy.certificate import BadCertificate, dns_names, public_key_info
from mta.policy.dane import UNREADABLE, Tlsa, parse, usable, vouched

MX = "mx.d.test"
ROOT = make("root", signs=True)
BETWEEN = make("between", ROOT, signs=True)
LEAF = make("leaf", BETWEEN, names=[MX])
CHAIN = [LEAF.der, BETWEEN.der, ROOT.der]


def tlsa(usage: int, selector: int, matching: int, made: Made) -> Tlsa:
    data = made.spki if selector else made.der
    digest = {1: sha256, 2: sha512}.get(matching)
    return Tlsa(usage, selector, matching, digest(data).digest() if digest else data)


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_the_servers_own_certificate_or_key(selector: int, matching: int) -> None:
    record = tlsa(3, selector, matching, LEAF)
    assert record.usable
    assert vouched([record], CHAIN, [MX], NOW) == ""
    assert vouched([record], [make("other").der], [MX], NOW) == "validation-failure"


def test_with_usage_3_neither_name_nor_date_nor_signature_counts() -> None:
    old = make("old", ends=timedelta(days=-1), names=["elsewhere.test"])
    assert vouched([tlsa(3, 1, 1, old)], [old.der], [MX], NOW) == ""


def test_usage_3_looks_at_the_servers_own_certificate_alone() -> None:
    assert vouched([tlsa(3, 1, 1, BETWEEN)], CHAIN, [MX], NOW) == "validation-failure"


@pytest.mark.parametrize("anchor", [ROOT, BETWEEN])
@pytest.mark.parametrize("selector", [0, 1])
def test_an_anchor_that_the_server_sends_along(anchor: Made, selector: int) -> None:
    assert vouched([tlsa(2, selector, 1, anchor)], CHAIN, [MX], NOW) == ""


def test_a_whole_anchor_in_the_dns_need_not_be_sent() -> None:
    assert vouched([tlsa(2, 0, 0, ROOT)], [LEAF.der, BETWEEN.der], [MX], NOW) == ""
    assert vouched([tlsa(2, 0, 1, ROOT)], [LEAF.der, BETWEEN.der], [MX], NOW) == "validation-failure"


def test_below_an_anchor_the_name_counts() -> None:
    record = tlsa(2, 0, 1, ROOT)
    assert vouched([record], CHAIN, ["other.test"], NOW) == "certificate-host-mismatch"
    assert vouched([record], CHAIN, ["other.test", MX], NOW) == ""
    wild = make("wild", ROOT, names=["*.d.test"])
    assert vouched([record], [wild.der, ROOT.der], [MX], NOW) == ""
    assert vouched([record], [wild.der, ROOT.der], ["a.b.d.test"], NOW) == "certificate-host-mismatch"


def test_below_an_anchor_date_and_signature_count() -> None:
    record = tlsa(2, 0, 1, ROOT)
    old = make("old", ROOT, names=[MX], ends=timedelta(hours=-1))
    early = make("early", ROOT, names=[MX], begins=timedelta(hours=1))
    twin = make("root", signs=True)
    forged = make("forged", twin, names=[MX])
    for leaf in (old, early, forged):
        assert vouched([record], [leaf.der, ROOT.der], [MX], NOW) == "certificate-not-trusted"


def test_who_may_not_sign_is_no_link_and_no_anchor() -> None:
    plain = make("plain", ROOT, names=["plain.test"])
    below = make("below", plain, names=[MX])
    for anchor in (ROOT, plain):
        chain = [below.der, plain.der, ROOT.der]
        assert vouched([tlsa(2, 0, 1, anchor)], chain, [MX], NOW) == "certificate-not-trusted"


def test_a_server_is_not_its_own_anchor() -> None:
    alone = make("alone", names=[MX], signs=True)
    assert vouched([tlsa(2, 0, 1, alone)], [alone.der], [MX], NOW) == "validation-failure"


def test_one_record_that_fits_is_enough() -> None:
    others = [tlsa(3, 1, 1, make("old")), tlsa(2, 0, 1, make("older", signs=True))]
    assert vouched([*others, tlsa(3, 1, 1, LEAF)], CHAIN, [MX], NOW) == ""
    assert vouched([], CHAIN, [MX], NOW) == "validation-failure"
    assert vouched([tlsa(3, 1, 1, LEAF)], [], [MX], NOW) == "validation-failure"


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("3 1 1 " + "00" * 32, True), ("2 0 2 " + "00" * 64, True), ("3 0 0 00", True),
        ("", False), ("3", False), ("3 1", False), ("3 1 1", False), ("3 1 1 ", False), ("3 1 1 00", False),
        ("3 1 1 " + "00" * 33, False), ("3 1 1 zz", False), ("3 1 2 " + "00" * 32, False),
        ("0 1 1 " + "00" * 32, False), ("1 1 1 " + "00" * 32, False), ("4 1 1 " + "00" * 32, False),
        ("3 2 1 " + "00" * 32, False), ("3 1 3 " + "00" * 32, False), ("3 1 0 ", False), ("255 255 255 ", False),
    ],
)  # fmt: skip
def test_which_records_are_usable(text: str, good: bool) -> None:
    assert parse(text).usable is good


def test_anchors_are_left_out_where_the_chain_cannot_be_had() -> None:
    two, three = tlsa(2, 0, 1, ROOT), tlsa(3, 1, 1, LEAF)
    assert usable([two, three, UNREADABLE]) == (two, three)
    assert usable([two, three], anchors=False) == (three,)


def test_a_record_is_written_as_it_is_read() -> None:
    record = tlsa(3, 1, 1, LEAF)
    assert parse(str(record)) == record


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["ec", "ed25519", "rsa"],
)
def test_the_key_is_cut_out_of_the_certificate_whole(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey,
) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    hashed = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(2**150)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, hashed)
    )
    expected = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert public_key_info(certificate.public_bytes(Encoding.DER)) == expected
    assert dns_names(certificate.public_bytes(Encoding.DER)) == ()


def test_names_of_a_certificate() -> None:
    assert dns_names(make("cn.test", names=["a.test", "*.b.test"]).der) == ("a.test", "*.b.test")
    assert dns_names(b"rubbish") == ()


@settings(max_examples=200, deadline=None)
@given(cut=st.integers(0, len(LEAF.der)), at=st.integers(0, len(LEAF.der) - 1), byte=st.integers(0, 255))
def test_damaged_certificates_vouch_for_nobody(cut: int, at: int, byte: int) -> None:
    damaged = bytearray(LEAF.der)
    damaged[at] = byte
    der = bytes(damaged[:cut])
    try:
        info = public_key_info(der)
        assert info in der
    except BadCertificate:
        pass
    if der != LEAF.der:
        assert vouched([tlsa(3, 0, 1, LEAF), tlsa(2, 0, 1, ROOT)], [der, *CHAIN[1:]], [MX], NOW)
