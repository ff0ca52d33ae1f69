"""Never replies to the dot: the dot's own limit, then unsure."""

from dataclasses import replace

from mta.message import Flag
from tests.scenarios.conftest import QUICK, World
from tests.scenarios.peer import Move


async def test_it_is_unsure(world: World) -> None:
    peer = await world.peer(dot=Move.SILENT)
    await world.put("jo@example.net")
    await world.start(times=replace(QUICK, dot=0.2))
    event = await world.outcome(event="deferred", code="451")
    assert "timed out during dot" in event["reply"]
    assert "more than once" in event["reply"]
    (record,) = await world.waiting()
    assert record.flags & Flag.MAYBE_SENT
    await world.ended(peer)
    assert "QUIT" not in peer.verbs()
