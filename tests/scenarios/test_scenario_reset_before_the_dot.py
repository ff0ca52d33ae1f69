"""Reset or timeout before the dot: a clean retry, no duplicate possible."""

from dataclasses import replace

import pytest

from mta.message import Flag
from tests.scenarios.conftest import QUICK, SOON, World
from tests.scenarios.peer import Move


@pytest.mark.parametrize("where", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("how", [Move.RESET, Move.CLOSE])
async def test_it_is_tried_again_and_arrives_once(world: World, where: str, how: Move) -> None:
    usual = {"mail": "250 ok", "rcpt": "250 ok", "data": "354 go"}[where]
    peer = await world.peer(**{where: [how, usual]})
    await world.put("jo@example.net")
    await world.start(schedule=SOON)
    deferred, delivered = await world.events(2)
    assert (deferred["event"], deferred["code"]) == ("deferred", "451")
    assert f"during {where}" in deferred["reply"] or "connection" in deferred["reply"]
    assert "more than once" not in deferred["reply"]
    assert (delivered["event"], delivered["attempts"]) == ("delivered", "2")
    assert len(peer.messages) == 1


async def test_a_timeout_is_the_same(world: World) -> None:
    peer = await world.peer(data=[Move.SILENT, "354 go"])
    await world.put("jo@example.net")
    await world.start(times=replace(QUICK, mail=0.1, rcpt=0.1, data=0.1), schedule=SOON)
    deferred, delivered = await world.events(2)
    assert "timed out during data" in deferred["reply"]
    assert delivered["event"] == "delivered"
    assert len(peer.messages) == 1


async def test_nothing_is_marked_as_possibly_sent(world: World) -> None:
    await world.peer(data=Move.RESET)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="deferred")
    (record,) = await world.waiting()
    assert not record.flags & Flag.MAYBE_SENT
