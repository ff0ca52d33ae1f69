"""The connection is taken and closed or broken before a word: the next host, and no recipient is blamed."""

import pytest

from tests.scenarios.conftest import World
from tests.scenarios.peer import Move


@pytest.mark.parametrize("how", [Move.CLOSE, Move.RESET])
async def test_the_next_host_takes_it(world: World, how: Move) -> None:
    await world.peer(preference=10, greeting=how)
    second = await world.peer(preference=20)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="delivered", mx=f"{second.name} [{second.address}]")


async def test_without_another_host_the_message_waits(world: World) -> None:
    await world.peer(greeting=Move.CLOSE)
    await world.put("jo@example.net")
    await world.start()
    event = await world.outcome(event="deferred", code="451")
    assert "more than once" not in event["reply"]
