"""421 mid-session: the message under way is deferred, what is decided stays, and the next gets a new connection."""

import pytest

from tests.scenarios.conftest import World
from tests.scenarios.peer import Move

CLOSING = ("421 4.7.0 closing", Move.CLOSE)


@pytest.mark.parametrize("where", ["mail", "rcpt", "data", "dot"])
async def test_it_costs_that_message_and_no_other(world: World, where: str) -> None:
    usual = {"mail": "250 ok", "rcpt": "250 ok", "data": "354 go", "dot": "250 queued"}[where]
    peer = await world.peer(**{where: [usual, CLOSING, usual]})
    await world.put("one@example.net", "two@example.net", "three@example.net")
    await world.start()
    events = {event["rcpt"].partition("@")[0]: event for event in await world.events(3)}
    assert events["one"]["event"] == "delivered"
    assert (events["two"]["event"], events["two"]["code"]) == ("deferred", "421")
    assert "more than once" not in events["two"]["reply"]
    assert (events["three"]["event"], events["three"]["attempts"]) == ("delivered", "1")
    assert len(peer.conversations) == 2
    assert len(peer.messages) == (3 if where == "dot" else 2)


async def test_while_idle_it_harms_no_message(world: World) -> None:
    async def away(one) -> None:
        await one.say(b"250 2.0.0 queued\r\n421 4.4.2 idle too long\r\n")
        one.writer.close()

    peer = await world.peer(dot=[away, "250 queued"])
    await world.put("one@example.net")
    await world.start()
    await world.events(1, "delivered")
    await world.ended(peer)
    await world.put("two@example.net")
    await world.events(2, "delivered")
    assert len(peer.conversations) == 2
