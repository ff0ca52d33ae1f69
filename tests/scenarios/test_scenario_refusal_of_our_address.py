"""5xx that speak of our address: the recipient is not suppressed, for it is not the recipient's fault."""

import pytest

from tests.scenarios.conftest import World

TEXTS = [
    "550 5.7.1 Service unavailable, Client host [192.0.2.1] blocked using Spamhaus",
    "554 5.7.1 Your IP address 192.0.2.1 is listed on our block list",
    "550 5.7.26 This mail has been blocked because the sender is unauthenticated",
]


@pytest.mark.parametrize("text", TEXTS)
async def test_nobody_is_suppressed(world: World, text: str) -> None:
    await world.peer(rcpt=text)
    await world.put("jo@example.net")
    await world.start()
    await world.events(1)
    assert await world.suppressed("jo@example.net") == ""


async def test_an_unknown_recipient_is(world: World) -> None:
    await world.peer(rcpt="550 5.1.1 no such user")
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="bounced", status="5.1.1")
    assert await world.suppressed("jo@example.net")
