"""Greeting 4xx or 5xx: the next host is tried, at most two conversations are refused, and no recipient is blamed."""

import pytest

from tests.scenarios.conftest import World

REFUSALS = ["421 4.3.2 too busy", "450 not now", "554 5.7.1 no service for you"]


@pytest.mark.parametrize("greeting", REFUSALS)
async def test_the_next_host_takes_it(world: World, greeting: str) -> None:
    first = await world.peer(preference=10, greeting=greeting)
    second = await world.peer(preference=20)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="delivered", mx=f"{second.name} [{second.address}]")
    assert len(first.conversations) == 1


@pytest.mark.parametrize("greeting", REFUSALS)
async def test_after_two_refusals_the_message_waits(world: World, greeting: str) -> None:
    peers = [await world.peer(preference=number, greeting=greeting) for number in (10, 20, 30)]
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="deferred", code=greeting[:3])
    assert [len(peer.conversations) for peer in peers] == [1, 1, 0]


@pytest.mark.parametrize("greeting", ["450 not now", "554 5.7.1 no service for you"])
async def test_a_host_that_refuses_hears_quit(world: World, greeting: str) -> None:
    peer = await world.peer(greeting=greeting)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="deferred")
    await world.ended(peer)
    assert peer.commands == ["QUIT"]
