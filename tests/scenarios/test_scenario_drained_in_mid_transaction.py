"""Told to end in mid-transaction: what is under way is finished, nothing more is begun, the rest stays in the queue."""

from tests.scenarios.conftest import World
from tests.scenarios.peer import Conversation, until


async def test_what_is_under_way_is_finished(world: World) -> None:
    async def slow(one: Conversation) -> None:
        assert world.worker is not None
        world.worker.drain()
        await one.say(b"250 2.0.0 queued\r\n")

    peer = await world.peer(dot=[slow, "250 queued"])
    await world.put("one@example.net")
    await world.start()
    await until(lambda: peer.messages)
    await world.stop()
    await world.outcome(event="delivered")
    assert peer.verbs().endswith("QUIT")
    assert await world.queue.flight("w1") == []
