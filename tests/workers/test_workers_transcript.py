"""The SMTP transcript: what was said in the sessions of the scopes that were named, and nothing of any other."""

import re
from pathlib import Path
from typing import Any

import pytest

from mta.daemon.worker_role import Working
from mta.message import Record
from mta.mime.document import Document
from mta.queue.codec import Item
from mta.smtp.dialogue import Dialogue, Envelope
from mta.workers.scopes import ScopeError, Scopes, parse
from mta.workers.transcript import MAX_LINE, MAX_WAITING, Transcript
from mta.workers.work import Work
from tests.scenarios.conftest import World
from tests.scenarios.peer import Peer

SECRET = Document(
    sender="News <news@acme.example>", subject="Hello", text="the secret word\n", track_opens=False
)
BDAT = ("PIPELINING", "CHUNKING")


async def sent(
    world: World, scopes: str, *rcpts: str, extensions: Any = None, **more: Any
) -> tuple[list[str], Peer]:
    """Deliver to these with a transcript of these scopes; return its lines without time and session, and the peer."""
    given = {"extensions": extensions} if extensions is not None else {}
    peer = await world.peer(**given)
    worker = await world.start()
    transcript = Transcript(world.folder / "transcript.log", parse(scopes.split()), **more)
    worker.doors.transcript = transcript
    await world.put(*rcpts, document=SECRET)
    await world.events(len(rcpts), "delivered")
    await world.stop()
    transcript.reopen()
    return lines(transcript.path), peer


def lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    found = path.read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \d+\.\d+ [<>=] ", line) for line in found)
    return [line.split(" ", 2)[2] for line in found]


@pytest.mark.parametrize(
    "scopes", ["site:example.net", "domain:example.net", "tenant:acme", "campaign:acme/c1"]
)
@pytest.mark.parametrize("extensions", [None, ()], ids=["pipelining", "one by one"])
async def test_transcript_of_one_message(world: World, scopes: str, extensions: Any) -> None:
    said, peer = await sent(world, scopes, "jo@example.net", extensions=extensions)
    assert said[0].startswith("= session with mx1.example.net [127.0.0.1] on default|example.net, in clear")
    assert said[1].startswith("= EHLO: mx.example.net")
    commands = [line[2:] for line in said if line[0] == ">" and line != "> QUIT"]
    assert commands == [*(one for one in peer.commands if one[:4] in ("MAIL", "RCPT", "DATA")), "."]
    assert [line[:5] for line in said if line[0] == "<" and "221" not in line] == [
        "< 250",
        "< 250",
        "< 354",
        "< 250",
    ]
    (content,) = [line for line in said if line.startswith("= content, ")]
    assert int(content.split()[2]) == len(peer.conversations[0].messages[0])
    assert "secret" not in "\n".join(said)
    assert ("> QUIT" in said) is scopes.startswith("site")


@pytest.mark.parametrize(
    "scopes", ["site:other.example", "domain:other.example", "tenant:other", "campaign:acme/c9"]
)
async def test_transcript_of_others_is_empty(world: World, scopes: str) -> None:
    said, _ = await sent(world, scopes, "jo@example.net")
    assert said == []


async def test_transcript_without_a_matching_scope_uses_the_plain_dialogue(world: World) -> None:
    await world.peer()
    worker = await world.start()
    worker.doors.transcript = Transcript(world.folder / "t.log", parse(["site:other.example"]))
    await world.put("jo@example.net")
    await world.events(1, "delivered")
    assert {type(one.dialogue) for one in worker.delivery.dispatch.sessions} == {Dialogue}


async def test_transcript_of_one_campaign_hides_what_rides_beside_it(world: World) -> None:
    peer = await world.peer()
    for rcpt in ("one@example.net", "two@example.net", "three@example.net"):
        await world.put(rcpt)
    worker = await world.start(connections=1)
    worker.doors.transcript = Transcript(world.folder / "t.log", parse(["campaign:acme/c2"]))
    await world.events(3, "delivered")
    await world.stop()
    worker.doors.transcript.reopen()
    said = lines(world.folder / "t.log")
    assert len(peer.conversations) == 1
    assert [line for line in said if line.startswith("> RCPT")] == ["> RCPT TO:<two@example.net>"]
    assert any(line.startswith("= another message's commands, ") for line in said)
    assert not re.search("one@example.net|three@example.net", "\n".join(said))


def test_transcript_wants_a_transaction_for_any_of_its_recipients(tmp_path: Path) -> None:
    def work(rcpt: str) -> Work:
        return Work(Item(b"", "1|default|example.net|acme|", Record("m", rcpt, 0, 0)))

    transcript = Transcript(tmp_path / "t.log", parse(["domain:b.example"]))
    one = work("jo@a.example")
    envelope = Envelope(one, "", ("jo@a.example",))
    assert not transcript._wants(envelope)
    one.others = (work("bo@b.example"),)
    assert transcript._wants(envelope)
    assert not transcript._wants(Envelope("another's key", "", ("bo@b.example",)))


async def test_transcript_redacts_addresses(world: World) -> None:
    peer_says = "550 5.1.1 <Jo.Who@example.net>: no such user here"
    await world.peer(rcpt=peer_says)
    worker = await world.start()
    worker.doors.transcript = Transcript(
        world.folder / "t.log", parse(["site:example.net"]), redact=True, key=b"k" * 32
    )
    await world.put("jo.who@example.net")
    await world.events(1, "bounced")
    await world.stop()
    worker.doors.transcript.reopen()
    text = "\n".join(lines(world.folder / "t.log"))
    assert "jo.who" not in text.lower()
    masked = re.findall(r"([0-9a-f]{12})@example\.net", text)
    assert len(masked) == 2
    assert len(set(masked)) == 1


async def test_transcript_of_a_peer_that_sends_binary_and_never_ends_its_line(world: World) -> None:
    await world.peer(mail=b"250 \x1b[2J\xff\x00\x7f" + b"x" * 700 + b"\r\n")
    worker = await world.start()
    worker.doors.transcript = Transcript(world.folder / "t.log", parse(["site:example.net"]))
    await world.put("jo@example.net")
    await world.events(1)
    await world.stop()
    worker.doors.transcript.reopen()
    text = (world.folder / "t.log").read_bytes()
    assert re.fullmatch(rb"[\x20-\x7e\n]*", text)
    assert b"\\u001b[2J" in text
    assert max(len(line) for line in text.splitlines()) < MAX_LINE * 6 + 60


def test_transcript_ends_at_its_limit_and_goes_on_after_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "log" / "t.log"
    transcript = Transcript(path, Scopes(), most_bytes=200, clock=lambda: 1_790_000_000.5)
    for n in range(10):
        transcript.line(n, ">", "MAIL FROM:<>")
        transcript.flush()
    assert path.stat().st_size <= 200
    assert transcript.lost == 10 - len(lines(path))
    assert "log.transcript_limit" in transcript.fault
    path.rename(tmp_path / "t.log.1")
    transcript.reopen()
    transcript.line(1, ">", "DATA")
    transcript.flush()
    assert (lines(path), transcript.fault) == (["> DATA"], "")
    assert path.read_text().startswith("2026-09-21T14:13:20.500Z ")


def test_transcript_keeps_little_in_memory_and_a_broken_disk_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    transcript = Transcript(tmp_path / "file" / "t.log", Scopes())
    for _ in range(MAX_WAITING // 500 + 100):
        transcript.line(1, "<", "x" * 480)
    assert transcript.lost > 0
    transcript.flush()
    assert "file" in transcript.fault


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("google", "write site:, domain:, tenant: or campaign:"),
        ("site:", "write site:"),
        ("host:mx.example.net", "write site:"),
        ("domain:a b", "write domain:example.net"),
        ("campaign:spring", "write campaign:acme/spring-26"),
        ("tenant:a|b", "write tenant:acme"),
    ],
)
def test_transcript_scopes_that_are_none(text: str, cure: str) -> None:
    with pytest.raises(ScopeError, match=re.escape(cure)):
        parse([text])


def test_transcript_scopes_are_bounded_and_read() -> None:
    with pytest.raises(ScopeError, match="more than 100"):
        parse([f"site:s{n}" for n in range(101)])
    assert not parse([])
    found = parse(["site:Google", "domain:EXAMPLE.net", "campaign:acme/spring", "tenant:other"])
    assert found.sites == {"google"}
    assert found.message("2|p|s|x|", "a@example.net")
    assert found.message("2|p|s|acme|spring", "a@b.example")
    assert found.message("2|p|s|other|", "a@b.example")
    assert not found.message("2|p|s|acme|summer", "a@b.example")


async def test_transcript_takes_effect_by_reload(world: World) -> None:
    """The role gives its workers a transcript, another one, and none, as the settings say."""
    from mta.config.settings import Log, Paths, Settings

    await world.peer()
    worker = await world.start()
    role: Any = Working.__new__(Working)
    role.workers, role.transcript = [worker], None
    role.queueing = type("Queueing", (), {"secrets": type("Secrets", (), {"suppression": b"k"})})
    paths = Paths(str(world.folder))
    role._transcribe(
        Settings(paths=paths, log=Log(transcript=("site:example.net",), transcript_limit=70_000))
    )
    transcript = worker.doors.transcript
    assert isinstance(transcript, Transcript)
    assert (transcript.path, transcript.most_bytes) == (world.folder / "log" / "transcript.log", 70_000)
    await world.put("jo@example.net")
    await world.events(1, "delivered")
    role._transcribe(Settings(paths=paths))
    assert worker.doors.transcript is None
    assert "> DATA" in lines(transcript.path)
