"""A receiver that takes a large message a few octets at a time: not for ever; one that is merely slow gets it all."""

import asyncio
from dataclasses import replace

from mta.mime.document import Document
from tests.scenarios.conftest import QUICK, World
from tests.scenarios.peer import Conversation

LINES = 400_000
LARGE = Document(sender="News <news@acme.example>", subject="Hello", text="Hello there, all of you\n" * LINES)


def reading(octets: int, pause: float):
    """Return a receiver that takes so many octets, then waits so many seconds, and so on to the end."""

    async def read(one: Conversation) -> None:
        one.reader._limit = octets  # type: ignore[attr-defined]
        await one.say(b"354 go\r\n")
        tail = b""
        while not tail.endswith(b"\r\n.\r\n"):
            part = await one.reader.read(octets)
            if not part:
                raise EOFError
            tail = (tail + part)[-5:]
            await asyncio.sleep(pause)
        await one.say(b"250 2.0.0 queued\r\n")

    return read


async def test_a_trickle_is_ended_and_nothing_is_unsure(world: World) -> None:
    await world.peer(extensions=("PIPELINING",), data=reading(16 * 1024, 0.02))
    await world.put("one@example.net", document=LARGE)
    await world.start(times=replace(QUICK, body=2.0, dot=0.5, least_rate=1e8))
    event = await world.outcome(event="deferred", code="451")
    assert "reads less than" in event["reply"]
    assert "more than once" not in event["reply"]


async def test_the_answer_has_its_time_after_the_message_is_out(world: World) -> None:
    """The reading alone takes longer than the limit for the reply to the dot."""
    await world.peer(extensions=("PIPELINING",), data=[reading(256 * 1024, 0.02), "354 go"])
    await world.put("one@example.net", document=LARGE)
    await world.start(times=replace(QUICK, body=2.0, dot=0.5, least_rate=1.0))
    await world.events(1, "delivered")
