"""Connect timed out: the next address, after the connect limit and not the greeting's."""

import socket
from dataclasses import replace

from tests.scenarios.conftest import QUICK, World


async def test_the_next_host_takes_it(world: World) -> None:
    first = await world.peer(preference=10, listen=False)
    await world.peer(preference=20)
    # A full backlog of one that is never served: further connections are neither taken nor refused.
    with socket.socket() as deaf, socket.socket() as before, socket.socket() as more:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deaf.bind((first.address, first.port))
        deaf.listen(0)
        for filler in (before, more):
            filler.setblocking(False)
            filler.connect_ex((first.address, first.port))
        await world.put("jo@example.net")
        await world.start(times=replace(QUICK, connect=0.1))
        await world.outcome(event="delivered", mx="mx2.example.net [127.0.0.2]")
