"""Canonical forms on random input: ours and dkimpy's, octet for octet, and the hashes RFC 6376 prints.

`DKIM_INPUTS` says how many; the suite makes a few hundred, the evidence 10,000.
"""

import base64
import os
import random
from hashlib import sha256

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from dkim import canonicalization

from mta.dkim.canonical import relaxed_body, relaxed_field, simple_body, simple_field
from mta.dkim.generate import generate
from mta.dkim.key import load
from mta.dkim.record import dns_record
from mta.dkim.sign import sign_all

COUNT = int(os.environ.get("DKIM_INPUTS", "400"))
SEED = int(os.environ.get("PYTEST_SEED", "1"))
SIGNER = load("acme.example", "s1", generate("ed25519"))

LINES = (
    b"",
    b" ",
    b"\t",
    b"  \t ",
    b"a",
    b"a  b",
    b" a ",
    b"a\t\tb\t",
    b".",
    b"..",
    b"From x",
    b"=20",
    b"\xc3\xa9 ",
    b"x" * 70,
)
VALUES = (
    b"a",
    b"B c",
    b" ",
    b"  ",
    b"\t",
    b"\r\n ",
    b"\r\n\t",
    b" \r\n  ",
    b"\xc3\xa9",
    b"=?utf-8?Q?x?=",
    b";",
    b":",
    b'"q"',
    b"<a@b>",
)
NAMES = (
    b"Subject",
    b"To",
    b"cc",
    b"X-Any",
    b"LIST-ID",
    b"References",
    b"Date",
    b"Reply-To",
    b"List-Unsubscribe",
)

# RFC 6376: the message of appendix A.1, the signature of A.2 and the public key of C.3.
SIGNED = b"""DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=;"""
SIGNATURE = (
    "AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut"
    "KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV4bmp/YzhwvcubU4="
)
PUBLIC = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq"
    "631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
)
HEADER = (
    b"Received: from client1.football.example.com  [192.0.2.1]\r\n"
    b"      by submitserver.example.com with SUBMISSION;\r\n"
    b"      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n",
    b"From: Joe SixPack <joe@football.example.com>\r\n",
    b"To: Suzie Q <suzie@shopping.example.net>\r\n",
    b"Subject: Is dinner ready?\r\n",
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n",
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n",
)
DINNER = b"Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n"


def digest(data: bytes) -> str:
    return base64.b64encode(sha256(data).digest()).decode()


def body(chance: random.Random) -> bytes:
    lines = b"".join(chance.choice(LINES) + b"\r\n" for _ in range(chance.randint(0, 12)))
    return lines + b"\r\n" * chance.choice((0, 0, 1, 5))


def field(chance: random.Random) -> tuple[bytes, bytes]:
    name = chance.choice(NAMES) + chance.choice((b"", b"", b"", b" ", b"\t "))
    value = b"x" + b"".join(chance.choice(VALUES) for _ in range(chance.randint(0, 8)))
    return name, chance.choice((b" ", b"", b"  ", b"\t")) + value.replace(b"\r\n \r\n", b"\r\n ")


def test_rfc_6376_prints_these_body_hashes() -> None:
    assert digest(simple_body(DINNER)) == "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    assert digest(relaxed_body(DINNER)) == "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    # Section 3.4.3 and 3.4.4: an empty body.
    assert digest(simple_body(b"")) == "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="
    assert digest(relaxed_body(b"")) == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def test_rfc_6376_signature_covers_what_our_simple_form_gives() -> None:
    data = b"".join(map(simple_field, HEADER)) + simple_field(SIGNED.replace(b"\n", b"\r\n"))
    key = load_der_public_key(base64.b64decode(PUBLIC))
    assert isinstance(key, RSAPublicKey)
    key.verify(base64.b64decode(SIGNATURE), data, padding.PKCS1v15(), SHA256())  # raises if they differ
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(SIGNATURE), data.replace(b"  [", b" ["), padding.PKCS1v15(), SHA256())


def test_random_bodies_come_out_as_dkimpys() -> None:
    chance = random.Random(SEED)
    for _ in range(COUNT):
        one = body(chance)
        assert simple_body(one) == canonicalization.Simple.canonicalize_body(one), one
        assert relaxed_body(one) == canonicalization.Relaxed.canonicalize_body(one), one


def test_random_fields_come_out_as_dkimpys() -> None:
    chance = random.Random(SEED)
    for _ in range(COUNT):
        name, value = field(chance)
        ((their_name, theirs),) = canonicalization.Relaxed.canonicalize_headers([(name, value + b"\r\n")])
        whole = name + b":" + value + b"\r\n"
        assert relaxed_field(whole) == (their_name, their_name + b":" + theirs), whole
        assert simple_field(whole) == whole


def test_random_messages_verify_in_dkimpy() -> None:
    chance = random.Random(SEED)
    record = dns_record(SIGNER).encode()
    for number in range(COUNT // 2):
        fields = [b"From: a@acme.example\r\n"]
        drawn = [field(chance) for _ in range(chance.randint(0, 8))]
        # dkimpy takes a name with a blank behind it for the end of the header.
        fields += [b"%b:%b\r\n" % (name.rstrip(), value) for name, value in drawn]
        chance.shuffle(fields)
        text = body(chance)
        signatures = sign_all(
            fields, sha256(simple_body(text)).digest(), [SIGNER], 1_700_000_000 + number, None
        )
        message = b"".join([*signatures, *fields, b"\r\n", text])
        assert dkim.verify(message, dnsfunc=lambda name, timeout=5: record), message


@pytest.mark.parametrize("ends", [b"", b"\r\n", b" ", b" \r\n", b"\t\r\n\r\n \r\n"])
def test_ends_of_bodies_come_out_as_dkimpys_whatever_is_there(ends: bytes) -> None:
    for start in (b"", b"a", b"a\r\n", b" a\r\n\r\nb"):
        one = start + ends
        if one and not one.endswith(b"\r\n"):
            one += b"\r\n"
        assert simple_body(one) == canonicalization.Simple.canonicalize_body(one), one
        assert relaxed_body(one) == canonicalization.Relaxed.canonicalize_body(one), one
