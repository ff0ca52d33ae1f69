"""Redis is out of memory: new mail is refused, results are still written."""

import pytest

from mta.queue.link import QueueFull
from tests.scenarios.conftest import World
from tests.scenarios.peer import Conversation


async def test_results_have_room(world: World) -> None:
    async def full(one: Conversation) -> None:
        await world.client.config_set("maxmemory", 1)
        await one.say(b"250 2.0.0 queued\r\n")

    await world.peer(dot=full)
    await world.put("jo@example.net")
    try:
        await world.start()
        await world.outcome(event="delivered")
        with pytest.raises(QueueFull):
            await world.queue.put("acme:more", 1, [["2|default|example.net|acme|c1", 0, b"x"]])
    finally:
        await world.client.config_set("maxmemory", 0)
