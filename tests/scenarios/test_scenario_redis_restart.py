"""Redis is restarted while a message is at its dot: the result is written when it is back; nothing goes twice."""

from pathlib import Path
from tempfile import TemporaryDirectory

from mta.queue import embedded
from mta.queue.link import Server, connect
from tests.scenarios.conftest import World
from tests.scenarios.peer import Conversation


async def test_the_result_is_written_when_it_is_back(tmp_path: Path) -> None:
    # Not under tmp_path: the name of a unix socket has 107 octets at most.
    with TemporaryDirectory(prefix="mta-") as folder:
        server = embedded.start(Path(folder))
        client = connect(Server(server.url))
        world = World(server.url, client, tmp_path)

        async def restarted(one: Conversation) -> None:
            nonlocal server
            server.stop()
            await one.say(b"250 2.0.0 queued\r\n")
            server = embedded.start(Path(folder))

        try:
            peer = await world.peer(dot=[restarted, "250 queued"])
            await world.put("one@example.net")
            await world.start()
            event = await world.outcome(event="delivered", attempts="1")
            assert event["reply"] == "2.0.0 queued"
            await world.put("two@example.net")
            await world.events(2, "delivered")
            assert len(peer.messages) == 2
        finally:
            await world.close()
            await client.aclose()
            server.stop()
