"""Keys: what is refused, and that no error or repr shows a key."""

import base64
import traceback

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)

from mta.dkim.generate import generate
from mta.dkim.key import KeyFault, Signer, load
from mta.dkim.record import dns_name, dns_record, txt_strings

ED_PEM = generate("ed25519")


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def fault(domain: str, selector: str, text: bytes, identity: str = "") -> str:
    with pytest.raises(KeyFault) as caught:
        load(domain, selector, text, identity)
    told = "".join(traceback.format_exception(caught.value))
    for line in text.splitlines():
        if len(line) > 20 and not line.startswith(b"-----"):
            assert line.decode() not in told
    return str(caught.value)


def test_short_rsa_is_refused_with_domain_selector_and_cure() -> None:
    said = fault("example.com", "old", pem(rsa.generate_private_key(65537, 1024)))
    assert "'example.com'" in said
    assert "'old'" in said
    assert "1024 bits; use 2048" in said


def test_other_kinds_are_refused() -> None:
    assert "use RSA or Ed25519" in fault("example.com", "s", pem(ec.generate_private_key(ec.SECP256R1())))
    assert "use RSA or Ed25519" in fault("example.com", "s", pem(x25519.X25519PrivateKey.generate()))


@pytest.mark.parametrize(
    "text",
    [b"", b"hello", ED_PEM[:60], ED_PEM.replace(b"M", b"!", 1), b"\0" * 100],
    ids=["empty", "words", "cut", "damaged", "zeros"],
)
def test_what_is_no_pem_is_refused(text: bytes) -> None:
    assert "no PEM private key" in fault("example.com", "s", text)


def test_a_passphrase_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    assert "without a passphrase" in fault("example.com", "s", text)


@pytest.mark.parametrize("domain", ["", "-a.com", "a b.com", "a.com\r\nX: y", "a;d=b.com"])
def test_domains_are_checked(domain: str) -> None:
    assert "domain" in fault(domain, "s", ED_PEM)


@pytest.mark.parametrize("selector", ["", "a;b", "a b", "a..b", "-a", "a\r\n", "s_1", "ä"])
def test_selectors_are_checked(selector: str) -> None:
    assert "selector is made of" in fault("example.com", selector, ED_PEM)


@pytest.mark.parametrize(
    "identity", ["@example.org", "@notexample.com", "a b@example.com", "@example.com\r\n"]
)
def test_identities_are_checked(identity: str) -> None:
    assert "identity" in fault("example.com", "s", ED_PEM, identity)


def test_the_domain_becomes_an_a_label() -> None:
    signer = load("Bücher.Example", "s1.eu", ED_PEM)
    assert signer.domain == "xn--bcher-kva.example"
    assert dns_name(signer) == "s1.eu._domainkey.xn--bcher-kva.example"


def test_repr_names_the_key_and_hides_it() -> None:
    signer = load("example.com", "s", ED_PEM)
    assert repr(signer) == "Signer(s._domainkey.example.com, ed25519-sha256)"


def test_generate_makes_what_load_takes_and_nothing_else() -> None:
    signer = load("example.com", "s", generate("rsa", 3072))
    assert isinstance(signer, Signer)
    assert signer.algorithm == "rsa-sha256"
    with pytest.raises(ValueError, match="2048 to 8192"):
        generate("rsa", 1024)


def test_record_and_its_strings() -> None:
    record = dns_record(load("example.com", "s", generate("rsa")))
    head, _, p = record.partition("; p=")
    assert head == "v=DKIM1; k=rsa"
    assert isinstance(load_der_public_key(base64.b64decode(p)), rsa.RSAPublicKey)
    strings = txt_strings(record)
    assert [len(strings[0]), "".join(strings)] == [255, record]
    assert txt_strings("v=DKIM1") == ["v=DKIM1"]


def test_an_rsa_key_whose_parts_do_not_fit_is_refused() -> None:
    good = rsa.generate_private_key(65537, 2048).private_numbers()
    bad = rsa.RSAPrivateNumbers(
        good.p, good.q, good.d ^ 2, good.dmp1 ^ 2, good.dmq1, good.iqmp, good.public_numbers
    )
    with pytest.raises(KeyFault, match="do not fit"):
        load("shop.example", "s1", pem(bad.private_key(unsafe_skip_rsa_key_validation=True)))
