"""RCPT all refused: no content reaches anyone, and the session serves the next message."""

import pytest

from tests.scenarios.conftest import World
from tests.scenarios.peer import EXTENSIONS


async def test_data_refused_too(world: World) -> None:
    peer = await world.peer(
        rcpt=["550 5.1.1 who", "250 ok"], data=["554 5.5.1 no valid recipients", "354 go"]
    )
    await world.put("one@example.net", "two@example.net")
    await world.start()
    events = {event["rcpt"]: event for event in await world.events(2)}
    assert events["one@example.net"]["event"] == "bounced"
    assert events["two@example.net"]["event"] == "delivered"
    assert peer.verbs(0).startswith("EHLO MAIL RCPT DATA RSET MAIL RCPT DATA")
    assert len(peer.messages) == 1


async def test_data_accepted_all_the_same_gets_a_lone_dot(world: World) -> None:
    peer = await world.peer(rcpt=["550 5.1.1 who", "250 ok"], dot=["554 5.5.1 nobody", "250 queued"])
    await world.put("one@example.net", "two@example.net")
    await world.start()
    await world.events(1, "delivered")
    assert peer.messages[0] == b""
    assert len(peer.conversations) == 1


@pytest.mark.parametrize("left_out", ["PIPELINING"])
async def test_without_pipelining_no_data_at_all(world: World, left_out: str) -> None:
    peer = await world.peer(
        extensions=tuple(one for one in EXTENSIONS if one != left_out), rcpt="550 5.1.1 who"
    )
    await world.put("one@example.net")
    await world.start()
    await world.outcome(event="bounced", status="5.1.1")
    await world.stop()
    await world.ended(peer)
    assert peer.verbs(0) == "EHLO MAIL RCPT QUIT"
