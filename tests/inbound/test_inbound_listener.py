"""The inbound listener over real SMTP: what it takes, what it refuses, what it survives."""

import asyncio
import os
import smtplib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mta.inbound import processor, session
from mta.inbound import spool as spool_module
from mta.inbound.gate import Caps
from mta.message import MessageId


def dsn(
    rcpt: str = "bob@example.org", status: str = "5.1.1", action: str = "failed", text: str = ""
) -> bytes:
    return f"""From: MAILER-DAEMON@mx.example.org
To: someone
Subject: Undelivered
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=b"

--=b
Content-Type: text/plain

{text or "I could not deliver your mail."}

--=b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; {rcpt}
Action: {action}
Status: {status}
Remote-MTA: dns; inner.example.org
Diagnostic-Code: smtp; 550 {status} User unknown

--=b--
""".replace("\n", "\r\n").encode()


def arf(token: str = "") -> bytes:
    return f"""From: fbl@provider.example
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="=b"

--=b
Content-Type: text/plain

This is an abuse report.

--=b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: FBL/1.0
Version: 1
Original-Rcpt-To: victim@example.net

--=b
Content-Type: message/rfc822

From: news@acme.example
To: bob@example.org
Return-Path: <b.{token or "x"}@b.acme.example>
Subject: Hi

text
--=b--
""".replace("\n", "\r\n").encode()


async def test_a_bounce_becomes_an_event_and_a_suppression(world: Any) -> None:
    await world.start()
    address = world.address()
    async with world.peer() as peer:
        assert await peer.send("", address, dsn("mallory@victim.example")) == "250 2.0.0 ok"
    await world.until(lambda: world.redis.items)
    ((shard, told),) = world.redis.items
    assert shard == 1
    assert told["rcpt"] == "bob@example.org"  # the signed one, whoever the report names
    assert (told["event"], told["async"], told["status"], told["code"]) == ("bounced", "1", "5.1.1", "550")
    assert (told["id"], told["campaign"], told["ref"]) == ("spring.x.2", "spring", "u-771")
    assert told["ts"] == str(int(world.now * 1000))
    assert told["disposition"] == "hard"
    assert "User unknown" in told["reply"]
    assert world.redis.suppressed == [("acme", "", "bob@example.org", told["class"], "report")]
    assert world.redis.order == ["suppress", "event"]
    await world.until(lambda: not world.files("new"))
    assert ("reports_total", "bounce") in world.counted


async def test_a_client_library_is_served_and_case_is_folded(world: Any) -> None:
    await world.start()

    def send() -> dict[str, Any]:
        with smtplib.SMTP("127.0.0.1", world.listener.port, timeout=5) as client:
            return client.sendmail("<>", [world.address().upper()], dsn())

    assert await asyncio.to_thread(send) == {}
    await world.until(lambda: world.redis.items)


@pytest.mark.parametrize(
    "status, action, events, suppressed",
    [("4.4.7", "failed", 1, 0), ("5.2.2", "delayed", 0, 0), ("2.0.0", "delivered", 0, 0)],
)
async def test_what_is_no_bad_address_suppresses_nobody(
    world: Any, status: str, action: str, events: int, suppressed: int
) -> None:
    await world.start()
    async with world.peer() as peer:
        raw = dsn(status=status, action=action).replace(
            b"550 " + status.encode() + b" User unknown", b"421 later"
        )
        assert (await peer.send("", world.address(), raw)).startswith("250")
    await world.until(lambda: any(name == "reports_total" for name, _ in world.counted))
    assert (len(world.redis.items), len(world.redis.suppressed)) == (events, suppressed)
    await world.until(lambda: not world.files("new"))


async def test_only_signed_addresses_and_postmaster_exist(world: Any) -> None:
    await world.start()
    good = world.address()
    wrong = [
        "bob@example.org",
        "bounce-118@b.acme.example",
        good.replace("b.", "u.", 1),
        "xb" + good[2:],
        "postmaster2@acme.example",
        "b." + "a" * 300 + "@acme.example",
        "u.\x00" + good[3:],
    ]
    async with world.peer() as peer:
        assert (await peer.say("MAIL FROM:<>")).startswith("250")
        for address in wrong:
            assert (await peer.say(f"RCPT TO:<{address}>"))[0] == "5", address
            await asyncio.sleep(0)
        assert (await peer.say("DATA")).startswith("503")
        for address in ("postmaster", "PostMaster@acme.example", "FBL@x", good, world.leave_address()):
            assert (await peer.say(f"RCPT TO:<{address}>")).startswith("250"), address
    assert not world.files("new")
    assert ("inbound_refused_total", "recipient") in world.counted


async def test_250_comes_after_the_report_is_on_disk(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.redis.away = True
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    monkeypatch.setattr(os, "fsync", noted)
    await world.start()
    async with world.peer() as peer:
        assert (await peer.send("", world.address(), dsn())).startswith("250")
        (path,) = world.files("new")
        assert path.read_bytes().endswith(dsn() + b"\r\n") or path.read_bytes().endswith(dsn())
        assert [name.rpartition("/")[2] for name in synced] == [f".tmp-{path.name}", "new"]


async def test_a_disk_that_can_not_write_is_a_temporary_fault(world: Any) -> None:
    await world.start()
    (world.folder / "reports" / "new").rmdir()
    async with world.peer() as peer:
        assert (await peer.send("", world.address(), dsn())).startswith("452 4.3.1")
        (world.folder / "reports" / "new").mkdir()
        assert (await peer.send("", world.address(), dsn())).startswith("250")


async def test_reports_wait_while_redis_is_away_and_survive_a_restart(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "SCAN_SECONDS", 0.05)
    world.redis.away = True
    await world.start()
    async with world.peer() as peer:
        assert (await peer.send("", world.address(), dsn())).startswith("250")
    await asyncio.sleep(0.12)
    await world.stop()
    assert len(world.files("new")) == 1
    (world.folder / "reports" / ".tmp-half").write_text("half written")
    await world.start()
    assert not (world.folder / "reports" / ".tmp-half").exists()
    await asyncio.sleep(0.1)
    world.redis.away = False
    await world.until(lambda: world.redis.items)
    await world.until(lambda: not world.files("new"))


async def test_one_that_never_passes_holds_up_no_other(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "SCAN_SECONDS", 0.05)
    other = MessageId(1, 500, 3)
    world.people[other] = replace(world.people[world.id], id=other, name="spring.x.3")
    world.redis.poison = {"spring.x.2"}
    await world.start()
    async with world.peer() as peer:
        assert (await peer.send("", world.address(), dsn())).startswith("250")
        await asyncio.sleep(0.2)
        assert (await peer.send("", world.address(id=other), dsn())).startswith("250")
    await world.until(lambda: world.redis.items)
    assert world.redis.items[0][1]["id"] == "spring.x.3"
    assert len(world.files("new")) == 1  # it waits, and is not lost
    world.redis.poison = set()
    await world.until(lambda: not world.files("new"))


async def test_senders_wait_while_many_reports_do_and_too_many_are_refused(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "SOFT_BACKLOG", 1)
    monkeypatch.setattr(processor, "MOST_BACKLOG", 3)
    monkeypatch.setattr(processor, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(processor, "SCAN_SECONDS", 0.05)
    reading = asyncio.Event()
    await world.start()
    read = world.listener.processor.reader.read

    async def later(raw: bytes) -> Any:
        await reading.wait()
        return await read(raw)

    monkeypatch.setattr(world.listener.processor.reader, "read", later)
    async with world.peer() as peer:
        answers = [(await peer.send("", world.address(), dsn(text=str(n))))[:3] for n in range(5)]
        assert answers == ["250", "250", "250", "452", "452"]
        assert world.listener.gate.held == 0
        reading.set()
        await world.until(lambda: not world.files("new"))
        assert (await peer.send("", world.address(), dsn())).startswith("250")
    await world.until(lambda: len(world.redis.items) == 4)
    assert ("inbound_refused_total", "backlog") in world.counted


async def test_only_the_oldest_of_a_large_backlog_are_listed(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "MOST_LISTED", 2)
    world.spool.prepare()
    for n in (3, 1, 2):
        (world.spool.new / f"{n}.eml").write_bytes(b"x")
    (world.spool.new / "notes").write_bytes(b"x")
    paths, count = world.spool.waiting()
    assert ([path.stem for path in paths], count) == (["1", "2"], 3)


async def test_a_report_read_twice_is_told_under_one_eid(world: Any) -> None:
    await world.start()
    async with world.peer() as peer:
        for _ in range(2):
            assert (await peer.send("", world.address(), dsn())).startswith("250")
        assert (await peer.send("", world.address(), dsn(text="another"))).startswith("250")
    await world.until(lambda: len(world.redis.items) == 3)
    assert len({told["eid"] for _, told in world.redis.items}) == 2


async def test_what_nobody_understands_is_kept_within_bounds(world: Any) -> None:
    await world.start()
    async with world.peer() as peer:
        for n in range(5):
            world.now += 1
            raw = b"From: jo@x.example\r\nSubject: hello\r\n\r\n%d" % n
            assert (await peer.send("jo@x.example", world.address(), raw)).startswith("250")
    await world.until(lambda: not world.files("new"))
    kept = [path.read_bytes().strip()[-1:] for path in world.files("unparsed")]
    assert kept == [b"2", b"3", b"4"]
    assert world.redis.items == []


async def test_an_auto_reply_is_nothing(world: Any) -> None:
    await world.start()
    async with world.peer() as peer:
        raw = b"From: jo@x.example\r\nAuto-Submitted: auto-replied\r\nSubject: I am away\r\n\r\nuntil monday"
        assert (await peer.send("", world.address(), raw)).startswith("250")
    await world.until(lambda: ("reports_total", "auto_reply") in world.counted)
    await world.until(lambda: not world.files("new"))
    assert (world.redis.items, world.files("unparsed")) == ([], [])


async def test_mail_to_the_unsubscribe_address_unsubscribes(world: Any) -> None:
    await world.start()
    async with world.peer() as peer:
        raw = b"From: whoever@x.example\r\nSubject: unsubscribe\r\n\r\n"
        assert (await peer.send("whoever@x.example", world.leave_address(), raw)).startswith("250")
    await world.until(lambda: world.redis.items)
    ((_, told),) = world.redis.items
    assert (told["event"], told["via"], told["list"], told["rcpt"]) == (
        "unsubscribed", "mailto", "customers", "bob@example.org",
    )  # fmt: skip
    assert world.redis.suppressed == [("acme", "customers", "bob@example.org", "unsubscribed", "report")]


async def test_a_complaint_suppresses_only_with_our_token(world: Any) -> None:
    await world.start()
    token = world.address().partition("@")[0][2:]
    async with world.peer() as peer:
        assert (await peer.send("fbl@provider.example", "postmaster@acme.example", arf())).startswith("250")
        await world.until(lambda: world.files("postmaster"))
        assert world.redis.suppressed == []
        assert (await peer.send("fbl@provider.example", "postmaster", arf(token))).startswith("250")
        await world.until(lambda: world.redis.items)
        assert (await peer.send("fbl@provider.example", world.address(), arf())).startswith("250")
        await world.until(lambda: len(world.redis.items) == 2)
    for _, told in world.redis.items:
        assert (told["event"], told["feedback"], told["rcpt"]) == ("complained", "abuse", "bob@example.org")
    assert set(world.redis.suppressed) == {("acme", "", "bob@example.org", "complained", "report")}
    assert len(world.files("postmaster")) == 1


async def test_a_report_on_a_message_no_longer_kept_is_counted_only(world: Any) -> None:
    await world.start()
    async with world.peer() as peer:
        assert (await peer.send("", world.address(id=MessageId(0, 9, 9)), dsn())).startswith("250")
    await world.until(lambda: ("reports_total", "too_late") in world.counted)
    await world.until(lambda: not world.files("new"))
    assert world.redis.items == []


async def test_a_file_that_can_not_be_read_is_set_aside(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "SCAN_SECONDS", 0.02)
    world.spool.prepare()
    (world.folder / "reports" / "new" / "000-x.eml").write_bytes(b"not an envelope\nX: y\n")
    await world.start()
    await world.until(lambda: world.files("unparsed"))
    assert ("reports_total", "fault") in world.counted


async def test_a_report_with_a_long_line_is_not_lost(world: Any) -> None:
    await world.start()
    async with world.peer() as peer:
        assert (await peer.send("", world.address(), dsn(text="x" * 900_000))).startswith("250")
    await world.until(lambda: world.redis.items)


async def test_nothing_but_crlf_dot_crlf_ends_a_message(world: Any) -> None:
    await world.start()
    tricks = [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\x00\r\n.\n"]
    body = b"".join(b"text%sMAIL FROM:<evil@x>\r\nRCPT TO:<postmaster>\r\n" % trick for trick in tricks)
    async with world.peer() as peer:
        assert (await peer.say("MAIL FROM:<>", f"RCPT TO:<{world.address()}>", "DATA")).startswith("354")
        peer.writer.write(body + b"\r\n.\r\n")
        assert (await peer.reply()).startswith("250")
        assert (await peer.say("QUIT")).startswith("221")
        assert await peer.reply() == ""
    await world.until(lambda: world.files("unparsed"))
    assert len(world.files("unparsed") + world.files("new")) == 1
    assert (await _offered(world))["CHUNKING"] is False


async def _offered(world: Any) -> dict[str, bool]:
    async with world.peer(hello=False) as peer:
        await peer.reply()
        lines = (await peer.say("EHLO x")).split("\n")
        assert (await peer.say("BDAT 5 LAST")).startswith("500")
        return {"CHUNKING": any("CHUNKING" in line for line in lines)}


async def test_too_large_is_refused_before_and_after(world: Any) -> None:
    world.caps = Caps(max_size=100_000)
    await world.start()
    async with world.peer() as peer:
        assert (await peer.say("MAIL FROM:<> SIZE=100001")).startswith("552")
        assert (await peer.send("", world.address(), b"x" * 70 + b"\r\n" + b"y\r\n" * 60_000)).startswith(
            "552"
        )
        assert (await peer.send("", world.address(), dsn())).startswith("250")


async def test_a_line_without_an_end_meets_a_bound(world: Any) -> None:
    world.caps = Caps(max_size=100_000)
    await world.start()
    async with world.peer() as peer:
        assert (await peer.say("MAIL FROM:<>", f"RCPT TO:<{world.address()}>", "DATA")).startswith("354")
        ended = False
        try:
            for _ in range(400):
                peer.writer.write(b"x" * 65536)
                await peer.writer.drain()
        except ConnectionError:
            ended = True
        try:
            ended = ended or (await peer.reply()).startswith("421") or (await peer.reply()) == ""
        except ConnectionError:
            ended = True
        assert ended
    await world.until(lambda: world.listener.gate.inside == 0)
    assert world.listener.gate.held == 0


async def test_connections_are_bounded_in_all_and_per_address(world: Any) -> None:
    world.caps = Caps(connections=3, per_ip=2)
    await world.start()
    async with world.peer(), world.peer() as second:
        async with world.peer(hello=False) as third:
            assert (await third.reply()).startswith("421 4.7.0 too many connections")
            assert await third.reply() == ""
        await second.say("QUIT")
        await world.until(lambda: world.listener.gate.inside == 1)
        async with world.peer():
            pass
    await world.until(lambda: world.listener.gate.inside == 0)
    assert world.listener.gate.by_ip == {}
    assert ("inbound_refused_total", "connections_per_ip") in world.counted


async def test_a_session_ends_in_time_however_busy_it_is(world: Any) -> None:
    world.caps = Caps(session=0.3, timeout=5.0)
    await world.start()
    async with world.peer() as peer:
        answer = ""
        for _ in range(40):
            answer = await peer.say("NOOP")
            if not answer.startswith("250"):
                break
            await asyncio.sleep(0.02)
        assert answer.startswith("421 4.4.2") or answer == ""
    await world.until(lambda: world.listener.gate.inside == 0)


async def test_a_silent_client_is_dropped(world: Any) -> None:
    world.caps = Caps(timeout=0.2)
    await world.start()
    async with world.peer() as peer:
        assert await peer.reply() == ""


async def test_a_flood_of_commands_ends_the_session(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_CALLS", {"NOOP": 5, "*": 20})
    await world.start()
    async with world.peer() as peer:
        answers = [await peer.say("NOOP") for _ in range(6)]
        assert [answer[:3] for answer in answers] == ["250"] * 5 + ["421"]
        assert await peer.reply() == ""


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(world: Any) -> None:
    await world.start()
    async with world.peer() as peer:
        assert (await peer.say("MAIL FROM:<>", f"RCPT TO:<{world.address()}>", "DATA")).startswith("354")
        peer.writer.write(b"From: half\r\n")
        await peer.writer.drain()
        peer.writer.transport.abort()
    await world.until(lambda: world.listener.gate.inside == 0)
    assert (world.files("new"), world.listener.gate.held) == ([], 0)


async def test_stopping_lets_a_message_under_way_finish(world: Any) -> None:
    await world.start()
    listener = world.listener
    async with world.peer() as peer:
        assert (await peer.say("MAIL FROM:<>", f"RCPT TO:<{world.address()}>", "DATA")).startswith("354")
        stopping = asyncio.create_task(listener.stop(grace=5))
        await asyncio.sleep(0.05)
        peer.writer.write(dsn() + b"\r\n.\r\n")
        assert (await peer.reply()).startswith("250")
        assert (await peer.reply()).startswith("421")
        await stopping
    world.listener = None
    assert len(world.files("new")) + len(world.redis.items) >= 1


def test_it_works_on_uvloop_too(make_world: Any, tmp_path: Path) -> None:
    """Its transports are no subclass of asyncio's, and the hand-over at the door is ours."""
    uvloop = pytest.importorskip("uvloop")

    async def scenario() -> None:
        world = make_world(tmp_path)
        await world.start()
        async with world.peer() as peer:
            assert (await peer.send("", world.address(), dsn())).startswith("250")
        await world.until(lambda: world.redis.items)
        await world.stop()
        world.caps = Caps(session=0.2, connections=1, per_ip=1)
        await world.start()
        async with world.peer() as peer:
            async with world.peer(hello=False) as other:
                assert (await other.reply()).startswith("421 4.7.0")
            assert (await peer.reply()).startswith("421 4.4.2")
        await world.until(lambda: world.listener.gate.inside == 0)
        await world.stop()

    uvloop.run(scenario())
