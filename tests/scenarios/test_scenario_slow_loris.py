"""Slow loris, a reply byte by byte: a limit for the request, not only for each read; the slot is freed."""

import asyncio
from dataclasses import replace

from tests.scenarios.conftest import QUICK, World
from tests.scenarios.peer import Conversation


async def drip(one: Conversation) -> None:
    """Send a reply that never ends, a byte now and then."""
    await one.say(b"250 ")
    while True:
        await asyncio.sleep(0.02)
        await one.say(b"x")


async def test_the_transaction_has_a_limit(world: World) -> None:
    peer = await world.peer(rcpt=[drip, "250 ok"])
    await world.put("one@example.net")
    await world.start(times=replace(QUICK, deadline=0.4))
    await world.outcome(event="deferred", code="451")
    await world.put("two@example.net")
    await world.events(1, "delivered")
    assert len(peer.conversations) == 2


async def test_each_request_has_a_limit(world: World) -> None:
    await world.peer(rcpt=drip)
    await world.put("one@example.net")
    await world.start(times=replace(QUICK, rcpt=0.3, deadline=2.0))
    event = await world.outcome(event="deferred", code="451")
    assert "timed out during rcpt" in event["reply"]
