"""4xx or 5xx to the dot: deferred or bounced; the session is good for the next."""

import pytest

from tests.scenarios.conftest import World


@pytest.mark.parametrize(
    "answer, event, status",
    [
        ("451 4.7.1 later", "deferred", "4.7.1"),
        ("554 5.7.1 spam", "bounced", "5.7.1"),
        ("552 5.3.4 big", "bounced", "5.3.4"),
    ],
)
async def test_it_decides_the_message(world: World, answer: str, event: str, status: str) -> None:
    peer = await world.peer(dot=[answer, "250 queued"])
    await world.put("one@example.net", "two@example.net")
    await world.start()
    events = {event["rcpt"]: event for event in await world.events(2)}
    assert (events["one@example.net"]["event"], events["one@example.net"]["status"]) == (event, status)
    assert events["two@example.net"]["event"] == "delivered"
    assert len(peer.conversations) == 1
    assert "RSET" not in peer.verbs(0)


async def test_what_the_peer_says_can_not_move_a_terminal_or_forge_a_line(world: World) -> None:
    await world.peer(dot=b"554-5.7.1 \x1b[2J\x07spam\x00\r\n554 5.7.1 \xe2\x80\xa8delivered\xff\r\n")
    await world.put("jo@example.net")
    await world.start()
    event = await world.outcome(event="bounced", status="5.7.1")
    assert event["reply"].isprintable()
