"""Whole returned messages in the manner of several systems, hostile ones, and a real collection where there is one."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.bounce import verp
from mta.bounce.report import MAX_TOKENS, Report, read
from mta.message import MessageId
from mta.tracking.token import Keys, Purpose, Token, make, read_any

KEYS = Keys(0, {0: b"k" * 32})
ID = MessageId(1, 2, 3)
TOKEN = make(KEYS, Purpose.RETURN, ID, 20_000)
LEAVE = make(KEYS, Purpose.UNSUBSCRIBE, ID, 20_000)

ORIGINAL = f"""Return-Path: <b.{TOKEN.upper()}@bounces.shop.example>
From: Shop <news@shop.example>
To: anna@remote.example
Subject: Autumn
Message-ID: <c1.17.t1@shop.example>
List-Unsubscribe: <https://track.shop.example/u/{LEAVE}>
"""

POSTFIX = f"""Return-Path: <>
From: MAILER-DAEMON@mx.relay.example (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: b.{TOKEN}@bounces.shop.example
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="9B095B5.16000/mx.relay.example"

--9B095B5.16000/mx.relay.example
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.relay.example.

--9B095B5.16000/mx.relay.example
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.relay.example
X-Postfix-Queue-ID: 9B095B5
Arrival-Date: Mon, 10 Nov 2025 10:00:00 +0000 (UTC)

Final-Recipient: rfc822; anna@remote.example
Original-Recipient: rfc822;anna@remote.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx1.remote.example
Diagnostic-Code: smtp; 550 5.1.1 <anna@remote.example>: Recipient address
    rejected: User unknown in local recipient table

--9B095B5.16000/mx.relay.example
Content-Description: Undelivered Message
Content-Type: message/rfc822

{ORIGINAL}
Hello

--9B095B5.16000/mx.relay.example--
"""

EXCHANGE = f"""From: Microsoft Outlook <postmaster@corp.example>
Subject: Undeliverable: Autumn
Content-Type: multipart/report; report-type=delivery-status; boundary="_d1_"
X-Auto-Response-Suppress: All

--_d1_
Content-Type: multipart/alternative; boundary="_a1_"

--_a1_
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: base64

WW91ciBtZXNzYWdlIGNvdWxkIG5vdCBiZSBkZWxpdmVyZWQu
--_a1_
Content-Type: text/html

<p>Your message could not be delivered.</p>
--_a1_--

--_d1_
Content-Type: message/delivery-status

Reporting-MTA: dns;EX01.corp.example
Received-From-MTA: dns;mail.corp.example
Arrival-Date: Mon, 10 Nov 2025 10:00:00 +0000

Final-Recipient: rfc822;bea@corp.example
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup

--_d1_
Content-Type: text/rfc822-headers

{ORIGINAL}
--_d1_--
"""

GMAIL_DELAY = f"""From: Mail Delivery Subsystem <mailer-daemon@googlemail.example>
To: b.{TOKEN}@bounces.shop.example
Auto-Submitted: auto-replied
Subject: Delivery Status Notification (Delay)
Content-Type: multipart/report; boundary="000000000000aa"; report-type=delivery-status

--000000000000aa
Content-Type: multipart/related; boundary="000000000000bb"

--000000000000bb
Content-Type: text/plain; charset="UTF-8"

** Delivery incomplete **

--000000000000bb--
--000000000000aa
Content-Type: message/delivery-status

Reporting-MTA: dns; googlemail.example
Arrival-Date: Mon, 10 Nov 2025 02:00:00 -0800 (PST)

Final-Recipient: rfc822; carl@slow.example
Action: delayed
Status: 4.4.1
Diagnostic-Code: smtp; The recipient server did not accept our requests to connect.
Will-Retry-Until: Wed, 12 Nov 2025 02:00:00 -0800 (PST)

--000000000000aa
Content-Type: message/rfc822

{ORIGINAL}

--000000000000aa--
"""

SEVERAL = """Content-Type: multipart/report; report-type=delivery-status; boundary=zz

--zz

--zz
Content-Type: message/delivery-status

Reporting-MTA: dns; gate.example

Final-Recipient: rfc822;gone@one.example
Action: failed
Status: 5.0.0 (permanent failure)
Diagnostic-Code: smtp; 550 'gone@one.example' is not a registered user

Final-Recipient: rfc822;slow@two.example
Action: delayed
Status: 4.0.0 (not answered)

Final-Recipient: rfc822;fine@three.example
Action: delivered
Status: 2.1.5
--zz--
"""

FEEDBACK = f"""From: <abuse@provider.example>
To: <fbl@shop.example>
Subject: FW: Autumn
Content-Type: multipart/report; report-type=feedback-report; boundary="part"

--part
Content-Type: text/plain; charset="US-ASCII"

This is an email abuse report.

--part
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <b.{TOKEN}@bounces.shop.example>
Original-Rcpt-To: <anna@remote.example>
Source-IP: 192.0.2.1
Reporting-MTA: dns; mail.provider.example

--part
Content-Type: message/rfc822
Content-Disposition: inline

{ORIGINAL}
Hello
--part--
"""

VACATION = """Return-Path: <>
From: Anna <anna@remote.example>
Subject: =?utf-8?Q?Abwesenheit:_zur=C3=BCck_am_Montag?=
Auto-Submitted: auto-replied (vacation)
Content-Type: text/plain

550 is my room number. I am back on Monday.
"""


def one(text: str) -> Report:
    (report,) = read(text.encode())
    return report


def test_postfix() -> None:
    report = one(POSTFIX)
    assert report.kind == "bounce"
    assert (report.recipient, report.status, report.code) == ("anna@remote.example", "5.1.1", 550)
    assert report.diagnostic.endswith("rejected: User unknown in local recipient table")
    assert (report.remote, report.reporter) == ("mx1.remote.example", "mx.relay.example")
    assert report.original_message_id == "<c1.17.t1@shop.example>"
    assert report.tokens == (TOKEN, LEAVE)
    purposes = [Purpose.RETURN, Purpose.UNSUBSCRIBE]
    for token, purpose in zip(report.tokens, purposes, strict=True):
        assert read_any(KEYS, purposes, token, 20_000, 1) == (purpose, Token(ID, 20_000))


def test_exchange_with_headers_only_and_nested_explanation() -> None:
    report = one(EXCHANGE)
    assert (report.kind, report.recipient, report.status) == ("bounce", "bea@corp.example", "5.1.10")
    assert report.explanation == "Your message could not be delivered."
    assert report.original_message_id == "<c1.17.t1@shop.example>"
    assert TOKEN in report.tokens


def test_gmail_delay_is_no_bounce() -> None:
    report = one(GMAIL_DELAY)
    assert (report.kind, report.recipient, report.status) == ("delay", "carl@slow.example", "4.4.1")
    assert report.explanation == "** Delivery incomplete **"


def test_several_recipients_of_several_fates() -> None:
    reports = read(SEVERAL.encode())
    assert [(report.kind, report.recipient) for report in reports] == [
        ("bounce", "gone@one.example"),
        ("delay", "slow@two.example"),
        ("delivered", "fine@three.example"),
    ]


def test_feedback() -> None:
    report = one(FEEDBACK)
    assert (report.kind, report.feedback_type) == ("complaint", "abuse")
    assert (report.recipient, report.reporter) == ("anna@remote.example", "mail.provider.example")
    assert report.tokens == (TOKEN, LEAVE)
    assert verp.read(KEYS, "b." + report.tokens[0], 20_000, 1).id == ID


def test_feedback_with_everything_redacted_is_still_one_report() -> None:
    report = one(FEEDBACK.replace("Original-Rcpt-To: <anna@remote.example>", "Original-Rcpt-To: xxxx"))
    assert (report.kind, report.recipient) == ("complaint", "")
    assert TOKEN in report.tokens


@pytest.mark.parametrize(
    "word, kind", [("opt-out", "unsubscribe"), ("auth-failure", "auth_report"), ("not-spam", "none")]
)
def test_feedback_that_is_no_complaint(word: str, kind: str) -> None:
    assert one(FEEDBACK.replace("Type: abuse", f"Type: {word}")).kind == kind


def test_outlook_junk_report() -> None:
    text = f"""From: staff@hotmail.example
Subject: complaint about message from 192.0.2.1
Content-Type: multipart/mixed; boundary=j

--j
Content-Type: message/rfc822

X-HmXmrOriginalRecipient: <anna@remote.example>
{ORIGINAL}
Hello
--j--
"""
    report = one(text)
    assert (report.kind, report.recipient) == ("complaint", "anna@remote.example")
    assert TOKEN in report.tokens


def test_vacation_is_never_a_bounce() -> None:
    assert one(VACATION).kind == "auto_reply"
    assert one(VACATION.replace("Auto-Submitted", "X-Other")).kind == "auto_reply"  # by its subject alone


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "X-Autoreply: yes",
        "Precedence: auto_reply",
        "Subject: Automatic reply: Autumn",
    ],
)
def test_marks_of_automatic_replies(header: str) -> None:
    assert one(f"From: bea@corp.example\n{header}\n\nI am away.\n").kind == "auto_reply"
    # A mail system marks its bounces so too.
    assert one(f"From: MAILER-DAEMON@corp.example\n{header}\n\nI am a program.\n").kind == "none"
    failed = one(f"From: bea@corp.example\n{header}\nX-Failed-Recipients: x@y.example\n\nNot delivered.\n")
    assert (failed.kind, failed.recipient) == ("bounce", "x@y.example")


def test_an_ordinary_letter_is_nothing() -> None:
    assert read(b"From: a@b\nSubject: Re: Autumn\n\nFinal-Recipient: rfc822; x@y\nAction: failed\n") == [
        Report("none")
    ]


def test_a_read_receipt_is_nothing() -> None:
    text = POSTFIX.replace("report-type=delivery-status", "report-type=disposition-notification")
    assert one(text.replace("message/delivery-status", "message/disposition-notification")).kind == "none"


def test_a_forwarded_report_is_read() -> None:
    text = (
        "From: helpdesk@shop.example\nContent-Type: multipart/mixed; boundary=fw\n\n--fw\n\nsee below\n--fw\n"
    )
    report = one(f"{text}Content-Type: message/rfc822\n\n{POSTFIX}\n--fw--\n")
    assert (report.kind, report.recipient) == ("bounce", "anna@remote.example")
    assert report.original_message_id == "<c1.17.t1@shop.example>"


def test_the_outer_report_wins_over_one_it_returns() -> None:
    report = one(POSTFIX.replace(ORIGINAL, EXCHANGE))
    assert report.recipient == "anna@remote.example"


def test_status_part_under_another_type() -> None:
    assert (
        one(POSTFIX.replace("Type: message/delivery-status", "Type: text/plain")).recipient
        == "anna@remote.example"
    )
    assert (
        one(POSTFIX.replace("Type: message/delivery-status", "Type: message/global-delivery-status")).kind
        == "bounce"
    )
    assert one(POSTFIX.replace("report-type=delivery-status;", "")).kind == "bounce"
    assert one(POSTFIX.replace("report-type=delivery-status", "REPORT-TYPE=Delivery-Status")).kind == "bounce"


def test_words_come_from_the_explanation_where_there_is_no_diagnostic() -> None:
    text = SEVERAL.replace(
        "--zz\n\n--zz", "--zz\n\nDear sender, sorry. <x@y>: 552 5.2.2 mailbox full\n--zz", 1
    )
    reports = read(text.encode())
    assert reports[0].wording == "550 'gone@one.example' is not a registered user"
    assert reports[1].wording == "552 5.2.2 mailbox full"


@pytest.mark.parametrize("text", [POSTFIX, EXCHANGE, GMAIL_DELAY, SEVERAL, FEEDBACK, VACATION])
@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_do_not_matter(text: str, end: str) -> None:
    assert read(text.replace("\n", end).encode()) == read(text.encode())


def test_tokens_are_capped() -> None:
    tokens = [make(KEYS, Purpose.OPEN, MessageId(0, n, 0), 1) for n in range(50)]
    report = one(FEEDBACK.replace("Subject: Autumn", "X-Tokens: " + " ".join(tokens)))
    assert len(report.tokens) == MAX_TOKENS


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([POSTFIX, EXCHANGE, SEVERAL, FEEDBACK, VACATION]), st.data())
def test_damaged_reports_never_raise(text: str, data: st.DataObject) -> None:
    raw = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(raw) - 1))
        end = data.draw(st.integers(at, min(len(raw), at + 200)))
        raw[at:end] = data.draw(
            st.sampled_from([b"", b"\n", b"\n\n", b"\0", b"\xff", b"--", b'"', b"=?utf-7?b?+?=", b";"])
        )
        raw = raw or bytearray(b"x")
    assert read(bytes(raw))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read(raw: bytes) -> None:
    assert read(raw)


def test_odd_subjects_do_not_raise() -> None:
    for subject in (
        "=?utf-8?b?!?=",
        "=?nonsense?q?x?=",
        "=?utf-8?b?AAAAA?=",
        "=?utf-7?q?+AAA-?=",
        "=?x",
        "=?idna?q?=FF?=",
    ):
        assert one(f"From: a@b\nSubject: {subject}\n\nx").kind == "none"


def corpora() -> list[Path]:
    folder = os.environ.get("MTA_CORPORA", "")
    return sorted(path for path in Path(folder).rglob("*") if path.is_file()) if folder else []


@pytest.mark.skipif(
    not os.environ.get("MTA_CORPORA"), reason="MTA_CORPORA names no folder of sample messages"
)
def test_a_collection_of_real_reports_raises_nothing() -> None:
    files = corpora()
    assert files
    for path in files:
        assert read(path.read_bytes()), path
