"""Classification: the shipped rules against their own samples, codes, order, and hostile texts."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.bounce import classify as module
from mta.bounce.classify import MAX_TEXT, classify, fits, fold, found, load
from mta.bounce.rules import MAX_GAPS, MAX_REPEAT, Meaning, Rule

RULES = load((Path(module.__file__).parent / "rules.toml").read_text())
START = re.compile(r"([245]\d\d) ?#?(?:([245]\.\d{1,3}\.\d{1,3}) )?(.*)")


def parts(sample: str) -> tuple[int, str, str]:
    start = START.fullmatch(sample)
    assert start, f"a sample begins with a reply code: {sample}"
    return int(start[1]), start[2] or "", start[3]


def said(sample: str, stage: str = "") -> Meaning:
    return classify(*parts(sample), RULES, stage)


SAMPLES = [(rule, text) for rule in RULES.table.rules for text in rule.samples]
NOT_SAMPLES = [(rule, text) for rule in RULES.table.rules for text in rule.not_samples]


def decides(rule: Rule, sample: str) -> bool:
    code, enhanced, text = parts(sample)
    folded = fold(text)
    return any(found(phrase, folded) for phrase in rule.phrases) and fits(rule, code // 100, enhanced, folded)


@pytest.mark.parametrize("rule, sample", SAMPLES, ids=[text[:50] for _, text in SAMPLES])
def test_samples_are_decided_by_their_rule(rule: Rule, sample: str) -> None:
    assert decides(rule, sample)
    assert said(sample).cls == rule.meaning.cls


@pytest.mark.parametrize("rule, sample", NOT_SAMPLES, ids=[text[:50] for _, text in NOT_SAMPLES])
def test_not_samples_are_left_alone(rule: Rule, sample: str) -> None:
    assert not decides(rule, sample)


def test_every_rule_has_samples_of_both_sorts_and_every_class_a_rule() -> None:
    assert all(rule.samples and rule.not_samples for rule in RULES.table.rules)
    ruled = {rule.meaning.cls for rule in RULES.table.rules}
    assert ruled == set(RULES.table.classes) - {"unknown"}


@pytest.mark.parametrize(
    "cls, disposition",
    [
        ("recipient_unknown", "hard"), ("recipient_disabled", "hard"), ("domain_invalid", "hard"),
        ("mailbox_full", "soft"), ("message_rejected", "soft"), ("rate_limited", "soft"), ("greylisted", "soft"),
        ("remote_temporary", "soft"), ("network", "soft"), ("spam_content", "block"), ("reputation", "block"),
        ("auth", "block"), ("policy", "block"), ("unknown", "unknown"),
    ],
)  # fmt: skip
def test_dispositions(cls: str, disposition: str) -> None:
    assert RULES.table.classes[cls].disposition == disposition


@pytest.mark.parametrize(
    "code, enhanced, cls",
    [
        (550, "5.1.1", "recipient_unknown"), (450, "4.1.1", "recipient_unknown"), (550, "5.1.6", "recipient_unknown"),
        (550, "5.7.17", "recipient_unknown"), (550, "5.1.2", "domain_invalid"), (550, "5.1.10", "domain_invalid"),
        (556, "", "domain_invalid"), (550, "5.4.4", "domain_invalid"), (550, "5.2.1", "recipient_disabled"),
        (550, "5.7.13", "recipient_disabled"), (452, "4.2.2", "mailbox_full"), (552, "5.2.2", "mailbox_full"),
        (552, "5.2.3", "message_rejected"), (552, "5.3.4", "message_rejected"), (554, "5.6.0", "message_rejected"),
        (421, "4.7.24", "auth"), (550, "5.7.25", "auth"), (550, "5.7.26", "auth"), (530, "", "auth"),
        (550, "5.7.509", "auth"), (550, "5.7.511", "reputation"), (550, "5.7.606", "reputation"),
        (421, "4.7.28", "rate_limited"), (451, "4.7.650", "reputation"), (421, "4.7.860", "reputation"),
        (550, "5.7.1", "policy"), (550, "5.1.8", "policy"), (550, "5.2.0", "policy"), (452, "4.5.3", "rate_limited"),
        (421, "4.3.2", "rate_limited"), (421, "", "rate_limited"), (451, "4.3.0", "remote_temporary"),
        (554, "5.3.5", "remote_temporary"), (454, "", "remote_temporary"), (471, "", "remote_temporary"),
        (451, "4.4.1", "network"), (554, "5.4.6", "network"), (554, "5.4.7", "network"), (499, "", "remote_temporary"),
        (554, "", "unknown"), (550, "5.9.9", "unknown"), (0, "5.1.1", "recipient_unknown"), (0, "", "unknown"),
    ],
)  # fmt: skip
def test_codes_alone(code: int, enhanced: str, cls: str) -> None:
    assert classify(code, enhanced, "", RULES).cls == cls


@pytest.mark.parametrize(
    "code, enhanced, stage, cls",
    [
        (550, "", "rcpt", "recipient_unknown"), (550, "", "mail", "policy"), (550, "", "", "unknown"),
        (552, "", "rcpt", "rate_limited"), (552, "", "dot", "message_rejected"), (451, "4.7.1", "rcpt", "greylisted"),
        (451, "4.7.1", "dot", "remote_temporary"),
    ],
)  # fmt: skip
def test_stages_sharpen_what_has_no_words(code: int, enhanced: str, stage: str, cls: str) -> None:
    assert classify(code, enhanced, "", RULES, stage).cls == cls


@pytest.mark.parametrize(
    "sample, stage, cls",
    [
        ("550 User unknown", "rcpt", "recipient_unknown"),
        ("550 User unknown", "dot", "policy"),  # it was known at RCPT: a filter speaks
        ("550 5.1.1 User unknown", "dot", "recipient_unknown"),
        ("554 delivery error: dd This user doesn't have an example.org account", "dot", "recipient_unknown"),
        ("550 User unknown", "mail", "policy"),  # the sender is meant
        ("553 example.com does not exist", "mail", "policy"),
        ("550 Access denied", "greeting", "reputation"),  # nobody was named yet
        ("501 Invalid domain name", "ehlo", "reputation"),
        ("421 Too many connections", "greeting", "rate_limited"),
        ("550 5.2.1 User unknown", "", "policy"),
        ("550 5.7.1 User unknown", "", "policy"),
        ("550 5.7.1 User unknown", "rcpt", "recipient_unknown"),
        ("550 5.2.1 User unknown", "rcpt", "recipient_unknown"),
    ],
)
def test_the_place_in_the_dialogue_tells_whom_a_reply_is_about(sample: str, stage: str, cls: str) -> None:
    assert said(sample, stage).cls == cls


def test_words_beat_codes() -> None:
    assert said("550 5.1.1 Message rejected as spam").cls == "spam_content"
    assert said("550 5.3.0 <x@example.org>: User unknown").cls == "recipient_unknown"
    assert said("550 5.1.1 blocked using zen.spamhaus.org").disposition == "block"


def test_codes_are_found_in_the_words_where_none_are_given() -> None:
    assert classify(0, "", "550 5.2.2 no", RULES).cls == "mailbox_full"
    assert classify(0, "", "550-5.1.1 no", RULES).cls == "recipient_unknown"


@pytest.mark.parametrize(
    "sample, suppress",
    [
        ("550 5.1.1 User unknown", True),
        ("450 4.1.1 User unknown", False),  # a temporary reply never suppresses
        ("550 5.7.1 User unknown", False),  # a reason of security may be a pretext
        ("550 No such user", True),
        ("550 5.2.1 Account disabled", False),  # at the second time
        ("550 5.2.1 Account deleted", True),
        ("552 5.2.2 Mailbox full", False),
        ("550 5.7.1 Message rejected as spam", False),
        ("550 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org", False),
        ("556 5.1.10 Recipient address has null MX", False),
    ],
)
def test_what_suppresses_at_once(sample: str, suppress: bool) -> None:
    assert said(sample).suppress is suppress


def test_codes_of_every_line_and_addresses_are_taken_out() -> None:
    text = "5.1.1 The email account that 550-5.1.1 you tried to reach does not\r\n 550 5.1.1 exist <spam@dkim.example>"
    assert fold(text) == "the email account that you tried to reach does not exist <>"
    assert classify(550, "5.1.1", text, RULES).cls == "recipient_unknown"
    assert fold("host 192.0.2.1 SAYS No\u2019s") == "host 192.0.2.1 says no's"


def test_an_answer_is_remembered() -> None:
    rules = load((Path(module.__file__).parent / "rules.toml").read_text())
    for address in ("a@example.org", "b@example.org"):
        assert classify(550, "5.1.1", f"<{address}>: User unknown", rules).cls == "recipient_unknown"
    assert rules.decide.cache_info().hits == 1


def test_regexes_are_of_the_harmless_kind() -> None:
    patterns = [
        phrase.regex.pattern
        for rule in RULES.table.rules
        for phrase in (*rule.phrases, *rule.unless)
        if phrase.regex
    ]
    assert patterns
    for pattern in patterns:
        assert not re.search(r"(?<!\\)[*+]", pattern)
        assert not re.search(r"\)\{", pattern)
        gaps = [int(most) for most in re.findall(r"\{\d+,(\d+)\}", pattern)]
        assert len(gaps) <= MAX_GAPS
        assert all(most <= MAX_REPEAT for most in gaps)


def test_every_literal_is_in_what_its_regex_matches() -> None:
    for rule in RULES.table.rules:
        for sample in rule.samples:
            folded = fold(parts(sample)[2])
            for phrase in rule.phrases:
                if phrase.regex and phrase.regex.search(folded):
                    assert phrase.literal in folded, phrase


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "mailbox " * 20_000, "a@" * 50_000, "5.1.1 " * 20_000, "user " * 20_000]
)
def test_long_texts_are_cut(text: str) -> None:
    assert len(fold(text)) <= MAX_TEXT
    assert classify(550, "", text, RULES).cls in RULES.table.classes


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 999), st.sampled_from(["", "5.1.1", "4.7.1", "9.9.9", "x"]), st.text(max_size=100))
def test_anything_is_classified(code: int, enhanced: str, text: str) -> None:
    if enhanced == "x":
        enhanced = ""
    assert classify(code, enhanced, text, RULES).cls in RULES.table.classes
