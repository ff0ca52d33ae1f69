"""Hosts that greet and then refuse to talk: two of them, and the mail waits; the third is for another time."""

import pytest

from tests.scenarios.conftest import World


@pytest.mark.parametrize("how", [{"greeting": "450 busy"}, {"ehlo": "421 busy"}], ids=["greeting", "ehlo"])
async def test_the_third_host_is_not_asked(world: World, how: dict[str, str]) -> None:
    peers = [await world.peer(preference=10 * number, **how) for number in range(1, 3)]
    third = await world.peer(preference=90)
    await world.put("jo@example.net")
    await world.start()
    event = await world.outcome(event="deferred", attempts="1")
    assert "busy" in event["reply"]
    assert [len(peer.conversations) for peer in peers] == [1, 1]
    assert third.conversations == []


async def test_those_that_do_not_answer_are_not_counted(world: World) -> None:
    for number in range(1, 4):
        await world.peer(preference=10 * number, listen=False)
    last = await world.peer(preference=90)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="delivered", mx=f"{last.name} [{last.address}]")
