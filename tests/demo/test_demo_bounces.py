"""Returned mail: a report that a mail parser takes apart, and that really goes out by SMTP."""

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from mta.demo.behaviour import Behaviour
from mta.demo.bounces import Bouncer, notification, send
from mta.demo.capture import Capture
from mta.demo.counts import Counts
from mta.demo.receiver import Receiver

ORIGINAL = b"From: n@s.test\r\nSubject: hello\r\nX-Mark: 7\r\n\r\n.body\r\n"


def parts(data: bytes) -> list[EmailMessage]:
    report = message_from_bytes(data, policy=policy.default)
    assert isinstance(report, EmailMessage)
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    return [part for part in report.iter_parts() if isinstance(part, EmailMessage)]


def report_for(recipient: str, status: str = "5.2.2") -> bytes:
    return notification(
        "b.x@s.test", recipient, ORIGINAL, status=status, reporter="mx.test", number=3, now=1e9
    )


def test_the_report_has_note_fields_and_headers() -> None:
    data = report_for("a@d.test")
    assert data.isascii()
    assert b"\n" not in data.replace(b"\r\n", b"")
    note, fields, headers = parts(data)
    assert note.get_content_type() == "text/plain"
    assert fields.get_content_type() == "message/delivery-status"
    message, recipient = fields.get_payload()  # type: ignore[misc]
    assert message["Reporting-MTA"] == "dns; mx.test"
    assert recipient["Final-Recipient"] == "rfc822; a@d.test"
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.2.2")
    assert recipient["Diagnostic-Code"] == "smtp; 552 5.2.2 mailbox is full"
    assert headers.get_content_type() == "text/rfc822-headers"
    assert "X-Mark: 7" in str(headers.get_payload())
    assert "body" not in str(headers.get_payload())


def test_a_non_ascii_recipient_is_spelt_in_seven_bits() -> None:
    data = report_for("jürgen@d.test", "5.9.9")
    assert data.isascii()
    assert b"Final-Recipient: utf-8; j\\x{FC}rgen@d.test\r\n" in data
    assert b"550 5.9.9 undeliverable" in data


async def test_a_share_of_accepted_mail_comes_back_to_its_sender() -> None:
    inbound = Receiver(capture=Capture(10))
    bounce_to = ("127.0.0.1", await inbound.start())
    behaviour = Behaviour(bounce_share=1, bounce_after_s=0.01, bounce_status="5.1.1")
    receiver = Receiver(domains={"back.test": behaviour}, bounce_to=bounce_to)
    await receiver.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
        writer.write(
            b"EHLO c\r\nMAIL FROM:<b.tok@s.test>\r\nRCPT TO:<b@keep.test>\r\nRCPT TO:<a@back.test>\r\n"
        )
        writer.write(b"DATA\r\n" + ORIGINAL + b".\r\nQUIT\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(5):
            while not receiver.counts.bounces_sent:
                await asyncio.sleep(0.005)
        assert inbound.capture
        [report] = inbound.capture.messages
        assert (report.sender, report.recipients) == ("", ("b.tok@s.test",))
        assert b"Final-Recipient: rfc822; a@back.test" in report.data
        assert inbound.counts.faults == {}
    finally:
        await receiver.stop()
        await inbound.stop()


async def test_a_refusing_inbound_server_is_an_error_and_counted() -> None:
    inbound = Receiver(Behaviour(perm_share=1))
    port = await inbound.start()
    counts = Counts()
    bouncer = Bouncer("127.0.0.1", port, counts)
    try:
        with pytest.raises(OSError, match="550"):
            await send("127.0.0.1", port, "c", "a@s.test", ORIGINAL)
        bouncer.later(0, "a@s.test", "x@d.test", ORIGINAL, "5.1.1", "mx.test")
        bouncer.later(0, "", "x@d.test", ORIGINAL, "5.1.1", "mx.test")  # a bounce is never bounced
        async with asyncio.timeout(5):
            while not counts.bounces_failed:
                await asyncio.sleep(0.005)
    finally:
        await bouncer.stop()
        await inbound.stop()
    assert (counts.bounces_sent, counts.bounces_failed) == (0, 1)


async def test_stopping_forgets_what_waits() -> None:
    counts = Counts()
    bouncer = Bouncer("127.0.0.1", 9, counts)
    bouncer.later(1000, "a@s.test", "x@d.test", ORIGINAL, "5.1.1", "mx.test")
    await bouncer.stop()
    assert (counts.bounces_sent, counts.bounces_failed) == (0, 0)
