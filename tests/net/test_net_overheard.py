"""Greeting, EHLO and STARTTLS read by our own rules: what a server may not say ends the session before any mail."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop
from aiosmtplib.protocol import SMTPProtocol

from mta.net.connect import CannotConnect, Dialling, Opened, Timeouts, open_session, opportunistic_context
from mta.net.overheard import EARLY, Overheard
from mta.net.resolver import Host
from mta.policy.tls import Level, TlsNeed
from mta.verdict import Stage

EHLO = b"250-mx.d.test\r\n250-SIZE 1000\r\n250 PIPELINING\r\n"
TIMES = Timeouts(connect=2, greeting=2, ehlo=2, quit=0.2)


class Script:
    """Answers the n-th command with the n-th line, octet by octet if `slow`; notes the commands."""

    def __init__(self, greeting: bytes, *answers: bytes, slow: bool = False) -> None:
        self.greeting = greeting
        self.answers = list(answers)
        self.slow = slow
        self.heard: list[bytes] = []
        self.port = 0
        self.over = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.say(writer, self.greeting)
            while line := await reader.readline():
                self.heard.append(line.strip())
                await self.say(writer, self.answers.pop(0) if self.answers else b"221 bye\r\n")
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.over.set()

    async def say(self, writer: asyncio.StreamWriter, raw: bytes) -> None:
        for part in [raw[n : n + 1] for n in range(len(raw))] if self.slow else [raw]:
            writer.write(part)
            await writer.drain()
            if self.slow:
                await asyncio.sleep(0)


@asynccontextmanager
async def running(script: Script) -> AsyncIterator[Script]:
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()


async def session(script: Script, tls: ssl.SSLContext | None = None, need: TlsNeed | None = None) -> Opened:
    dialling = Dialling(port=script.port, helo="us.test", timeouts=TIMES)
    opened = await open_session(Host("mx.d.test", "127.0.0.1"), dialling, tls, need)
    opened.transport.abort()
    return opened


async def refused(
    script: Script, tls: ssl.SSLContext | None = None, need: TlsNeed | None = None
) -> CannotConnect:
    async with running(script):
        with pytest.raises(CannotConnect) as caught:
            await session(script, tls, need)
        await script.over.wait()
    return caught.value


async def both_loops_octet_by_octet() -> None:
    async with running(Script(b"220-a\r\n220 b\r\n", EHLO, slow=True)) as script:
        assert (await session(script)).ehlo == ("mx.d.test", "SIZE 1000", "PIPELINING")


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_replies_that_come_octet_by_octet_are_the_same(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(both_loops_octet_by_octet())


LIES: dict[str, tuple[tuple[bytes, ...], Stage, str]] = {
    "a greeting of two codes": ((b"220-hi\r\n554 no\r\n",), Stage.GREETING, "two codes"),
    "more than a greeting": ((b"220 hi\r\n250 ok\r\n",), Stage.GREETING, EARLY),
    "half a line more than a greeting": ((b"220 hi\r\n25",), Stage.GREETING, EARLY),
    "a code beyond all classes": ((b"999 hi\r\n",), Stage.GREETING, "not an SMTP reply"),
    "an EHLO reply of two codes": ((b"220 hi\r\n", b"250-mx\r\n550 no\r\n"), Stage.EHLO, "two codes"),
    "more than an EHLO reply": ((b"220 hi\r\n", EHLO + b"250 ok\r\n"), Stage.EHLO, EARLY),
    "an EHLO reply without end": ((b"220 hi\r\n", b"250-x\r\n" * 20_000), Stage.EHLO, "too long"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_what_a_server_may_not_say_ends_it_without_another_word(lie: str) -> None:
    said, stage, why = LIES[lie]
    script = Script(*said)
    error = await refused(script)
    assert (error.stage, error.reply.local) == (stage, True)
    assert why in error.reply.text
    assert script.heard == [b"EHLO us.test"][: stage is Stage.EHLO]


async def test_what_is_slipped_in_behind_the_reply_to_starttls_ends_it() -> None:
    """RFC 3207 section 5 and the NO STARTTLS injections: nothing said in clear may count under TLS."""
    script = Script(b"220 hi\r\n", b"250-mx\r\n250 STARTTLS\r\n", b"220 go\r\n250 evil\r\n")
    error = await refused(script, opportunistic_context(), TlsNeed(Level.ENCRYPT, "domain"))
    assert (error.stage, error.fault) == (Stage.STARTTLS, "validation-failure")
    assert EARLY in error.reply.text
    assert script.heard == [b"EHLO us.test", b"STARTTLS"]


@pytest.mark.parametrize("greeting", [b"450 not now\r\n", b"554 5.7.1 no\r\n", b"250 what\r\n"])
async def test_a_host_that_refuses_hears_quit_whatever_it_says_to_it(greeting: bytes) -> None:
    script = Script(greeting, b"500 what\r\n")
    assert (await refused(script)).stage is Stage.GREETING
    assert script.heard == [b"QUIT"]


async def test_a_host_that_is_silent_to_quit_is_left() -> None:
    script = Script(b"554 no\r\n", b"")
    assert (await refused(script)).reply.code == 554
    assert script.heard == [b"QUIT"]


async def test_a_host_that_goes_hears_nothing_more() -> None:
    script = Script(b"421 4.3.2 going down\r\n")
    assert (await refused(script)).reply.code == 421
    assert script.heard == []


async def test_a_host_without_esmtp_is_asked_plainly_and_offers_nothing() -> None:
    async with running(Script(b"220 hi\r\n", b"502 what\r\n", b"250-mx\r\n250 PIPELINING\r\n")) as script:
        assert (await session(script)).ehlo == ()
        assert script.heard == [b"EHLO us.test", b"HELO us.test"]


async def test_what_a_refusal_says_is_safe_to_print() -> None:
    error = await refused(Script(b"554 \xff\x1b[2J\x00\xc2\x9b no\r\n"))
    assert error.reply.text.isprintable()
    error.reply.text.encode()
    assert error.reply.text.endswith(" no")


def test_what_comes_after_a_fault_reaches_nobody() -> None:
    async def story() -> None:
        ears = Overheard(SMTPProtocol(loop=asyncio.get_running_loop()))
        ears.data_received(b"what\r\n")
        fault = ears.fault
        ears.data_received(b"220 hi\r\n")
        assert (ears.fault, ears.last) == (fault, None)

    asyncio.run(story())
