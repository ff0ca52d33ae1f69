"""Failure notices in words, in the manner of the systems that write them: all texts are our own."""

import base64
import json
from pathlib import Path

import pytest

from mta.bounce import classify
from mta.bounce.report import Report, read

RULES = classify.load((Path(classify.__file__).parent / "rules.toml").read_text())
RETURNED = """Received: from shop.example by relay.example; Mon, 10 Nov 2025 10:00:00 +0000
From: news@shop.example
To: anna@remote.example
Message-ID: <c1@shop.example>
Subject: Autumn

Hello
"""


def notice(body: str, author: str = "MAILER-DAEMON@relay.example", subject: str = "Undelivered mail") -> str:
    return f"Return-Path: <>\nFrom: {author}\nTo: news@shop.example\nSubject: {subject}\n\n{body}"


def told(text: str | bytes) -> list[tuple[str, str, str]]:
    raw = text if isinstance(text, bytes) else text.encode()
    return [(report.kind, report.recipient, report.cls) for report in read(raw, RULES)]


QMAIL = notice(
    f"""Greetings. Here is qmail-send at relay.example.
I could not bring your message to the addresses below, and have stopped trying.

<anna@remote.example>:
192.0.2.7 does not like recipient.
Remote host said: 550 5.1.1 No such user here
Giving up on 192.0.2.7.

<bert@remote.example>:
The mailbox of this user is full. (#5.2.2)

--- Below this line is a copy of the message.

{RETURNED}""",
    subject="failure notice",
)
EXIM = notice(
    f"""A mail that you sent could not be delivered to all of its recipients.
The following address(es) failed:

  anna@remote.example
    host mx.remote.example [192.0.2.7]
    SMTP error from remote mail server after RCPT TO:<anna@remote.example>:
    550 5.7.1 Client host [198.51.100.9] blocked using zen.spamhaus.org

------ This is a copy of the message, including all the headers. ------

{RETURNED}""",
)
POSTFIX = notice(
    f"""The mail system at relay.example is sorry.
For further assistance, please write to postmaster@relay.example.

<anna@remote.example>: host mx.remote.example[192.0.2.7] said: 452 4.2.2 The
    inbox is over quota (in reply to RCPT TO command)

--9B/relay.example
Content-Type: message/rfc822

{RETURNED}""",
)
SENDMAIL = notice(
    f"""   ----- Transcript of session follows -----
... while talking to mx.remote.example.:
>>> RCPT To:<anna@remote.example>
<<< 550 5.1.1 User unknown
550 <anna@remote.example>... User unknown
... while talking to mx.other.example.:
>>> MAIL From:<news@shop.example>
<<< 554 5.7.1 Spam is not welcome
554 <bert@other.example>... Service unavailable

   ----- Unsent message follows -----
{RETURNED}""",
    subject="Returned mail: see transcript",
)
EXCHANGE_55 = notice(
    """Your message

  To:      list@remote.example
  Subject: Autumn
  Sent:    Mon, 10 Nov 2025 10:00:00 +0000

did not reach the following recipient(s):

anna@remote.example on Mon, 10 Nov 2025 10:01:00 +0000
    The recipient name is not recognized
    MSEXCH:IMS:Org:Site:SERVER 0 (000C05A6) Unknown Recipient
""",
    "System Administrator <postmaster@remote.example>",
    "Undeliverable: Autumn",
)
DOMINO = notice(
    "Your message\n\n  Subject: Autumn\n\nwas not delivered to:\n\n  anna@remote.example\n\nbecause:\n\n"
    "  User Anna (anna@remote.example) not listed in Domino Directory\n",
    "Postmaster@remote.example",
    "DELIVERY FAILURE: User Anna not listed",
)
GMAIL = notice(
    f"Delivery to the following recipient failed permanently:\n\n     anna@remote.example\n\n"
    f"Technical details of permanent failure:\nThe other server was asked and answered:\n"
    f"550 5.2.1 The mailbox is disabled\n\n----- Original message -----\n\n{RETURNED}",
    "Mail Delivery Subsystem <mailer-daemon@provider.example>",
    "Delivery Status Notification (Failure)",
)
YAHOO = notice(
    f"Sorry, we could not bring your message to this address.\n\n<anna@remote.example>:\n554: delivery error: dd This "
    f"user doesn't have an account here [-9] - mx1\n\n--- Below this line is a copy of the message.\n\n{RETURNED}",
    subject="Failure Notice",
)
IMAIL = notice(
    f"Unknown user: anna@remote.example\n\nRCPT TO generated following response:\n553 5.3.0 Addressee unknown\n\n"
    f"Original message follows.\n\n{RETURNED}",
    '"Postmaster" <postmaster@remote.example>',
    "Undeliverable Mail",
)
MDAEMON = notice(
    "The attached message had PERMANENT fatal delivery errors!\n\nThese addresses did NOT receive your message:\n\n"
    "> anna@remote.example\n\n--- Session Transcript ---\n RCPT To:<anna@remote.example>\n 550 No such mailbox\n",
    "MDaemon@remote.example",
    "Permanent Delivery Failure",
)
X400 = notice(
    "Your message did not reach the following recipient(s):\n\n"
    "c=XX;a= ;p=Org;o=Site;dda:SMTP=anna@remote.example; on Mon, 10 Nov 2025\n    Unknown Recipient\n",
    "System Administrator <postmaster@remote.example>",
    "Undeliverable: Autumn",
)
AGENT = notice(
    f"This is the mail agent at relay.example.\n\nThere was an error delivering your mail to <anna@remote.example>.\n\n"
    f"mx.remote.example [192.0.2.7] did not like our final DATA:\n550 User unknown\n\n"
    f"Message headers follow.\n\n{RETURNED}",
    "MAILER-DAEMON <>",
    "Mail delivery failed",
)
LISTSERV = notice(
    "Affected recipients follow in a form for programs.\n\nError-for:  anna@remote.example\nError-Code: 0\n"
    'Error-Text: Mailer mx said: "554 Too many hops"\nError-End:  One error reported.\n',
    "postmaster@relay.example",
)
GATEWAY = notice(
    "*** Message from the mail gateway ***\n\nSent <<< RCPT TO:<anna@remote.example>\n"
    "Received >>> 550 5.1.1 <anna@remote.example>... user unknown\n",
    '"Gateway" <postmaster@relay.example>',
    "Mail could not be delivered",
)
GERMAN = notice(
    "Ihre Nachricht konnte nicht zugestellt werden:\n\n<anna@remote.example>\nDas Postfach ist voll.\n",
    "postmaster@remote.example",
    "Unzustellbar: Herbst",
)
RUSSIAN = notice(
    "Письмо не может быть доставлено:\n\nanna@remote.example\nПользователь не найден\n",
    subject="Недоставленное сообщение",
)
CHINESE = notice(
    "您的邮件无法投递：\n\n<anna@remote.example>\n用户不存在\n", "postmaster@remote.example", "系统退信"
)
HTML = notice("", "Postmaster <postmaster@remote.example>", "Undeliverable: Autumn").replace(
    "Subject:", "Content-Type: text/html; charset=utf-8\nSubject:"
) + (
    "<html><head><title>x@title.example</title><style>p { color: red }</style></head><body><p>Delivery has failed to "
    "these recipients:</p><p><b>anna@remote.example</b><br>550 5.1.1 The recipient&#39;s address does not exist</p>"
)


@pytest.mark.parametrize(
    "text, expected",
    [
        (QMAIL, [("anna@remote.example", "recipient_unknown"), ("bert@remote.example", "mailbox_full")]),
        (EXIM, [("anna@remote.example", "reputation")]),
        (POSTFIX, [("anna@remote.example", "mailbox_full")]),
        (SENDMAIL, [("anna@remote.example", "recipient_unknown"), ("bert@other.example", "spam_content")]),
        (EXCHANGE_55, [("anna@remote.example", "recipient_unknown")]),
        (DOMINO, [("anna@remote.example", "recipient_unknown")]),
        (GMAIL, [("anna@remote.example", "recipient_disabled")]),
        (YAHOO, [("anna@remote.example", "recipient_unknown")]),
        (IMAIL, [("anna@remote.example", "recipient_unknown")]),
        (MDAEMON, [("anna@remote.example", "recipient_unknown")]),
        (X400, [("anna@remote.example", "recipient_unknown")]),
        (AGENT, [("anna@remote.example", "policy")]),  # accepted at RCPT, unknown after DATA: a filter's word
        (LISTSERV, [("anna@remote.example", "network")]),
        (GATEWAY, [("anna@remote.example", "recipient_unknown")]),
        (GERMAN, [("anna@remote.example", "mailbox_full")]),
        (RUSSIAN, [("anna@remote.example", "recipient_unknown")]),
        (CHINESE, [("anna@remote.example", "recipient_unknown")]),
        (HTML, [("anna@remote.example", "recipient_unknown")]),
    ],
    ids=[
        "qmail", "exim", "postfix", "sendmail", "exchange", "domino", "gmail", "yahoo", "imail", "mdaemon", "x400",
        "agent", "listserv", "gateway", "german", "russian", "chinese", "html",
    ],
)  # fmt: skip
def test_families(text: str, expected: list[tuple[str, str]]) -> None:
    assert told(text) == [("bounce", address, cls) for address, cls in expected]
    for end in ("\r\n", "\r"):
        assert read(text.replace("\n", end).encode(), RULES) == read(text.encode(), RULES)


@pytest.mark.parametrize("charset", ["iso-2022-jp", "euc-jp", "shift_jis", "utf-8"])
def test_japanese_providers(charset: str) -> None:
    text = "次のあて先へのメッセージは送信できませんでした。\n\n<anna@remote.example>\n宛先不明\n"
    head = "From: Postmaster@provider.example\nSubject: Mail System Error - Returned Mail\n"
    head += f"Content-Type: text/plain; charset={charset}\n\n"
    assert told(head.encode() + text.encode(charset)) == [
        ("bounce", "anna@remote.example", "recipient_unknown")
    ]


def test_a_charset_that_nobody_named_or_that_is_a_lie() -> None:
    text = "<anna@remote.example>\n宛先不明\n".encode("iso-2022-jp")
    head = b"From: Postmaster@provider.example\nSubject: Returned mail\n"
    assert told(head + b"\n" + text) == [("bounce", "anna@remote.example", "recipient_unknown")]
    utf8 = "<anna@remote.example>\nпользователь не найден\n".encode()
    for lie in (b"us-ascii", b"euc-jp", b"utf-7", b"hz", b"x-nonsense", b"'"):
        raw = head + b"Content-Type: text/plain; charset=" + lie + b"\n\n" + utf8
        assert [(kind, who) for kind, who, _ in told(raw)] == [("bounce", "anna@remote.example")]


def test_delays_are_no_bounces() -> None:
    exim = notice(
        "Your message has not yet been delivered to all its recipients after 24 hours on the queue.\n\n"
        "The address to which it has not yet been delivered is:\n\n  anna@remote.example\n\n"
        "No action is required on your part. Delivery attempts will continue for some time.\n",
        subject="Warning: message 1abc-00 delayed 24 hours",
    )
    gmail = notice(
        "THIS IS A WARNING MESSAGE ONLY.\n\nDelivery to the following recipient has been delayed:\n\n"
        "     anna@remote.example\n\nMessage will be retried for 2 more day(s)\n",
        subject="Delivery Status Notification (Delay)",
    )
    assert told(exim) == [("delay", "anna@remote.example", "network")]
    assert told(gmail) == [("delay", "anna@remote.example", "network")]


def test_failed_recipients_in_the_header_are_believed() -> None:
    text = notice("The following address(es) failed:\n\n  anna\n    unknown user\n").replace(
        "Subject:", "X-Failed-Recipients: anna@remote.example\nSubject:"
    )
    assert told(text) == [("bounce", "anna@remote.example", "recipient_unknown")]


def test_where_nobody_is_named_the_returned_message_may_say() -> None:
    text = notice(
        f"Your mail could not be delivered. The mailbox is full.\n\n----- Original message -----\n{RETURNED}"
    )
    assert told(text) == [("bounce", "anna@remote.example", "mailbox_full")]
    assert told(notice("Your mail could not be delivered.")) == [("bounce", "", "unknown")]


def test_fields_whose_part_was_lost() -> None:
    text = notice(
        "--boundary\n\nReporting-MTA: dns; mx.remote.example\n\nFinal-Recipient: rfc822; anna@remote.example\n"
        "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n"
    )
    assert told(text) == [("bounce", "anna@remote.example", "recipient_unknown")]


def test_fields_without_words_take_them_from_the_text_beside() -> None:
    text = """From: MAILER-DAEMON@relay.example
Subject: Delivery status
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

<anna@remote.example>: 550 5.1.1 no such user

<bert@remote.example>: host mx said: 552 5.2.2 mailbox full (in reply to end of DATA command)

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example

Final-Recipient: rfc822; anna@remote.example
Action: failed
Status: 5.0.0

Final-Recipient: rfc822; bert@remote.example
Action: failed
Status: 5.0.0
--b--
"""
    assert told(text) == [
        ("bounce", "anna@remote.example", "recipient_unknown"),
        ("bounce", "bert@remote.example", "mailbox_full"),
    ]
    assert [(report.code, report.status, report.stage) for report in read(text.encode())] == [
        (550, "5.1.1", ""),
        (552, "5.2.2", "dot"),
    ]


def test_tokens_and_message_id_come_from_below_the_notice() -> None:
    token = "a" * 45
    (report,) = read(
        EXIM.replace(
            "Message-ID: <c1@", f"List-Unsubscribe: <https://t.example/{token}>\nMessage-ID: <c1@"
        ).encode()
    )
    assert (report.original_message_id, report.tokens) == ("<c1@shop.example>", (token,))


@pytest.mark.parametrize(
    "kind, about, expected",
    [
        ("Bounce", {"bouncedRecipients": [{"emailAddress": "anna@remote.example", "action": "failed", "status": "5.1.1",
          "diagnosticCode": "smtp; 550 5.1.1 user unknown"}]}, ("bounce", "anna@remote.example", "recipient_unknown")),
        ("Complaint", {"complainedRecipients": [{"emailAddress": "anna@remote.example"}]},
         ("complaint", "anna@remote.example", "")),
        ("Delivery", {"recipients": ["anna@remote.example"], "smtpResponse": "250 ok"},
         ("delivered", "anna@remote.example", "")),
    ],
)  # fmt: skip
def test_amazon_notifications(kind: str, about: dict[str, object], expected: tuple[str, str, str]) -> None:
    line = json.dumps(
        {"notificationType": kind, kind.lower(): about, "mail": {"source": "news@shop.example"}},
        separators=(",", ":"),
    )
    text = notice(
        f"{line}\n\n--\nTo stop these notices visit https://sns.example/\n",
        "SES <no-reply@sns.example>",
        "AWS Notification Message",
    )
    assert told(text) == [expected]


@pytest.mark.parametrize(
    "line",
    [
        '{"notificationType":"Bounce"',
        '{"notificationType":' + "[" * 60_000,
        '{"notificationType":"Bounce","bounce":[1]}',
        '{"notificationType":"Bounce","bounce":{"bouncedRecipients":[[],7,null]}}',
    ],
    ids=["cut", "deep", "no-object", "odd"],
)
def test_amazon_notifications_that_are_broken(line: str) -> None:
    assert all(
        not report.recipient
        for report in read(notice(line, "no-reply@sns.example", "AWS Notification Message").encode())
    )


@pytest.mark.parametrize(
    "author, subject, body",
    [
        ("anna@remote.example", "Re: Undelivered mail", "You wrote: mail to bert@remote.example was not delivered."),
        ("anna@remote.example", "Autumn", "<bert@remote.example>: 550 5.1.1 user unknown"),
        ("news@shop.example", "Your order", "Delivery to anna@remote.example failed? Call us: support@shop.example"),
        ("no-reply@shop.example", "Parcel", "We were unable to deliver your parcel. Write to help@shop.example"),
        ("postmaster@remote.example", "Maintenance", "We move to new machines. Questions: postmaster@remote.example"),
    ],
)  # fmt: skip
def test_letters_about_failures_are_none(author: str, subject: str, body: str) -> None:
    text = notice(body, author, subject).replace("Return-Path: <>\n", "")
    assert [(kind, who) for kind, who, _ in told(text)] == [("none", "")]


def test_nobody_else_is_named() -> None:
    text = notice(
        "This is the mail system of relay.example. Please contact postmaster@relay.example or help@relay.example.\n"
        "The message from news@shop.example could not be delivered:\n\n<anna@remote.example>: user unknown\n\n"
        "Envelope-from: <news@shop.example>\nMessage-ID: <x.y@shop.example>\n"
    )
    assert told(text) == [("bounce", "anna@remote.example", "recipient_unknown")]


@pytest.mark.parametrize("masked", ["anna...@remote.example", "xxxx@remote.example", "***@remote.example"])
def test_masked_addresses_are_nobodys(masked: str) -> None:
    (report,) = read(notice(f"Your mail could not be delivered:\n\n<{masked}>: mailbox full\n").encode())
    assert (report.kind, report.recipient) == ("bounce", "")


def test_a_notice_in_base64() -> None:
    body = base64.encodebytes(b"Delivery failed:\n\n<anna@remote.example>: user unknown\n").decode()
    text = notice(body).replace("Subject:", "Content-Transfer-Encoding: base64\nSubject:")
    assert told(text) == [("bounce", "anna@remote.example", "recipient_unknown")]


def test_without_rules_nothing_is_classed() -> None:
    assert all((report.cls, report.disposition) == ("", "") for report in read(QMAIL.encode()))
    assert read(b"") == [Report("none")]
