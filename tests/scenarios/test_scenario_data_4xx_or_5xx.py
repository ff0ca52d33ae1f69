"""DATA 4xx or 5xx: a verdict on the message; the session goes on behind RSET."""

import pytest

from tests.scenarios.conftest import World


@pytest.mark.parametrize(
    "answer, event", [("451 4.3.0 later", "deferred"), ("554 5.7.1 no", "bounced"), ("250 odd", "deferred")]
)
async def test_it_decides_the_message(world: World, answer: str, event: str) -> None:
    peer = await world.peer(data=[answer, "354 go"])
    await world.put("one@example.net", "two@example.net")
    await world.start()
    events = {event["rcpt"]: event for event in await world.events(2)}
    assert events["one@example.net"]["event"] == event
    assert events["two@example.net"]["event"] == "delivered"
    # An answer out of place ends the session: nothing after it could be paired.
    assert len(peer.conversations) == (2 if answer == "250 odd" else 1)
    if answer != "250 odd":
        assert "RSET" in peer.verbs(0)
