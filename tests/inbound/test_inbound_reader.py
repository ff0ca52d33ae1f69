"""The process that reads reports: bounded, killed when a mail is too much, started anew, and nothing is lost (S13)."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from mta.inbound import reader as reading
from mta.inbound.reader import Limits, Reader, Unreadable
from tests.inbound.test_inbound_listener import dsn

HEAD = b"From: MAILER-DAEMON@relay.example\r\nSubject: Undelivered mail\r\n"
BOMBS: dict[str, bytes] = {
    "1,000 containers": HEAD
    + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1000)),
    "1,000 messages": HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 1000 + b"x",
    "100,000 parts": HEAD
    + b"Content-Type: multipart/mixed; boundary=q\r\n\r\n"
    + b"--q\r\n\r\nx\r\n" * 100_000,
    "a million header lines": b"A: b\r\n" * 1_000_000 + b"\r\nbody",
    "a line of a megabyte": HEAD + b"\r\nfailed " + b"a" * 1_000_000,
    "a charset that lies": HEAD + b"Content-Type: text/plain; charset=utf-16\r\n\r\n\x00\xd8\x00\xff" * 50,
    "no charset at all": HEAD + b"Content-Type: text/plain; charset=" + b"x" * 5000 + b"\r\n\r\nfailed\xff",
    "half a report": dsn()[: len(dsn()) // 2],
    "nothing": b"\r\n",
    "NUL": b"\0" * 70_000,
}


@pytest.fixture
async def reader() -> Any:
    """A reader that ends with the test."""
    reader = Reader()
    yield reader
    await reader.close()


async def test_what_is_read_apart_is_what_is_read_here(reader: Reader) -> None:
    from mta.bounce.report import read

    for raw in (dsn(), b"hello", b""):
        assert await reader.read(raw) == read(raw)
    assert reader.started == 1


async def test_many_ask_at_once_and_each_gets_its_own_answer(reader: Reader) -> None:
    mails = [dsn(rcpt=f"u{n}@example.org") for n in range(20)]
    found = await asyncio.gather(*(reader.read(raw) for raw in mails))
    assert [reports[0].recipient for reports in found] == [f"u{n}@example.org" for n in range(20)]


async def test_s13_too_much_processor_time_ends_the_process_and_the_next_one_reads_on() -> None:
    busy = (
        "import sys, mta.inbound.apart as a\n"
        "good = a.read\n"
        "def read(raw):\n"
        "    while raw == b'for ever': pass\n"
        "    return good(raw)\n"
        "a.read = read\n"
        "a.main(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]), int(sys.argv[2]))"
    )
    reader = Reader(Limits(cpu=1), (sys.executable, "-c", busy))
    with pytest.raises(Unreadable, match="more than 1 s of processor time"):
        await reader.read(b"for ever")
    assert (await reader.read(dsn()))[0].kind == "bounce"
    assert reader.started == 2
    await reader.close()


async def test_s13_a_reader_that_dies_or_hangs_is_replaced(reader: Reader) -> None:
    await reader.read(dsn())
    assert reader._process is not None
    os.kill(reader._process.pid, signal.SIGKILL)
    with pytest.raises(Unreadable, match="signal 9"):
        await reader.read(dsn())
    assert (await reader.read(dsn()))[0].kind == "bounce"
    reader.limits = Limits(wall=0.2)
    assert reader._process is not None
    os.kill(reader._process.pid, signal.SIGSTOP)
    with pytest.raises(Unreadable, match=r"within 0\.2 s"):
        await reader.read(dsn())
    reader.limits = Limits()
    assert (await reader.read(dsn()))[0].kind == "bounce"


async def test_s13_too_little_memory_is_told_and_not_waited_for() -> None:
    reader = Reader(Limits(memory=1 << 26))
    with pytest.raises(Unreadable):
        await reader.read(b"x" * (1 << 27))
    await reader.close()


async def test_who_stops_waiting_leaves_no_answer_for_the_next(reader: Reader) -> None:
    await reader.read(b"warm")
    assert reader._process is not None
    os.kill(reader._process.pid, signal.SIGSTOP)
    waiting = asyncio.create_task(reader.read(dsn(rcpt="first@example.org")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await reader.read(dsn(rcpt="second@example.org")))[0].recipient == "second@example.org"


@pytest.mark.parametrize("name", BOMBS)
async def test_s13_bombs_are_taken_and_change_nothing_or_the_signed_address_alone(
    world: Any, name: str
) -> None:
    await world.start()
    async with world.peer() as peer:
        assert (await peer.send("", world.address(), BOMBS[name])).startswith("250")
        assert (await peer.send("", world.address(), dsn())).startswith("250")
    await world.until(lambda: not world.files("new"))
    assert {told["rcpt"] for _, told in world.redis.items} == {"bob@example.org"}
    assert world.redis.items[-1][1]["status"] == "5.1.1"


async def test_a_report_beyond_the_limits_is_kept_as_unparsed(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: Any, __: bytes) -> Any:
        raise Unreadable("took more than 2 s of processor time")

    await world.start()
    monkeypatch.setattr(reading.Reader, "read", refuse)
    async with world.peer() as peer:
        assert (await peer.send("", world.address(), dsn())).startswith("250")
        assert (await peer.send("", world.leave_address(), dsn())).startswith("250")
    await world.until(lambda: world.files("unparsed") and not world.files("new"))
    (path,) = world.files("unparsed")
    assert b"processor time" in path.read_bytes().partition(b"\n")[0]
    assert ("reports_total", "unparsed") in world.counted
    assert [told["event"] for _, told in world.redis.items] == ["unsubscribed"]  # which needs no reading


def test_the_reader_takes_nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTA_SECRET", "x")

    async def environment() -> bytes:
        reader = Reader()
        await reader.read(b"x")
        assert reader._process is not None
        told = Path(f"/proc/{reader._process.pid}/environ").read_bytes()
        await reader.close()
        return told

    assert b"MTA_SECRET" not in asyncio.run(environment())
