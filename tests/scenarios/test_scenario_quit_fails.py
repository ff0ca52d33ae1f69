"""QUIT fails in every way there is: no result changes, and the worker ends all the same."""

import pytest

from tests.scenarios.conftest import World
from tests.scenarios.peer import Move

WAYS = {
    "500": "500 5.5.1 what", "closed": Move.CLOSE, "reset": Move.RESET, "silent": Move.SILENT,
    "rubbish": b"\xff\xff\r\n", "421": "421 4.3.0 bye",
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
async def test_it_changes_nothing(world: World, way: str) -> None:
    peer = await world.peer(quit=WAYS[way])
    await world.put("jo@example.net")
    await world.start()
    await world.events(1, "delivered")
    await world.stop()
    await world.outcome(event="delivered")
    assert peer.verbs().endswith("QUIT")
