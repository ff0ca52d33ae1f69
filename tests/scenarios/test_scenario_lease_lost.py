"""A worker that slept past its lease: its late 2xx is not written, and the message has exactly one final event."""

from tests.scenarios.conftest import World
from tests.scenarios.peer import Conversation, until


async def test_the_late_result_is_refused(world: World) -> None:
    async def overtaken(one: Conversation) -> None:
        # Another took the name while this message's dot was out.
        await world.queue.register("w1", 30_000)
        await one.say(b"250 2.0.0 queued\r\n")

    peer = await world.peer(dot=[overtaken, "250 queued"])
    await world.put("jo@example.net")
    await world.start()
    await until(lambda: len(peer.messages) == 2)
    await world.outcome(event="delivered")
    assert (await world.queue.flight("w1")) == []
