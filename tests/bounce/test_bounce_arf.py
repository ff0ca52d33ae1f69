"""Feedback reports: types, redacted recipients, unknown fields."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.bounce.arf import MAX_RECIPIENTS, MAX_VALUE, read


@pytest.mark.parametrize(
    "word, kind",
    [
        ("abuse", "complaint"),
        ("Fraud", "complaint"),
        ("virus", "complaint"),
        ("other", "complaint"),
        ("something-new", "complaint"),
        ("opt-out", "unsubscribe"),
        ("opt-out-list;list@example.com", "unsubscribe"),
        ("auth-failure", "auth_report"),
        ("not-spam", "none"),
    ],
)
def test_types(word: str, kind: str) -> None:
    assert read(f"Feedback-Type: {word}\nUser-Agent: x\nVersion: 0.1\n").kind == kind


def test_a_missing_type_is_other() -> None:
    feedback = read("User-Agent: x\nVersion: 1\n")
    assert (feedback.kind, feedback.type) == ("complaint", "other")


def test_fields_are_kept_repeated_and_unknown() -> None:
    feedback = read(
        "Feedback-Type: abuse\nOriginal-Rcpt-To: <a@x>\nOriginal-Rcpt-To: b@x\nOriginal-Rcpt-To: a@x\n"
        "Reported-URI: http://one\nReported-URI: http://two\nIncidents: 3\nX-Own: kept\n folded\nSource-IP: 192.0.2.1\n"
        "Reporting-MTA: dns; mail.example.org\n"
    )
    assert feedback.recipients == ("a@x", "b@x")
    assert feedback.fields["reported-uri"] == ("http://one", "http://two")
    assert feedback.first("x-own") == "kept folded"
    assert feedback.first("incidents") == "3"
    assert feedback.first("missing") == ""
    assert feedback.reporter == "mail.example.org"


def test_redacted_recipients_are_none() -> None:
    assert read("Feedback-Type: abuse\nOriginal-Rcpt-To: redacted\n").recipients == ()


def test_caps() -> None:
    many = read("Feedback-Type: abuse\n" + "".join(f"Original-Rcpt-To: {n}@x\n" for n in range(5000)))
    assert len(many.recipients) == MAX_RECIPIENTS
    assert len(read("User-Agent: x\n" + " y\n" * 900).first("user-agent")) <= MAX_VALUE


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert read(text).kind in {"complaint", "unsubscribe", "auth_report", "none"}
