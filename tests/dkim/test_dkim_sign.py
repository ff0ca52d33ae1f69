"""Signatures: vectors of RFC 8463, dkimpy as the verifier, and one changed octet anywhere."""

import base64
import re
from hashlib import sha256

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.dkim.canonical import relaxed_body, relaxed_field, simple_body
from mta.dkim.generate import generate
from mta.dkim.key import Signer, load
from mta.dkim.record import dns_record
from mta.dkim.selection import MAX_CACHED_FIELD, OVERSIGNED, select
from mta.dkim.sign import sign_all

RSA = load("example.com", "r1", generate("rsa"))
ED = load("example.com", "e1", generate("ed25519"))
BOTH = [RSA, ED]
T = 1_700_000_000

FIELDS = [
    b"From: Anna <anna@example.com>\r\n",
    b"To: bob@example.org\r\n",
    b"Subject: two\r\n words\r\n",
    b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
    b"Message-ID: <1@example.com>\r\n",
    b"MIME-Version: 1.0\r\n",
    b"Content-Type: text/plain; charset=utf-8\r\n",
    b"X-Other: not signed\r\n",
]
BODY = b"Hello\r\n.\r\n  there \r\n"


def body_hash(body: bytes) -> bytes:
    return sha256(simple_body(body)).digest()


def verified(message: bytes, count: int = 1) -> bool:
    def dns(name: bytes, timeout: int = 5) -> bytes:
        return dns_record(ED if name.startswith(b"e1.") else RSA).encode()

    checker = dkim.DKIM(message)
    try:
        return all(checker.verify(at, dnsfunc=dns) for at in range(count))
    except dkim.ValidationError:  # how dkimpy says that the body hash differs
        return False


@pytest.mark.parametrize("signer", BOTH, ids=["rsa", "ed25519"])
def test_dkimpy_verifies(signer: Signer) -> None:
    field = signer.sign(FIELDS, body_hash(BODY), T, T + 10**9)
    assert verified(field + b"".join(FIELDS) + b"\r\n" + BODY)


def test_two_signers_each_verify_and_keep_their_order() -> None:
    signatures = sign_all(FIELDS, body_hash(BODY), BOTH, T)
    assert [b"a=rsa-sha256" in signatures[0], b"a=ed25519-sha256" in signatures[1]] == [True, True]
    assert verified(b"".join(signatures) + b"".join(FIELDS) + b"\r\n" + BODY, count=2)
    assert sign_all(FIELDS, body_hash(BODY), [], T) == []


def test_the_field_is_folded_and_says_no_more_than_it_should() -> None:
    field = RSA.sign(FIELDS, body_hash(BODY), T, T + 60)
    assert field.endswith(b"\r\n")
    lines = field[:-2].split(b"\r\n")
    assert all(len(line) <= 78 for line in lines)
    assert all(line.startswith(b" ") for line in lines[1:])
    tags = [tag.split(b"=")[0].strip() for tag in field.partition(b":")[2].split(b";")]
    assert tags == [b"v", b"a", b"c", b"d", b"s", b"t", b"x", b"h", b"bh", b"b"]
    assert b"t=%d; x=%d;" % (T, T + 60) in field


def test_identity_is_written_and_verifies() -> None:
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signer = load("example.com", "x", key, "news@mail.example.com")
    message = signer.sign(FIELDS, body_hash(BODY), T) + b"".join(FIELDS) + b"\r\n" + BODY
    assert b" i=news@mail.example.com;" in message
    assert dkim.verify(message, dnsfunc=lambda name, timeout=5: dns_record(signer).encode())


def test_long_domains_are_folded_too() -> None:
    domain = ".".join(["a" * 60] * 3 + ["example"])
    signer = load(domain, "s" * 50, generate("ed25519"))
    field = signer.sign(FIELDS, body_hash(BODY), T)
    message = field + b"".join(FIELDS) + b"\r\n" + BODY
    assert dkim.verify(message, dnsfunc=lambda name, timeout=5: dns_record(signer).encode())
    assert sum(len(line) > 78 for line in field.split(b"\r\n")) == 1  # d= alone is longer than a line


def test_present_and_absent_fields_are_oversigned() -> None:
    fields = [*FIELDS, b"From: second@example.com\r\n", b"Sender: s@example.com\r\n"]
    names = select(fields).names.replace(b"\r\n ", b"").removeprefix(b"h=").split(b":")
    assert names.count(b"from") == 3
    assert names.count(b"subject") == 2
    assert names.count(b"reply-to") == 1
    assert names.count(b"sender") == 1
    assert b"x-other" not in names
    assert all(name in names for name in OVERSIGNED)


@pytest.mark.parametrize("name", [b"From", b"Subject", b"Reply-To", b"Content-Type", b"List-Unsubscribe"])
def test_an_added_field_breaks_the_signature(name: bytes) -> None:
    message = RSA.sign(FIELDS, body_hash(BODY), T) + b"".join(FIELDS) + b"\r\n" + BODY
    assert verified(message)
    assert not verified(name + b": evil@example.net\r\n" + message)


def test_repeated_fields_are_signed_bottom_up() -> None:
    fields = [b"From: a@example.com\r\n", b"List-Help: 1\r\n", b"List-Help: 2\r\n"]
    assert select(fields).data == b"from:a@example.com\r\nlist-help:2\r\nlist-help:1\r\n"
    message = ED.sign(fields, body_hash(b""), T) + b"".join(fields) + b"\r\n\r\n"
    assert verified(message)
    assert not verified(message.replace(b"Help: 1", b"Help: 3"))


def test_fields_too_long_for_the_cache_are_signed_alike() -> None:
    fields = [*FIELDS[:-1], b"References: " + b"<a@b>\r\n " * MAX_CACHED_FIELD + b"<c@d>\r\n"]
    message = ED.sign(fields, body_hash(BODY), T) + b"".join(fields) + b"\r\n" + BODY
    assert verified(message)
    assert not verified(message.replace(b"<c@d>", b"<c@e>"))


HEADER = st.sampled_from(
    [b"Subject", b"To", b"cc", b"X-Any", b"LIST-ID", b"References", b"Date", b"Reply-To"]
)
VALUE = st.lists(
    st.sampled_from([b"a", b"b;", b" ", b"\t", b"=20", b"\r\n x", b"\xc3\xa9", b":", b"b=", b'"q"']),
    max_size=12,
).map(lambda parts: b"x" + b"".join(parts))
LINES = st.lists(st.sampled_from([b"", b" ", b"a b ", b".", b"..", b"\t", b"text", b"=3D"]), max_size=8)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(HEADER, VALUE), max_size=10), LINES, st.sampled_from(BOTH))
def test_any_headers_and_bodies_verify(
    pairs: list[tuple[bytes, bytes]], lines: list[bytes], signer: Signer
) -> None:
    fields = [b"From: a@example.com\r\n", *(name + b": " + value + b"\r\n" for name, value in pairs)]
    body = b"".join(line + b"\r\n" for line in lines)
    assert verified(signer.sign(fields, body_hash(body), T) + b"".join(fields) + b"\r\n" + body)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(FIELDS) - 2), st.data(), st.sampled_from(BOTH))
def test_a_flipped_octet_in_a_signed_field_fails(at: int, data: st.DataObject, signer: Signer) -> None:
    field = FIELDS[at]
    places = [place for place in range(field.index(b":") + 1, len(field)) if field[place] not in b" \r\n"]
    flipped = bytearray(field)
    flipped[data.draw(st.sampled_from(places))] ^= 1
    fields = [*FIELDS[:at], bytes(flipped), *FIELDS[at + 1 :]]
    assert not verified(signer.sign(FIELDS, body_hash(BODY), T) + b"".join(fields) + b"\r\n" + BODY)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(BODY) - 1), st.integers(0, 7))
def test_a_flipped_bit_in_the_body_fails(place: int, bit: int) -> None:
    flipped = bytearray(BODY)
    flipped[place] ^= 1 << bit
    head = ED.sign(FIELDS, body_hash(BODY), T) + b"".join(FIELDS) + b"\r\n"
    assert not verified(head + bytes(flipped))


def test_an_unsigned_field_may_change() -> None:
    message = RSA.sign(FIELDS, body_hash(BODY), T) + b"".join(FIELDS) + b"\r\n" + BODY
    assert verified(message.replace(b"not signed", b"changed"))


def test_refusals() -> None:
    with pytest.raises(ValueError, match="From"):
        RSA.sign(FIELDS[1:], body_hash(BODY), T)
    with pytest.raises(ValueError, match="32 octets"):
        RSA.sign(FIELDS, b"short", T)
    with pytest.raises(ValueError, match="expiry"):
        RSA.sign(FIELDS, body_hash(BODY), T, T)


# RFC 8463 appendix A: the message, its keys and both signatures.
RFC_FIELDS = [
    b"From: Joe SixPack <joe@football.example.com>\r\n",
    b"To: Suzie Q <suzie@shopping.example.net>\r\n",
    b"Subject: Is dinner ready?\r\n",
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n",
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n",
]
RFC_BODY = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
RFC_BH = b"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
RFC_SEED = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
RFC_ED_PUBLIC = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
RFC_ED = (
    b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    b" subject : date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    b" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
    b" Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
)
RFC_RSA = (
    b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
    b" date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    b" b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
    b" DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
    b" dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"
)
RFC_RSA_PUBLIC = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y"
    "3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)


def rfc_header_data(signature: bytes) -> tuple[bytes, bytes]:
    """The data that the RFC's signatures cover, by our canonical forms, and the signature itself."""
    bare, value = re.split(rb"(?<=;\r\n b=)", signature)
    signed = b"".join(relaxed_field(field)[1] for field in RFC_FIELDS)
    # No CRLF after the signature field, and its b= is empty (section 3.7).
    data = signed[: signed.index(b"from:")] + signed + relaxed_field(bare + b"\r\n")[1][:-2]
    return data, base64.b64decode(value.replace(b"\r\n", b""))


def test_rfc_8463_body_hash() -> None:
    assert base64.b64encode(sha256(relaxed_body(RFC_BODY)).digest()) == RFC_BH


def test_rfc_8463_ed25519_vector_comes_out_octet_for_octet() -> None:
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(RFC_SEED))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signer = load("football.example.com", "brisbane", pem)
    data, expected = rfc_header_data(RFC_ED)
    assert signer.raw(data) == expected
    assert dns_record(signer) == f"v=DKIM1; k=ed25519; p={RFC_ED_PUBLIC}"


def test_rfc_8463_rsa_vector_covers_the_same_octets() -> None:
    data, signature = rfc_header_data(RFC_RSA)
    key = load_der_public_key(base64.b64decode(RFC_RSA_PUBLIC))
    assert isinstance(key, RSAPublicKey)
    key.verify(signature, data, padding.PKCS1v15(), SHA256())  # raises if they differ
