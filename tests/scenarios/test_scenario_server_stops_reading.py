"""The server stops reading: a limit for writing, and no more in memory than the one message."""

from dataclasses import replace

from mta.mime.document import Document
from tests.scenarios.conftest import QUICK, World
from tests.scenarios.peer import Move

LARGE = Document(
    sender="News <news@acme.example>", subject="Hello", text="Hello there, all of you\n" * 400_000
)


async def test_the_message_waits_and_the_slot_is_freed(world: World) -> None:
    peer = await world.peer(extensions=("PIPELINING",), data=[("354 go", Move.DEAF), "354 go"])
    await world.put("one@example.net", document=LARGE)
    await world.start(times=replace(QUICK, body=0.3, dot=0.3))
    await world.outcome(event="deferred", code="451")
    await world.put("two@example.net")
    await world.events(1, "delivered")
    assert len(peer.conversations) == 2


async def test_a_dot_that_never_left_leaves_nothing_unsure(world: World) -> None:
    await world.peer(extensions=("PIPELINING",), data=("354 go", Move.DEAF))
    await world.put("one@example.net", document=LARGE)
    await world.start(times=replace(QUICK, body=0.3, dot=1.0))
    event = await world.outcome(event="deferred", code="451")
    assert "more than once" not in event["reply"]
