"""A server that takes the connection and says nothing: the greeting's limit, then the next host."""

from dataclasses import replace

from tests.scenarios.conftest import QUICK, World
from tests.scenarios.peer import Move


async def test_the_next_host_takes_it(world: World) -> None:
    first = await world.peer(preference=10, greeting=Move.SILENT)
    second = await world.peer(preference=20)
    await world.put("jo@example.net")
    await world.start(times=replace(QUICK, greeting=0.1))
    await world.outcome(event="delivered", mx=f"{second.name} [{second.address}]")
    assert first.commands == [], "nothing is said before the greeting"


async def test_no_command_before_the_whole_greeting(world: World) -> None:
    peer = await world.peer(greeting=(b"220-mx.example.net\r\n", Move.SILENT))
    await world.put("jo@example.net")
    await world.start(times=replace(QUICK, greeting=0.1))
    await world.outcome(event="deferred")
    await world.ended(peer)
    assert peer.commands == []
