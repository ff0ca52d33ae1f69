"""The receiver against real clients and raw bytes: order, strictness, faults on demand, and true counts."""

import asyncio
import io
import json
import smtplib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path

import aiosmtplib
import pytest

from mta.demo import certificate
from mta.demo.behaviour import Behaviour
from mta.demo.capture import Capture, captured
from mta.demo.receiver import Receiver, message_id

BODY = b"Message-ID: <1@s.test>\r\nSubject: x\r\n\r\nhello\r\n"


@asynccontextmanager
async def running(receiver: Receiver, hosts: Sequence[str] = ("127.0.0.1",)) -> AsyncIterator[Receiver]:
    await receiver.start(hosts)
    try:
        yield receiver
    finally:
        await receiver.stop()


class Raw:
    """A client that writes what it is told and reads replies by the line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def codes(self, count: int) -> list[int]:
        """Return the codes of the next `count` replies."""
        found: list[int] = []
        while len(found) < count:
            line = await self.reader.readline()
            assert line, f"connection ended after {found}"
            if line[3:4] == b" ":
                found.append(int(line[:3]))
        return found

    async def ended(self) -> bool:
        """True when the server closes without another word."""
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True


@asynccontextmanager
async def raw(receiver: Receiver, host: str = "127.0.0.1") -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection(host, receiver.port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except OSError:
            pass


def envelope(to: str = "a@d.test", body: bytes = BODY, sender: str = "n@s.test") -> bytes:
    return f"MAIL FROM:<{sender}>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode() + body + b".\r\n"


async def until(truth: object) -> None:
    """Wait for a condition that the event loop has still to bring about."""
    assert callable(truth)
    async with asyncio.timeout(5):
        while not truth():
            await asyncio.sleep(0.002)


def mail(subject: str = "x", to: str = "a@d.test") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "n@s.test", to, subject
    message["Message-ID"] = f"<{subject}@s.test>"
    message.set_content("hello\n.\n..\n.leading\n")
    return message


async def test_smtplib_delivers_and_dots_survive() -> None:
    async with running(Receiver(capture=Capture(10))) as receiver:

        def deliver() -> None:
            with smtplib.SMTP("127.0.0.1", receiver.port, timeout=5) as client:
                client.send_message(mail())

        await asyncio.to_thread(deliver)
        assert receiver.capture
        [message] = receiver.capture.messages
        assert message.data.endswith(b"\r\nhello\r\n.\r\n..\r\n.leading\r\n")
        assert (message.sender, message.recipients, message.tls) == ("n@s.test", ("a@d.test",), False)
        await until(lambda: receiver.counts.connections_open == 0)
        counts = receiver.counts
        assert (counts.messages, counts.dots_open, counts.dots_unconfirmed) == (1, 0, 0)
        assert counts.faults == {}


async def test_aiosmtplib_delivers_over_starttls() -> None:
    tls = certificate.server_context(*certificate.make(["mx.demo.test"]))
    async with running(Receiver(tls=tls, capture=Capture(1))) as receiver:
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=receiver.port, start_tls=True, validate_certs=False, timeout=5
        )
        async with client:
            await client.ehlo()
            assert client.supports_extension("pipelining")
            assert not client.supports_extension("starttls")
            await client.send_message(mail("one"))
            await client.send_message(mail("two"))
        assert receiver.capture
        assert receiver.capture.messages[0].tls
        assert (receiver.counts.connections_tls, receiver.counts.messages) == (1, 2)
        assert receiver.counts.faults == {}


async def test_what_is_pipelined_after_starttls_is_not_obeyed() -> None:
    tls = certificate.server_context(*certificate.make(["mx.demo.test"]))
    async with running(Receiver(tls=tls)) as receiver, raw(receiver) as client:
        client.write(b"EHLO c\r\nSTARTTLS\r\nNOOP\r\n")
        assert await client.codes(3) == [220, 250, 220]
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        await client.writer.start_tls(context, server_hostname="mx.demo.test")
        client.write(b"MAIL FROM:<a@s.test>\r\n")
        assert await client.codes(1) == [503]  # the greeting before the handshake is forgotten
        assert receiver.counts.faults == {"data_after_starttls": 1}


async def test_a_pipelined_train_is_answered_in_order() -> None:
    async with running(Receiver()) as receiver, raw(receiver) as client:
        client.write(b"EHLO c\r\n" + envelope("a@d.test") + envelope("b@e.test") + b"NOOP\r\nQUIT\r\n")
        assert await client.codes(12) == [220, 250, *[250, 250, 354, 250] * 2, 250, 221]
        assert await client.ended()
        counts = receiver.counts
        assert counts.by_domain == {"d.test": 1, "e.test": 1}
        assert (counts.messages, counts.duplicates) == (2, 0)
        assert counts.peak_for == {"d.test": 1}


async def test_every_octet_may_come_alone() -> None:
    async with running(Receiver(capture=Capture(1))) as receiver, raw(receiver) as client:
        for octet in b"EHLO c\r\n" + envelope(body=b"..a\r\n\r\n") + b"QUIT\r\n":
            client.write(bytes([octet]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert await client.codes(7) == [220, 250, 250, 250, 354, 250, 221]
        assert receiver.capture
        assert receiver.capture.messages[0].data == b".a\r\n\r\n"


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r"])
async def test_a_smuggled_message_stays_inside_and_is_counted(end: bytes) -> None:
    body = b"Subject: x\r\n\r\nhello" + end + b"MAIL FROM:<evil@s.test>\r\n"
    async with running(Receiver(capture=Capture(2))) as receiver, raw(receiver) as client:
        client.write(b"EHLO c\r\n" + envelope(body=body) + b"QUIT\r\n")
        assert await client.codes(7) == [220, 250, 250, 250, 354, 250, 221]
        assert receiver.counts.messages == 1
        assert receiver.counts.faults["bare_cr_or_lf"] == 1
        assert receiver.capture
        assert b"evil@s.test" in receiver.capture.messages[0].data


@pytest.mark.parametrize(
    "line, code",
    [
        (b"MAIL FROM: <a@s.test>", 501),
        (b"MAIL FROM:a@s.test", 501),
        (b"MAIL FROM:<a@s.test> SIZE=999999999999", 552),
        (b"MAIL FROM:<a@s.test> SIZE=x", 552),
        ("MAIL FROM:<ä@s.test>".encode(), 553),
        ("MAIL FROM:<ä@s.test> SMTPUTF8".encode(), 250),
        (b'MAIL FROM:<"a b>@"@s.test> BODY=8BITMIME', 250),
        (b"MAIL FROM:<>", 250),
        (b"RCPT TO:<a@d.test>", 503),
        (b"DATA", 503),
        (b"STARTTLS", 500),
        (b"BDAT 3", 500),
        (b"NOOP\nNOOP", 500),
        (b"NOOP \xff", 500),
        (b"noop", 250),
    ],
)
async def test_one_command(line: bytes, code: int) -> None:
    async with running(Receiver()) as receiver, raw(receiver) as client:
        client.write(b"EHLO c\r\n" + line + b"\r\n")
        assert await client.codes(3) == [220, 250, code]


async def test_a_refused_recipient_leaves_the_others_and_data_without_any_is_refused() -> None:
    domains = {"no.test": Behaviour(perm_share=1)}
    async with running(Receiver(domains=domains)) as receiver, raw(receiver) as client:
        client.write(
            b"EHLO c\r\nMAIL FROM:<n@s.test>\r\nRCPT TO:<a@NO.test>\r\nRCPT TO:<b@d.test>\r\nDATA\r\n"
        )
        client.write(BODY + b".\r\nMAIL FROM:<n@s.test>\r\nRCPT TO:<c@no.test>\r\nDATA\r\nRSET\r\n")
        assert await client.codes(11) == [220, 250, 250, 550, 250, 354, 250, 250, 550, 554, 250]
        assert receiver.counts.refused == {"permanent": 2}
        assert receiver.counts.by_domain == {"d.test": 1}


async def test_the_same_message_again_is_a_duplicate() -> None:
    async with running(Receiver()) as receiver, raw(receiver) as client:
        client.write(b"EHLO c\r\n" + envelope() * 3 + envelope("b@d.test"))
        await client.codes(18)
        assert (receiver.counts.messages, receiver.counts.duplicates) == (4, 2)
        assert (receiver.snapshot()["distinct"], receiver.snapshot()["distinct_recipients"]) == (2, 2)


async def test_delays_keep_the_order_and_hold_the_dot_open() -> None:
    slow = Behaviour(reply_delay_ms=5, dot_delay_ms=60)
    async with running(Receiver(domains={"d.test": slow})) as receiver, raw(receiver) as client:
        client.write(b"EHLO c\r\n" + envelope() + b"NOOP\r\n")
        assert await client.codes(5) == [220, 250, 250, 250, 354]
        await until(lambda: receiver.counts.dots_open == 1)
        assert await client.codes(2) == [250, 250]
        assert (receiver.counts.dots_open, receiver.counts.dots_open_peak) == (0, 1)


async def test_a_connection_lost_before_the_reply_is_counted_as_a_lost_dot() -> None:
    async with running(Receiver(Behaviour(dot_delay_ms=10_000))) as receiver:
        async with raw(receiver) as client:
            client.write(b"EHLO c\r\n" + envelope())
            await until(lambda: receiver.counts.dots_open == 1)
        await until(lambda: receiver.counts.connections_open == 0)
        counts = receiver.counts
        assert (counts.messages, counts.dots_open, counts.dots_lost, counts.dots_unconfirmed) == (1, 0, 1, 1)


async def test_a_peer_that_leaves_after_the_reply_leaves_one_dot_unconfirmed() -> None:
    async with running(Receiver()) as receiver:
        async with raw(receiver) as client:
            client.write(b"EHLO c\r\n" + envelope())
            await client.codes(6)
        await until(lambda: receiver.counts.connections_open == 0)
        assert (receiver.counts.dots_lost, receiver.counts.dots_unconfirmed) == (0, 1)


async def test_a_dropped_dot_is_accepted_and_the_second_try_is_a_duplicate() -> None:
    async with running(Receiver(Behaviour(drop_dot_share=1))) as receiver:
        for expected in ([220, 250, 250, 250, 354], [220, 250, 250, 250, 354, 250]):
            async with raw(receiver) as client:
                client.write(b"EHLO c\r\n" + envelope())
                assert await client.codes(len(expected)) == expected
                if len(expected) == 5:
                    assert await client.ended()
        counts = receiver.counts
        assert (counts.messages, counts.duplicates, counts.dropped, counts.dots_lost) == (2, 1, 1, 1)


async def test_a_session_is_cut_or_told_to_go_after_its_messages() -> None:
    domains = {"cut.test": Behaviour(drop_after=2), "go.test": Behaviour(close_after=1)}
    async with running(Receiver(domains=domains)) as receiver:
        async with raw(receiver) as client:
            client.write(b"EHLO c\r\n" + envelope("a@cut.test") + envelope("b@cut.test"))
            assert (await client.codes(10))[-1] == 250
            assert await client.ended()
        async with raw(receiver) as client:
            client.write(b"EHLO c\r\n" + envelope("a@go.test") + b"MAIL FROM:<n@s.test>\r\n")
            assert (await client.codes(7))[-2:] == [250, 421]
            assert await client.ended()
        assert receiver.counts.refused == {"session_limit": 1}
        assert receiver.counts.dropped == 1


async def test_connections_over_the_limit_of_one_address_get_421() -> None:
    hosts = {"127.0.0.2": Behaviour(max_connections=1)}
    async with (
        running(Receiver(hosts=hosts), ("127.0.0.2", "127.0.0.3")) as receiver,
        raw(receiver, "127.0.0.2") as first,
    ):
        assert await first.codes(1) == [220]
        async with raw(receiver, "127.0.0.2") as second:
            assert await second.codes(1) == [421]
            assert await second.ended()
        async with raw(receiver, "127.0.0.3") as third:
            assert await third.codes(1) == [220]
            assert receiver.counts.peak_at == {"127.0.0.2": 2, "127.0.0.3": 1}
        await until(lambda: receiver.counts.open_at["127.0.0.2"] == 1)


async def test_a_rate_limit_may_close_the_session() -> None:
    async with running(Receiver(Behaviour(rate=1, rate_code=421))) as receiver, raw(receiver) as client:
        client.write(b"EHLO c\r\n" + envelope("a@d.test") + b"MAIL FROM:<n@s.test>\r\nRCPT TO:<b@d.test>\r\n")
        assert (await client.codes(8))[-1] == 421
        assert await client.ended()


async def test_sizes_have_caps() -> None:
    async with running(Receiver(size_limit=1000)) as receiver:
        async with raw(receiver) as client:
            client.write(b"EHLO c\r\n" + envelope(body=b"x" * 900 + b"\r\n" + b"y" * 200 + b"\r\n"))
            assert (await client.codes(6))[-1] == 552
        async with raw(receiver) as client:
            client.write(b"EHLO c\r\nMAIL FROM:<n@s.test>\r\nRCPT TO:<a@d.test>\r\nDATA\r\n" + b"x" * 9000)
            assert (await client.codes(6))[-1] == 552
            assert await client.ended()
        async with raw(receiver) as client:
            client.write(b"X" * 5000)
            assert (await client.codes(2))[-1] == 500
        assert receiver.counts.messages == 0
        assert receiver.counts.faults == {"long_line": 1}


async def test_eight_bits_must_be_declared() -> None:
    body = "Subject: ä\r\n\r\n".encode()
    async with running(Receiver()) as receiver, raw(receiver) as client:
        client.write(b"EHLO c\r\n" + envelope(body=body))
        client.write(envelope(body=body).replace(b"<n@s.test>", b"<n@s.test> BODY=8BITMIME"))
        await client.codes(10)
        assert receiver.counts.faults == {"undeclared_8bit": 1}


async def test_captured_files_and_arrivals_tell_what_came(tmp_path: Path) -> None:
    arrivals = io.StringIO()
    capture = Capture(2, tmp_path / "mail")
    async with running(Receiver(capture=capture, arrivals=arrivals)) as receiver, raw(receiver) as client:
        client.write(b"EHLO c\r\n" + envelope("a@d.test") + envelope("b@d.test") + envelope("c@d.test"))
        await client.codes(14)
        assert receiver.snapshot()["captured"] == 2
    kept = captured(tmp_path / "mail")
    assert [message.recipients for message in kept] == [("a@d.test",), ("b@d.test",)]
    assert {message.data for message in kept} == {BODY}
    index = [json.loads(line) for line in (tmp_path / "mail" / "index.jsonl").read_text().splitlines()]
    assert index[0]["sha256"] == sha256(BODY).hexdigest()
    lines = [line.split("\t") for line in arrivals.getvalue().splitlines()]
    assert [line[3] for line in lines] == ["a@d.test", "b@d.test", "c@d.test"]
    assert lines[0][4] == "<1@s.test>"


async def test_the_control_port_sends_the_counts_and_ends() -> None:
    async with running(Receiver()) as receiver:
        port = await receiver.start_control()
        async with raw(receiver) as client:
            client.write(b"EHLO c\r\n" + envelope())
            await client.codes(6)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            document = json.loads(await reader.read())
            writer.close()
            await writer.wait_closed()
        assert (document["messages"], document["connections_open"], document["distinct"]) == (1, 1, 1)


@pytest.mark.parametrize(
    "head, name",
    [
        (b"Message-ID: <a@b>\r\n\r\n", b"<a@b>"),
        (b"From: x\r\nmessage-id:<a@b>\r\nTo: y\r\n\r\n", b"<a@b>"),
        (b"Message-ID:\r\n <a@b>\r\n\r\n", b"<a@b>"),
        (b"From: x\r\n\r\nMessage-ID: <a@b>\r\n", b""),
        (b"Message-ID: <a@b>\r\n", b"<a@b>"),
        (b"", b""),
    ],
)
def test_message_id(head: bytes, name: bytes) -> None:
    assert message_id(head) == name
