"""One message to several people at a domain: one transaction and a verdict each, where it is the same for all."""

import time
from typing import Any

import pytest

from mta.message import Class, Lane, MessageId, Record
from mta.mime.document import Document
from mta.mime.mailing import Mailing, encode
from mta.queue import codec
from tests.scenarios.conftest import SITE, World
from tests.scenarios.peer import Move

RAW = b"From: a@acme.example\r\nTo: all@example.net\r\nSubject: s\r\n\r\nhello\r\n"
PEOPLE = ("ann@example.net", "bob@example.net", "cid@example.net")


async def put(world: World, *people: str, sender: str = "sender@b.acme.example", **content: Any) -> None:
    """Put a single message for these people, with one return path for all unless `sender` is empty."""
    content = content or {"raw": RAW}
    mailing = Mailing("acme", "acme.example", message_id="m1", envelope_from=sender, **content)
    lane = str(Lane(Class.BULK, "default", SITE, "acme", ""))
    now = int(time.time() * 1000)
    items = [
        codec.encode(
            MessageId(0, 77, row).pack(),
            Record(f"m1.{row}", rcpt, now, now + 86_400_000, body="77", index=row),
        )
        for row, rcpt in enumerate(people)
    ]
    bodies = [("77", encode(mailing), len(people))]
    assert await world.queue.put("acme:m1", 1, [[lane, 0, *items]], bodies=bodies)


def transactions(peer: Any) -> int:
    """Return how many the peer saw."""
    return sum(command.startswith("MAIL") for command in peer.commands)


async def verdicts(world: World, count: int) -> dict[str, str]:
    """Return whom what became of."""
    return {event["rcpt"].partition("@")[0]: event["event"] for event in await world.events(count)}


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()], ids=["pipelined", "serial"])
async def test_one_transaction_and_one_content_serve_them_all(
    world: World, extensions: tuple[str, ...]
) -> None:
    peer = await world.peer(extensions=extensions)
    await put(world, *PEOPLE)
    await world.start()
    assert await verdicts(world, 3) == dict.fromkeys(("ann", "bob", "cid"), "delivered")
    assert (transactions(peer), len(peer.messages)) == (1, 1)
    assert "MAIL FROM:<sender@b.acme.example>" in peer.commands
    await world.stop()
    assert await world.waiting() == []


async def test_each_has_its_own_verdict(world: World) -> None:
    peer = await world.peer(rcpt=["250 ok", "550 5.1.1 who", "450 4.2.2 full"])
    await put(world, *PEOPLE)
    await world.start()
    assert await verdicts(world, 3) == {"ann": "delivered", "bob": "bounced", "cid": "deferred"}
    assert (transactions(peer), len(peer.messages)) == (1, 1)


async def test_one_too_many_follows_at_once_without_an_attempt(world: World) -> None:
    peer = await world.peer(rcpt=["250 ok", "250 ok", "452 4.5.3 too many", "250 ok"])
    await put(world, *PEOPLE)
    await world.start()
    for event in await world.events(3, "delivered"):
        assert event["attempts"] == "1"
    assert (transactions(peer), len(peer.messages)) == (2, 2)


async def test_lost_behind_the_dot_all_of_them_are_unsure(world: World) -> None:
    await world.peer(dot=Move.CLOSE)
    await put(world, *PEOPLE)
    await world.start()
    for event in await world.events(3, "deferred"):
        assert "more than once" in event["reply"]


async def test_an_address_that_can_not_be_written_fails_alone(world: World) -> None:
    peer = await world.peer()
    await put(world, "ann@example.net", f"{'x' * 65}@example.net", "cid@example.net")
    await world.start()
    found = await verdicts(world, 3)
    assert (found["ann"], found["x" * 65], found["cid"]) == ("delivered", "failed", "delivered")
    assert len(peer.messages) == 2


DOCUMENT = Document(
    sender="a@acme.example",
    subject="s",
    text="hello\n",
    to_header="all@example.net",
    track_opens=False,
    track_clicks=False,
)
DIFFERENT = {
    "our own return path": {"sender": ""},
    "tracked": {"document": Document(sender="a@acme.example", subject="s", text="x\n", to_header="all@example.net")},
    "the name in the text": {
        "document": Document(
            sender="a@acme.example", subject="s", text="{{email}}\n", to_header="all@example.net",
            track_opens=False, track_clicks=False,
        )
    },
}  # fmt: skip


async def test_a_document_that_is_the_same_for_all_goes_once_too(world: World) -> None:
    peer = await world.peer()
    await put(world, *PEOPLE, document=DOCUMENT)
    await world.start()
    await world.events(3, "delivered")
    assert transactions(peer) == 1


@pytest.mark.parametrize("why", DIFFERENT)
async def test_what_differs_by_recipient_goes_to_each_alone(world: World, why: str) -> None:
    peer = await world.peer()
    more: dict[str, Any] = DIFFERENT[why]
    await put(world, *PEOPLE, **more)
    await world.start()
    await world.events(3, "delivered")
    assert (transactions(peer), len(peer.messages)) == (3, 3)
