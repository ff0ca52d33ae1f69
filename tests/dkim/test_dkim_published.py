"""Published records against keys: what verifies, and each way in which it would not."""

import pytest

from mta.dkim.generate import generate
from mta.dkim.key import load
from mta.dkim.published import MAX_RECORD, faults, is_trial, tags
from mta.dkim.record import dns_record

PEM = generate("rsa")
RSA = load("acme.example", "s1", PEM)
ED = load("acme.example", "e1", generate("ed25519"))
P = RSA.public()


@pytest.mark.parametrize(
    "record",
    [
        dns_record(RSA),
        dns_record(RSA) + ";",
        f"p={P}",
        f"v=DKIM1;p={P}",
        f" v = DKIM1 ; h=sha1:SHA256; s=email; t=s; n=a note; p = {P[:50]} \t{P[50:]} ; ",
        f"v=DKIM1; x9=unknown; s=tlsrpt : *; p={P}",
    ],
)
def test_these_verify(record: str) -> None:
    assert faults(RSA, [record]) == []
    assert faults(ED, [dns_record(ED)]) == []


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([], "is not there"),
        ([dns_record(RSA)] * 2, "is one of 2 TXT records"),
        (["v=spf1 -all"], "does not begin with v=DKIM1"),
        ([f"p={P}; v=DKIM1"], "does not begin with v=DKIM1"),
        ([f"v=DKIM2; p={P}"], "does not begin with v=DKIM1"),
        ([f"v=DKIM1; k=ed25519; p={P}"], "says k=ed25519, the key is rsa"),
        (["v=DKIM1; k=rsa"], "has no p="),
        (["v=DKIM1; p="], "revoked"),
        (["v=DKIM1; p=" + P[:100]], "cut short"),
        (["v=DKIM1; p=" + P[:101]], "no base64"),
        (["v=DKIM1; p=" + ED.public()], "holds another key"),
        ([f"v=DKIM1; h=sha1; p={P}"], "allows h=sha1 only"),
        ([f"v=DKIM1; s=tlsrpt; p={P}"], "not for email"),
        ([f"v=DKIM1; p={P}; p={P}"], "the tag p= twice"),
        ([f"v=DKIM1; what; p={P}"], "no tag=value: 'what'"),
        (["v=DKIM1; p=" + "A" * MAX_RECORD], "is longer than"),
    ],
)
def test_these_do_not(records: list[str], says: str) -> None:
    assert says in " | ".join(faults(RSA, records))


def test_a_strict_record_and_an_identity_below_the_domain_do_not_fit() -> None:
    signer = load("acme.example", "s1", PEM, "@news.acme.example")
    assert faults(signer, [f"v=DKIM1; p={P}"]) == []
    assert "t=s" in faults(signer, [f"v=DKIM1; t=s; p={P}"])[0]


def test_testing_is_seen() -> None:
    assert is_trial([f"v=DKIM1; t=s:y; p={P}"])
    assert not is_trial([dns_record(RSA)])
    assert not is_trial(["nonsense"])
    assert not is_trial([])
    assert tags("a=b=c; d=") == {"a": "b=c", "d": ""}
