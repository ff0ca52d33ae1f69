"""Delivery status fields: as the standard has them, and as servers write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.bounce.dsn import MAX_DIAGNOSTIC, MAX_RECIPIENTS, code_in, enhanced_in, read


def test_fields() -> None:
    (status,) = read(
        "Reporting-MTA: dns; mx.sender.example\n"
        "Arrival-Date: 02 Jul 26 10:11 UTC\n"
        "\n"
        "Original-Recipient: rfc822;Info@example.org\n"
        "Final-Recipient: rfc822; mailbox-17@store.example.org\n"
        "Action: failed\n"
        "Status: 5.1.1 (no such mailbox)\n"
        "Remote-MTA: dns; mx1.example.org (192.0.2.1)\n"
        "Diagnostic-Code: smtp; 550 5.1.1 <mailbox-17@store.example.org>\n"
        "   unknown here\n"
    )
    assert status.recipient == "Info@example.org"
    assert status.final == "mailbox-17@store.example.org"
    assert (status.action, status.status, status.code) == ("failed", "5.1.1", 550)
    assert status.diagnostic == "550 5.1.1 <mailbox-17@store.example.org> unknown here"
    assert (status.remote, status.reporting) == ("mx1.example.org", "mx.sender.example")


def test_several_recipients() -> None:
    found = read(
        "Reporting-MTA: dns; r\n\n"
        "Final-Recipient: rfc822;a@x\nAction: failed\nStatus: 5.0.0\n\n"
        "Final-Recipient: rfc822;b@x\nAction: Delayed (for now)\nStatus: 4.0.0\n\n"
        "Final-Recipient: rfc822;c@x\nAction: relayed\nStatus: 2.0.0\n"
    )
    assert [(one.recipient, one.action) for one in found] == [
        ("a@x", "failed"),
        ("b@x", "delayed"),
        ("c@x", "relayed"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "final-recipient : RFC822 ; a@x\nACTION : FAILED\nStatus:5.1.1",  # case and blanks
        "Final-Recipient: a@x\nAction: failed\nStatus: 5.1.1",  # no type
        "Final-Recipient: rfc822; <a@x>\nAction: failure\nStatus: 5.1.1",
        "Final-Recipient: rfc822; a@x (Anna)\nAction: failed.\nStatus: 5.1.1",
        "Final-Recipient: LOCAL;a@x\nStatus: 5.1.1",  # no action
        "Final-Recipient: rfc822; a@x\n\nAction: failed\nStatus: 5.1.1",  # a stray empty line
        "Action: failed\nStatus: 5.1.1\nFinal-Recipient: rfc/822;a@x>",
        "Reporting-MTA: dns; r\nFinal-Recipient: rfc822; a@x\nAction: failed\nStatus: 5.1.1",  # one group
        "Final-Recipient: rfc822;\n a@x\nAction:\n failed\nStatus:\n\t5.1.1",  # folded
    ],
)
def test_variants(text: str) -> None:
    (status,) = read(text)
    assert (status.recipient, status.action, status.status) == ("a@x", "failed", "5.1.1")


def test_a_missing_empty_line_between_recipients() -> None:
    found = read("Final-Recipient: rfc822;a@x\nAction: failed\nFinal-Recipient: rfc822;b@x\nAction: failed\n")
    assert [one.recipient for one in found] == ["a@x", "b@x"]


def test_utf8_addresses() -> None:
    (status,) = read("Final-Recipient: utf-8; j\\x{F6}rg\\x{A}\\x{D800}@x\nAction: failed\n")
    assert status.recipient == "jörg@x"


def test_an_original_recipient_that_is_no_address_does_not_win() -> None:
    (status,) = read("Original-Recipient: x-local;17\nFinal-Recipient: rfc822;a@x\nAction: failed\n")
    assert status.recipient == "a@x"


def test_the_diagnostic_says_more_than_a_blank_status() -> None:
    (status,) = read("Final-Recipient: rfc822;a@x\nStatus: 5.0.0\nDiagnostic-Code: smtp; 552 5.2.2 full\n")
    assert status.status == "5.2.2"
    (status,) = read("Final-Recipient: rfc822;a@x\nStatus: 4.4.7\nDiagnostic-Code: smtp; 552 5.2.2 full\n")
    assert status.status == "4.4.7"


def test_a_diagnostic_continued_without_indent() -> None:
    (status,) = read("Final-Recipient: rfc822;a@x\nDiagnostic-Code: X-Notes; 550 no\nsuch user here\n")
    assert status.diagnostic == "550 no such user here"


@pytest.mark.parametrize(
    "text, code, enhanced",
    [
        ("550 5.1.1 no", 550, "5.1.1"),
        ("host mx[192.5.1.1] said: 452-4.2.2 full", 452, "4.2.2"),
        ("#550 no", 550, ""),
        ("(550 5.7.1.)", 550, "5.7.1"),
        ("port 5500, 192.0.2.1", 0, ""),
        ("version 5.1.1.7", 0, ""),
        ("", 0, ""),
    ],
)
def test_codes_in_words(text: str, code: int, enhanced: str) -> None:
    assert (code_in(text), enhanced_in(text)) == (code, enhanced)


def test_nothing_said() -> None:
    assert read("") == []
    assert read("Reporting-MTA: dns; r\nArrival-Date: x\n") == []


def test_caps() -> None:
    group = "Final-Recipient: rfc822;a@x\nAction: failed\n\n"
    assert len(read("Reporting-MTA: dns; r\n\n" + group * 10_000)) == MAX_RECIPIENTS
    (status,) = read("Final-Recipient: rfc822;a@x\nDiagnostic-Code: smtp; " + "x\n y" * 10_000)
    assert len(status.diagnostic) <= MAX_DIAGNOSTIC


WORDS = [
    "Final-Recipient",
    "Action",
    "Status",
    "Diagnostic-Code",
    ": ",
    ";",
    "\n",
    "\n\n",
    " ",
    "rfc822",
    "<",
    ">",
    "5.1.1",
    "(",
    "\\x{41}",
]


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS), max_size=50).map("".join)))
def test_any_text_is_read(text: str) -> None:
    for status in read(text):
        assert "\n" not in status.recipient + status.diagnostic
