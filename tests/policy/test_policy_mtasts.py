"""MTA-STS records and policy files, good and bad (RFC 8461 section 3), and names against patterns."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.policy.mtasts import MOST_AGE, BadPolicy, Held, Policy, announced, parse, unpacked
from mta.policy.names import covers, matches

EXAMPLE = (
    "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\n"
    "mx: backupmx.example.com\nmax_age: 604800\n"
)


def test_the_example_of_the_rfc() -> None:
    policy = Policy("enforce", ("mail.example.com", "*.example.net", "backupmx.example.com"), 604800)
    assert parse(EXAMPLE) == policy
    assert parse(EXAMPLE.replace("\n", "\r\n")) == policy
    assert parse("\n".join(policy.lines)) == policy


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=STSv1; id=20160831085700Z"], "20160831085700Z"),
        (["v=STSv1;id=a1 ;"], "a1"),
        (["v=spf1 -all", "v=STSv1; id=1;"], "1"),
        (["v=STSv1; x=y; id=1; z=2"], "1"),
        ([], ""),
        (["v=STSv1; id=1;", "v=STSv1; id=2;"], ""),
        (["v=STSv2; id=1;"], ""),
        (["v=STSv1 id=1"], ""),
        (["v=STSv1;"], ""),
        (["v=STSv1; id=;"], ""),
        (["v=STSv1; id=with-dash;"], ""),
        (["v=STSv1; id=" + "a" * 33], ""),
        ([" v=STSv1; id=1;"], ""),
    ],
)  # fmt: skip
def test_the_record_that_announces_a_policy(texts: list[str], name: str) -> None:
    assert announced(texts) == name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "version"),
        (EXAMPLE.replace("STSv1", "STSv2"), "version"),
        (EXAMPLE.replace("enforce", "maybe"), "mode"),
        (EXAMPLE.replace("604800", "-1"), "max_age"),
        (EXAMPLE.replace("604800", "12345678901"), "max_age"),
        (EXAMPLE.replace("604800", "١٢"), "max_age"),
        ("version: STSv1\nmode: enforce\nmax_age: 1", "mx"),
        ("version: STSv1\nmode: enforce\nmx: *.*.com\nmx: a.*.com\nmx: *\nmx: *.com.\nmax_age: 1", "mx"),
        ("version: STSv1\nmode: testing\nmx: a b.test\nmx: [192.0.2.1]\nmax_age: 1", "mx"),
        ("<html>not found</html>", "version"),
        (EXAMPLE + "x" * 65536, "characters"),
    ],
)
def test_files_that_say_nothing_to_keep_to(text: str, why: str) -> None:
    with pytest.raises(BadPolicy, match=why):
        parse(text)


def test_of_a_repeated_field_the_first_counts_and_unknown_ones_are_passed_over() -> None:
    policy = parse("future: 1\n" + EXAMPLE + "mode: none\nmax_age: 1\nno colon here\n")
    assert (policy.mode, policy.max_age) == ("enforce", 604800)


def test_mode_none_needs_no_mx_and_ages_are_cut() -> None:
    assert parse("version: STSv1\nmode: none\nmax_age: 9999999999") == Policy("none", (), MOST_AGE)


@pytest.mark.parametrize(
    ("pattern", "host", "match"),
    [
        ("mx.example.com", "mx.example.com", True), ("mx.example.com", "MX.Example.COM.", True),
        ("mx.example.com", "a.mx.example.com", False), ("*.example.com", "mx.example.com", True),
        ("*.example.com", "a.mx.example.com", False), ("*.example.com", "example.com", False),
        ("*.example.com", ".example.com", False), ("*.com", "example.com", False), ("*", "com", False),
        ("", "", False), ("mx.*.com", "mx.example.com", False), ("m*.example.com", "mx.example.com", False),
        ("*.*.example.com", "a.b.example.com", False),
    ],
)  # fmt: skip
def test_hosts_against_patterns(pattern: str, host: str, match: bool) -> None:
    assert matches(pattern, host) is match


@pytest.mark.parametrize(
    ("presented", "wanted", "good"),
    [
        (["mx.d.test"], ["mx.d.test"], True), (["*.d.test"], ["mx.d.test"], True),
        (["d.test"], ["mx.d.test"], False), (["*.d.test"], ["a.mx.d.test"], False),
        (["mx.d.test"], [".d.test"], True), (["a.b.d.test"], [".d.test"], True), (["d.test"], [".d.test"], False),
        (["*.d.test"], [".d.test"], True), (["xd.test"], [".d.test"], False), ([".d.test"], [".d.test"], False),
        (["mx.d.test\0.evil.test"], ["mx.d.test"], False), ([], ["mx.d.test"], False), (["mx.d.test"], [], False),
        (["MX.D.TEST."], ["mx.d.test"], True),
    ],
)  # fmt: skip
def test_a_certificates_names(presented: list[str], wanted: list[str], good: bool) -> None:
    assert covers(presented, wanted) is good


def test_a_policy_holds_for_its_time_and_is_due_before() -> None:
    held = Held(Policy("enforce", ("mx.test",), 1000), "1", 100.0)
    assert held.holds(1099)
    assert not held.holds(1100)
    assert not held.due(599)
    assert held.due(600)
    assert Held(Policy("enforce", ("mx.test",), MOST_AGE), "1", 0.0).due(86400), "once a day at least"
    assert held.holds(0), "a clock that went back ends no policy"


def test_what_is_kept_comes_back_and_what_is_foreign_does_not() -> None:
    held = Held(parse(EXAMPLE), "abc", 12.5)
    assert unpacked(held.packed()) == held
    for document in (
        "",
        "[]",
        "{}",
        "null",
        '[2,"a",1,"enforce",1,[]]',
        '[1,"a",1,"maybe",1,[]]',
        '[1,"a",1,[],1,[]]',
    ):
        assert unpacked(document) is None


@settings(max_examples=200, deadline=None)
@given(
    st.text(
        alphabet=st.sampled_from("version: STSv1\nmode: enforce\nmx: *.a.test\nmax_age: 10\r\x00é"),
        max_size=200,
    )
)
def test_any_text_is_a_policy_or_refused(text: str) -> None:
    try:
        policy = parse(text)
    except BadPolicy:
        return
    assert policy.mode == "none" or policy.mx
