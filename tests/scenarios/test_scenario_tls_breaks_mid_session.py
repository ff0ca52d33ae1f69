"""TLS breaks in mid-session: as a reset at that stage, and no second try in clear."""

import ssl

import pytest

from tests.scenarios.conftest import World
from tests.scenarios.peer import Move


@pytest.mark.parametrize("where", ["mail", "rcpt", "data", "dot"])
async def test_it_is_a_reset_at_that_stage(
    world: World, trusting: ssl.SSLContext, serving: ssl.SSLContext, where: str
) -> None:
    peer = await world.peer(tls=serving, **{where: Move.RESET})
    await world.put("jo@example.net")
    await world.start(tls=trusting)
    event = await world.outcome(event="deferred", code="451")
    assert ("more than once" in event["reply"]) == (where == "dot")
    assert len(peer.conversations) == 1
