"""A reply code out of context: a protocol error, the message waits, the session ends."""

import pytest

from tests.scenarios.conftest import World


@pytest.mark.parametrize(
    "where, said, unsure",
    [
        ("mail", "354 go", False),
        ("rcpt", "354 go", False),
        ("data", "250 ok", False),
        ("dot", "354 go", True),
    ],
)
async def test_it_ends_the_session(world: World, where: str, said: str, unsure: bool) -> None:
    usual = {"mail": "250 ok", "rcpt": "250 ok", "data": "354 go", "dot": "250 queued"}[where]
    peer = await world.peer(**{where: [said, usual]})
    await world.put("one@example.net")
    await world.start()
    event = await world.outcome(event="deferred", code="451")
    assert ("more than once" in event["reply"]) == unsure
    await world.put("two@example.net")
    await world.events(1, "delivered")
    assert len(peer.conversations) == 2


async def test_a_reply_that_nobody_asked_for(world: World) -> None:
    """The reply too many is not taken for the next message's."""
    peer = await world.peer(dot=["250 queued\r\n250 queued again", "250 queued"])
    await world.put("one@example.net")
    await world.start()
    await world.events(1, "delivered")
    await world.ended(peer)
    await world.put("two@example.net")
    await world.events(2, "delivered")
    assert len(peer.conversations) == 2
