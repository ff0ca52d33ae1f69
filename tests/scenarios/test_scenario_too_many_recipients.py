"""452 or 552 "too many recipients" to RCPT: for later, never a bounce (RFC 5321 4.5.3.1.10)."""

import pytest

from tests.scenarios.conftest import World


@pytest.mark.parametrize("answer", ["452 4.5.3 too many recipients", "552 5.5.3 too many recipients"])
async def test_it_is_for_later(world: World, answer: str) -> None:
    peer = await world.peer(rcpt=[answer, "250 ok"])
    await world.put("one@example.net", "two@example.net")
    await world.start()
    events = {event["rcpt"]: event["event"] for event in await world.events(2)}
    assert events == {"one@example.net": "deferred", "two@example.net": "delivered"}
    assert await world.suppressed("one@example.net") == ""
    assert len(peer.conversations) == 1
