"""Who wins, and that nothing goes in clear where a policy enforces: the decision as a table, then as properties."""

from itertools import product

import pytest

from mta.policy.dane import UNREADABLE, Tlsa
from mta.policy.mtasts import Policy
from mta.policy.tls import Facts, Level, Rule, Signed, TlsNeed, Wish, decide

KEY = Tlsa(3, 1, 1, bytes(32))
ANCHOR = Tlsa(2, 0, 1, bytes(32))
MX = "mx.d.test"
GOOD = Signed((KEY,), MX)
UNUSABLE = Signed((UNREADABLE, Tlsa(0, 0, 1, bytes(32)), Tlsa(3, 1, 1, b"\1")), MX)
TROUBLE = Signed(trouble="DNS lookup failed")
ENFORCE = Policy("enforce", ("*.d.test",), 86400)
ELSEWHERE = Policy("enforce", ("mx.other.test",), 86400)
TESTING = Policy("testing", ("*.d.test",), 86400)
TESTING_ELSEWHERE = Policy("testing", ("mx.other.test",), 86400)
OFF_POLICY = Policy("none", (), 86400)
NONE, MAY, ENCRYPT, VERIFY, DANE = Level


def facts(**given: object) -> Facts:
    return Facts("d.test", MX, **given)  # type: ignore[arg-type]


TABLE = [
    # what is known                                      level, by, refused, fault, names on trial
    ({}, MAY, "default", False, "", False),
    ({"default": Rule(NONE)}, NONE, "default", False, "", False),
    ({"default": Rule(ENCRYPT)}, ENCRYPT, "default", False, "", False),
    ({"rule": Rule(NONE)}, NONE, "domain", False, "", False),
    ({"rule": Rule(ENCRYPT)}, ENCRYPT, "domain", False, "", False),
    ({"rule": Rule(VERIFY)}, VERIFY, "domain", False, "", False),
    ({"rule": Rule(DANE)}, DANE, "domain", True, "dane-required", False),
    ({"rule": Rule(DANE), "tlsa": UNUSABLE}, DANE, "domain", True, "dane-required", False),
    ({"rule": Rule(DANE), "tlsa": GOOD}, DANE, "dane", False, "", False),
    ({"sts": ENFORCE}, VERIFY, "sts", False, "", False),
    ({"sts": ENFORCE, "rule": Rule(NONE)}, VERIFY, "sts", False, "", False),
    ({"sts": ENFORCE, "default": Rule(NONE)}, VERIFY, "sts", False, "", False),
    ({"sts": ELSEWHERE}, VERIFY, "sts", True, "validation-failure", False),
    ({"sts": TESTING}, MAY, "default", False, "", True),
    ({"sts": TESTING, "rule": Rule(ENCRYPT)}, ENCRYPT, "domain", False, "", True),
    ({"sts": TESTING, "rule": Rule(NONE)}, NONE, "domain", False, "", False),
    ({"sts": TESTING_ELSEWHERE}, MAY, "default", False, "validation-failure", False),
    ({"sts": OFF_POLICY}, MAY, "default", False, "", False),
    ({"sts_fault": "sts-policy-fetch-error"}, MAY, "default", False, "sts-policy-fetch-error", False),
    ({"tlsa": GOOD}, DANE, "dane", False, "", False),
    ({"tlsa": GOOD, "sts": ENFORCE}, DANE, "dane", False, "", False),
    ({"tlsa": GOOD, "sts": ELSEWHERE}, DANE, "dane", False, "", False),
    ({"tlsa": GOOD, "rule": Rule(NONE)}, DANE, "dane", False, "", False),
    ({"tlsa": GOOD, "default": Rule(NONE)}, DANE, "dane", False, "", False),
    ({"tlsa": TROUBLE}, DANE, "dane", True, "dnssec-invalid", False),
    ({"tlsa": TROUBLE, "sts": ENFORCE}, DANE, "dane", True, "dnssec-invalid", False),
    ({"tlsa": UNUSABLE}, ENCRYPT, "dane", False, "tlsa-invalid", False),
    ({"tlsa": UNUSABLE, "rule": Rule(NONE)}, ENCRYPT, "dane", False, "tlsa-invalid", False),
    ({"tlsa": UNUSABLE, "rule": Rule(VERIFY)}, VERIFY, "domain", False, "", False),
    ({"tlsa": UNUSABLE, "sts": ENFORCE}, VERIFY, "sts", False, "", False),
    ({"tlsa": UNUSABLE, "sts": ELSEWHERE}, VERIFY, "sts", True, "validation-failure", False),
    ({"tlsa": Signed((ANCHOR,), MX)}, DANE, "dane", False, "", False),
    ({"tlsa": Signed((ANCHOR,), MX), "anchors": False}, ENCRYPT, "dane", False, "tlsa-invalid", False),
    ({"tlsa": Signed((ANCHOR, KEY), MX), "anchors": False}, DANE, "dane", False, "", False),
    ({"wish": Wish.REQUIRE}, VERIFY, "message", True, "", False),
    ({"wish": Wish.REQUIRE, "mx_secure": True}, VERIFY, "message", False, "", False),
    ({"wish": Wish.REQUIRE, "sts": ENFORCE}, VERIFY, "sts", False, "", False),
    ({"wish": Wish.REQUIRE, "tlsa": GOOD}, DANE, "dane", False, "", False),
    ({"wish": Wish.REQUIRE, "tlsa": UNUSABLE}, VERIFY, "message", True, "tlsa-invalid", False),
    ({"wish": Wish.RELAX, "tlsa": GOOD, "sts": ENFORCE}, MAY, "default", False, "", False),
    ({"wish": Wish.RELAX, "tlsa": TROUBLE, "rule": Rule(VERIFY)}, VERIFY, "domain", False, "", False),
]  # fmt: skip


@pytest.mark.parametrize(("known", "level", "by", "refused", "fault", "trial"), TABLE)
def test_who_wins(
    known: dict[str, object], level: Level, by: str, refused: bool, fault: str, trial: bool
) -> None:
    need = decide(facts(**known))
    assert (need.level, need.by, bool(need.refuse), need.fault) == (level, by, refused, fault)
    assert need.trial == ((MX,) if trial else ())


def everything() -> list[Facts]:
    tlsa = [None, GOOD, UNUSABLE, TROUBLE, Signed((ANCHOR,), MX)]
    sts = [None, ENFORCE, ELSEWHERE, TESTING, TESTING_ELSEWHERE, OFF_POLICY]
    rules = [None, *(Rule(level) for level in Level)]
    return [
        facts(tlsa=t, sts=s, rule=r, default=d, anchors=a, wish=w, mx_secure=m)
        for t, s, r, d, a, w, m in product(
            tlsa, sts, rules, [Rule(NONE), Rule(MAY)], [True, False], Wish, [True, False]
        )
    ]


def test_nothing_goes_in_clear_under_an_enforcing_policy() -> None:
    for known in everything():
        need = decide(known)
        published = known.wish is not Wish.RELAX and (
            known.tlsa is not None or (known.sts is not None and known.sts.mode == "enforce")
        )
        operator = known.rule is not None and known.rule.level >= ENCRYPT
        if published or operator or known.wish is Wish.REQUIRE:
            assert need.strict or need.refuse, known


def test_a_session_that_must_prove_itself_is_told_how() -> None:
    for known in everything():
        need = decide(known)
        if need.refuse:
            continue
        if need.level is DANE:
            assert need.tlsa
            assert all(one.usable for one in need.tlsa)
        if need.level is VERIFY:
            assert need.names


def test_dane_that_answers_is_never_overruled() -> None:
    for known in everything():
        if known.tlsa in (GOOD, TROUBLE) and known.wish is not Wish.RELAX:
            assert decide(known).by == "dane"


def test_names_a_certificate_may_bear() -> None:
    assert decide(facts(sts=ENFORCE)).names == (MX,), "MTA-STS: the MX host (RFC 8461 4.2)"
    assert decide(facts(rule=Rule(VERIFY))).names == (MX,)
    assert decide(facts(rule=Rule(VERIFY, (".d.test",)))).names == (".d.test",)
    signed = Signed((ANCHOR,), "real.host.test")
    assert decide(facts(tlsa=signed)).names == ("real.host.test", MX, "d.test"), "DANE: RFC 7672 3.2.2"


def test_what_was_published_is_named_for_the_report() -> None:
    assert decide(facts()).published.kind == "no-policy-found"
    assert decide(facts(tlsa=GOOD, sts=ENFORCE)).published.lines == ("3 1 1 " + "00" * 32,)
    for sts in (ENFORCE, TESTING, ELSEWHERE):
        published = decide(facts(sts=sts)).published
        assert (published.kind, published.lines, published.patterns) == ("sts", sts.lines, sts.mx)
    assert decide(facts(sts_fault="sts-webpki-invalid")).published.kind == "sts"


def test_the_default_need_encrypts_where_offered() -> None:
    assert TlsNeed().level is MAY
    assert not TlsNeed().strict
