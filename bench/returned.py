"""Reports as several systems write them, for `bench.inbound`: each is another one, so that no event is a repeat."""

import random
from collections.abc import Callable

Write = Callable[[int, random.Random, str, str], tuple[str, str, str]]
"""Number, chance, return token and unsubscribe token to local part, sender and text."""

REASONS = (
    ("550", "5.1.1", "User unknown in virtual mailbox table"),
    ("550", "5.1.1", "The email account that you tried to reach does not exist. Please try double-checking"),
    (
        "552",
        "5.2.2",
        "The recipient's inbox is out of storage space. Please direct the recipient to make room",
    ),
    ("554", "5.7.1", "Message rejected due to content restrictions"),
    ("550", "5.4.1", "Recipient address rejected: Access denied"),
    ("450", "4.7.1", "Temporarily deferred, try again later"),
)


def _returned(number: int, token: str, leave: str) -> str:
    return f"""Return-Path: <b.{token}@b.t0.example>
Received: from bench.example.test (bench.example.test [192.0.2.1])
\tby mx.example.net (Postfix) with ESMTP id {number:010X}
\tfor <someone@example.net>; Mon, 23 Nov 2026 12:00:00 +0000 (UTC)
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=t0.example; s=s1; t=1795000000;
\th=from:to:subject:date:message-id; bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;
\tb={"A" * 344}
From: News <news@t0.example>
To: someone@example.net
Subject: Hi
Message-ID: <spring.{number}.t0@t0.example>
List-Unsubscribe: <https://t.t0.example/u/{leave}>,
 <mailto:u.{leave}@b.t0.example>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
"""


def _report(
    number: int, chance: random.Random, token: str, leave: str, action: str = "failed"
) -> tuple[str, str, str]:
    code, status, words = chance.choice(REASONS)
    text = f"""From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: b.{token}@b.t0.example
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="{number:010X}.1/mx.example.net"
Message-Id: <{number}@mx.example.net>

This is a MIME-encapsulated message.

--{number:010X}.1/mx.example.net
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.net.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<someone@example.net>: host inner.example.net[192.0.2.9] said: {code} {status}
    {words} (in reply to RCPT TO command)

--{number:010X}.1/mx.example.net
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
X-Postfix-Queue-ID: {number:010X}
Arrival-Date: Mon, 23 Nov 2026 12:00:00 +0000 (UTC)

Final-Recipient: rfc822; someone@example.net
Original-Recipient: rfc822;someone@example.net
Action: {action}
Status: {status}
Remote-MTA: dns; inner.example.net
Diagnostic-Code: smtp; {code} {status} {words}

--{number:010X}.1/mx.example.net
Content-Description: Undelivered Message
Content-Type: message/rfc822

{_returned(number, token, leave)}
{"Hello there, this is the text of the mail that came back.%n" * 40}
--{number:010X}.1/mx.example.net--
"""
    return f"b.{token}", "", text.replace("%n", "\n")


def _delay(number: int, chance: random.Random, token: str, leave: str) -> tuple[str, str, str]:
    return _report(number, chance, token, leave, "delayed")


def _plain(number: int, chance: random.Random, token: str, leave: str) -> tuple[str, str, str]:
    code, status, words = chance.choice(REASONS)
    text = f"""From: Mail Delivery System <Mailer-Daemon@mail{number}.example.net>
Subject: Mail delivery failed: returning message to sender
To: b.{token}@b.t0.example
Auto-Submitted: auto-replied
X-Failed-Recipients: someone@example.net

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  someone@example.net
    host inner.example.net [192.0.2.9]
    SMTP error from remote mail server after RCPT TO:<someone@example.net>:
    {code} {status} {words}

------ This is a copy of the message, including all the headers. ------

{_returned(number, token, leave)}
Hello there
"""
    return f"b.{token}", "", text


def _complaint(number: int, chance: random.Random, token: str, leave: str) -> tuple[str, str, str]:
    text = f"""From: fbl@provider.example
To: fbl@b.t0.example
Subject: complaint {number}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="=b{number}"

--=b{number}
Content-Type: text/plain

This is an email abuse report.

--=b{number}
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Provider-FBL/1.0
Version: 1
Source-IP: 192.0.2.1

--=b{number}
Content-Type: message/rfc822

{_returned(number, token, leave)}
Hello there
--=b{number}--
"""
    return "fbl", "fbl@provider.example", text


def _absent(number: int, chance: random.Random, token: str, leave: str) -> tuple[str, str, str]:
    text = f"""From: someone@example.net
To: b.{token}@b.t0.example
Subject: Automatic reply: Hi ({number})
Auto-Submitted: auto-replied

I am away until Monday.
"""
    return f"b.{token}", "", text


def _leave(number: int, chance: random.Random, token: str, leave: str) -> tuple[str, str, str]:
    return (
        f"u.{leave}",
        "someone@example.net",
        f"From: someone@example.net\nSubject: unsubscribe {number}\n\n\n",
    )


def _forged(number: int, chance: random.Random, token: str, leave: str) -> tuple[str, str, str]:
    wrong = token[:-6] + "aaaaaa"
    return f"b.{wrong}", "", _report(number, chance, wrong, "a" * 45, "failed")[2]


def _strange(number: int, chance: random.Random, token: str, leave: str) -> tuple[str, str, str]:
    return f"b.{token}", "jo@example.net", f"From: jo@example.net\nSubject: Re: Hi\n\nWho are you? {number}\n"


KINDS: tuple[tuple[str, int, Write], ...] = (
    ("report", 60, _report),
    ("plain text", 15, _plain),
    ("complaint", 8, _complaint),
    ("absent", 8, _absent),
    ("delay", 4, _delay),
    ("unsubscribe", 3, _leave),
    ("forged", 1, _forged),
    ("unreadable", 1, _strange),
)
"""What comes, and how often in a hundred."""


def made(number: int, chance: random.Random, token: str, leave: str) -> tuple[str, str, bytes]:
    """Return local part, sender and octets of report `number`."""
    (write,) = chance.choices([kind[2] for kind in KINDS], [kind[1] for kind in KINDS])
    local, sender, text = write(number, chance, token, leave)
    return local, sender, text.replace("\n", "\r\n").encode()
