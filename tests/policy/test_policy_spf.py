"""SPF as RFC 7208 evaluates it: records, macros, limits; and DMARC records."""

from collections.abc import Mapping

import pytest

from mta.policy import dmarc
from mta.policy.spf import Outcome, check

Zone = Mapping[tuple[str, str], tuple[str, ...] | None]
US = "192.0.2.10"


def judged(zone: Zone, domain: str = "acme.example", address: str = US) -> Outcome:
    """Run an evaluation against records given by name and type."""
    asking = check(address, domain, "mx.acme.example", "bob")
    question = next(asking)
    for _ in range(200):
        try:
            question = asking.send(zone.get(question, ()))
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
    raise AssertionError("it asks without end")


def record(text: str, **more: tuple[str, ...]) -> Zone:
    names = {
        tuple(name.replace("__", " ").replace("_", ".").split(" ")): values for name, values in more.items()
    }
    return {("acme.example", "TXT"): ("other", text)} | names  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("v=spf1 ip4:192.0.2.10 -all", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "pass"),
        ("V=SPF1 IP4:192.0.2.0/24 -ALL", "pass"),
        ("v=spf1 ip4:198.51.100.1 -all", "fail"),
        ("v=spf1 ip4:198.51.100.1 ~all", "softfail"),
        ("v=spf1 ip4:198.51.100.1 ?all", "neutral"),
        ("v=spf1 ip4:198.51.100.1", "neutral"),
        ("v=spf1", "neutral"),
        ("v=spf1 -all ip4:192.0.2.10", "fail"),
        ("v=spf1 ip6:2001:db8::/32 -all", "fail"),
        ("v=spf1 exp=x.example ip4:192.0.2.10 -all", "pass"),
        ("v=spf1 moo=1 ip4:192.0.2.10 -all", "pass"),
        ("v=spf10 ip4:192.0.2.10", "none"),
        ("v=spf1 ip4:192.0.2.10/33 -all", "permerror"),
        ("v=spf1 ip4:2001:db8::1 -all", "permerror"),
        ("v=spf1 include -all", "permerror"),
        ("v=spf1 foo:bar -all", "permerror"),
        ("v=spf1 a/33 -all", "permerror"),
        ("v=spf1 exists:%{z} -all", "permerror"),
        ("v=spf1 exists:50%.x -all", "permerror"),
        ("v=spf1 redirect=a.example redirect=b.example", "permerror"),
        ("v=spf1 !all", "permerror"),
    ],
)
def test_a_record_alone(text: str, result: str) -> None:
    assert judged(record(text)).result == result


def test_hosts_are_looked_up() -> None:
    zone = dict(record("v=spf1 a:mail.acme.example/30 mx -all"))
    zone["mail.acme.example", "A"] = ("192.0.2.8",)
    assert judged(zone).result == "pass"
    zone["mail.acme.example", "A"] = ("192.0.2.20",)
    zone["acme.example", "MX"] = ("mx1.acme.example", "mx2.acme.example")
    zone["mx2.acme.example", "A"] = (US,)
    assert judged(zone) == Outcome("pass", "mx in the record of acme.example")
    assert judged(zone, address="2001:db8::1").result == "fail"
    zone["mx1.acme.example", "AAAA"] = ("2001:db8::1",)
    assert judged(zone, address="2001:db8::1").result == "pass"


def test_includes_and_redirects() -> None:
    zone = dict(record("v=spf1 include:_spf.host.example ~all"))
    zone["_spf.host.example", "TXT"] = ("v=spf1 ip4:192.0.2.0/24 -all",)
    assert judged(zone).result == "pass"
    assert judged(zone, address="198.51.100.1").result == "softfail"  # the fail of an include is no match
    del zone["_spf.host.example", "TXT"]
    assert judged(zone).result == "permerror"
    zone = dict(record("v=spf1 redirect=_spf.host.example"))
    assert judged(zone).result == "permerror"
    zone["_spf.host.example", "TXT"] = ("v=spf1 ip4:192.0.2.0/24 -all",)
    assert judged(zone, address="198.51.100.1").result == "fail"


def test_names_of_the_address() -> None:
    zone = dict(record("v=spf1 ptr -all"))
    zone["10.2.0.192.in-addr.arpa", "PTR"] = ("other.example", "mx.acme.example")
    assert judged(zone).result == "fail"  # the name does not lead back
    zone["mx.acme.example", "A"] = (US,)
    assert judged(zone).result == "pass"
    zone["10.2.0.192.in-addr.arpa", "PTR"] = ("mx.notacme.example",)
    zone["mx.notacme.example", "A"] = (US,)
    assert judged(zone).result == "fail"
    zone["10.2.0.192.in-addr.arpa", "PTR"] = None
    assert judged(zone).result == "fail"  # silence is no match, and no error


def test_silence_is_a_temporary_error() -> None:
    assert judged({("acme.example", "TXT"): None}).result == "temperror"
    zone = dict(record("v=spf1 a -all"))
    zone["acme.example", "A"] = None
    assert judged(zone).result == "temperror"


def test_two_records_are_one_too_many() -> None:
    zone = {("acme.example", "TXT"): ("v=spf1 -all", "v=spf1 ip4:192.0.2.10 -all")}
    assert judged(zone) == Outcome("permerror", "acme.example has 2 SPF records; keep one")


def test_the_limits_of_lookups() -> None:
    loop = record("v=spf1 include:acme.example -all")
    assert judged(loop).why.startswith("more than 10 look-ups")
    void = record("v=spf1 a:x1.example a:x2.example a:x3.example ip4:192.0.2.10 -all")
    assert judged(void).why.startswith("more than 2 look-ups find nothing")
    many = dict(record("v=spf1 mx -all"))
    many["acme.example", "MX"] = tuple(f"mx{n}.acme.example" for n in range(11))
    assert judged(many).result == "permerror"


@pytest.mark.parametrize(
    ("address", "spec", "name"),
    [
        (US, "%{ir}.%{v}._spf.%{d2}", "10.2.0.192.in-addr._spf.acme.example"),
        (US, "%{lr-}.%{o}", "bob.acme.example"),
        (US, "%{s}.x", "bob@acme.example.x"),
        (US, "%{h}.x%%", "mx.acme.example.x%"),
        ("2001:db8::cb01", "%{ir}.x", "1.0.b.c." + "0." * 20 + "8.b.d.0.1.0.0.2.x"),
        (US, "%{d1r}.x", "acme.x"),
        (US, "%{S}.x", "bob%40acme.example.x"),
        (US, f"{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}", f"{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}"),
    ],
)  # fmt: skip
def test_macros(address: str, spec: str, name: str) -> None:
    zone = dict(record(f"v=spf1 exists:{spec} -all"))
    zone[name, "A"] = ("127.0.0.2",)
    assert judged(zone, address=address).result == "pass"


def test_dmarc_records() -> None:
    text = "v=DMARC1; p=Reject; sp=none; adkim=s; rua=mailto:a@b.example, mailto:c@d.example;"
    assert dmarc.parse(text) == dmarc.Policy(
        "reject", "none", True, False, ("mailto:a@b.example", "mailto:c@d.example")
    )
    assert dmarc.parse("v=DMARC1;p=none").below == "none"
    others = ["v=spf1 -all", "v=DMARC10; p=none", "v=dmarc1; p=none", "p=none; v=DMARC1"]
    assert dmarc.found([*others, "V = DMARC1 ; p=none"]) == ["V = DMARC1 ; p=none"]
    for bad in ("v=DMARC1", "v=DMARC1; p=yes", "v=DMARC1; p=none; what", "v=DMARC1; p=none;" + "x" * 5000):
        with pytest.raises(ValueError):
            dmarc.parse(bad)
