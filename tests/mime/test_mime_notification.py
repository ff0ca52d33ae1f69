"""Notifications of our own: read back by our own reader and by Python's, in every form an address has."""

from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.bounce import classify, report
from mta.mime.notification import Action, Original, Outcome, compose, typed
from mta.mime.raw import prepare

RULES = classify.load((Path(classify.__file__).parent / "rules.toml").read_text())
ORIGINAL = Original(
    "<inv.1.acme@acme.example>", "billing@acme.example", "Your invoice", 1_800_000_000_000, 1_800_300_000_000
)
KINDS = {"failed": "bounce", "delayed": "delay", "delivered": "delivered"}


def made(outcome: Outcome, original: Original = ORIGINAL, to: str = "billing@acme.example") -> bytes:
    return compose(
        original, outcome, "mailer-daemon@acme.example", to, "mx.platform.example", "acme/inv.1.0/x/1"
    )


@pytest.mark.parametrize(
    ("action", "code", "status", "reply"),
    [
        ("failed", 550, "5.1.1", "5.1.1 no such user here"),
        ("delayed", 451, "4.2.2", "4.2.2 mailbox full, try again later"),
        ("delivered", 250, "2.0.0", "2.0.0 ok"),
    ],
)
@pytest.mark.parametrize(
    "rcpt", ["jo@example.net", "jörg@example.net", "用户@example.net", "a\\b+=;x@example.net"]
)
def test_our_own_reader_reads_it_back(action: Action, code: int, status: str, reply: str, rcpt: str) -> None:
    raw = made(Outcome(action, rcpt, 1_800_000_100_000, code, status, reply, "mx.example.net [192.0.2.1]"))
    (found,) = report.read(raw, RULES)
    assert (found.kind, found.recipient, found.status, found.code) == (KINDS[action], rcpt, status, code)
    assert found.remote == "mx.example.net"
    if action == "failed":
        assert found.cls == "recipient_unknown"


def test_python_reads_it_without_a_defect() -> None:
    raw = made(Outcome("failed", "jo@example.net", 1_800_000_100_000, 550, "5.1.1", "no such user " * 30))
    message = BytesParser(policy=policy.default).parsebytes(raw)
    assert not [defect for part in message.walk() for defect in part.defects]
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    words, status, headers = message.iter_parts()
    assert "could not be delivered" in words.get_content()
    about, person = status.get_payload()
    assert about["Reporting-MTA"] == "dns; mx.platform.example"
    assert person["Final-Recipient"] == "rfc822; jo@example.net"
    assert (person["Action"], person["Status"]) == ("failed", "5.1.1")
    assert headers.get_content_type() == "text/rfc822-headers"
    assert "<inv.1.acme@acme.example>" in headers.get_content()
    assert message["In-Reply-To"] == "<inv.1.acme@acme.example>"
    assert max(map(len, raw.split(b"\r\n"))) <= 78


def test_nobody_answers_it() -> None:
    message = BytesParser(policy=policy.default).parsebytes(made(Outcome("failed", "a@b.example", 1)))
    assert message["Auto-Submitted"] == "auto-replied"
    assert "Mail Delivery System" in message["From"]


def test_the_same_arguments_give_the_same_bytes() -> None:
    outcome = Outcome("failed", "jo@example.net", 1_800_000_100_000, 550, "5.1.1", "no")
    assert made(outcome) == made(outcome)


def test_a_status_of_another_kind_is_left_out() -> None:
    raw = made(Outcome("failed", "jo@example.net", 1, 451, "4.4.7", "4.4.7 lifetime over"))
    assert b"\r\nStatus: 5.0.0\r\n" in raw
    assert b"smtp; 451 4.4.7 lifetime over" in raw


@pytest.mark.parametrize(
    ("address", "spelled"),
    [("jo@example.net", "rfc822; jo@example.net"), ("jörg@example.net", "utf-8; j\\x{F6}rg@example.net")],
)
def test_addresses_are_spelled_in_ascii(address: str, spelled: str) -> None:
    assert typed(address) == spelled


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400), st.text(max_size=400), st.integers(0, 599), st.text(max_size=40))
def test_no_words_of_strangers_get_out_of_their_place(
    reply: str, subject: str, code: int, remote: str
) -> None:
    original = Original(ORIGINAL.message_id, ORIGINAL.sender, subject, ORIGINAL.arrived)
    raw = made(Outcome("failed", "jo@example.net", 1_800_000_100_000, code, "5.1.1", reply, remote), original)
    prepare(raw)  # fit to be sent
    message = BytesParser(policy=policy.default).parsebytes(raw)
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain", "message/delivery-status", "text/rfc822-headers",
    ]  # fmt: skip
    (found,) = report.read(raw, RULES)
    assert (found.kind, found.recipient) == ("bounce", "jo@example.net")
    raw.decode("ascii")
