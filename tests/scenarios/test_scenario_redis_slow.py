"""Redis is slow for a while: what is in flight is settled late and once, and nothing is delivered twice."""

from tests.scenarios.conftest import World
from tests.scenarios.peer import Conversation


async def test_results_are_written_once(world: World) -> None:
    async def slow(one: Conversation) -> None:
        await world.client.execute_command("CLIENT", "PAUSE", 700, "ALL")
        await one.say(b"250 2.0.0 queued\r\n")

    peer = await world.peer(dot=[slow, "250 queued"])
    await world.put("one@example.net", "two@example.net")
    await world.start()
    for event in await world.events(2):
        assert (event["event"], event["attempts"]) == ("delivered", "1")
    assert len(peer.messages) == 2
