"""A session that has carried its number of messages, or was idle too long, says goodbye; the next goes on a new one."""

from tests.scenarios.conftest import World
from tests.scenarios.peer import until


async def test_after_its_number_of_messages(world: World) -> None:
    peer = await world.peer()
    await world.put("one@example.net")
    await world.start(messages=1)
    await world.events(1, "delivered")
    await world.put("two@example.net")
    await world.events(2, "delivered")
    await until(lambda: len(peer.conversations) == 2)
    await world.ended(peer, 2)
    assert [peer.verbs(number) for number in (0, 1)] == ["EHLO MAIL RCPT DATA QUIT"] * 2


async def test_idle_too_long(world: World) -> None:
    peer = await world.peer()
    await world.put("one@example.net")
    await world.start(idle_seconds=0.1)
    await world.events(1, "delivered")
    await world.ended(peer)
    assert peer.verbs() == "EHLO MAIL RCPT DATA QUIT"


async def test_an_idle_one_is_used_again(world: World) -> None:
    peer = await world.peer()
    await world.put("one@example.net")
    await world.start()
    await world.events(1, "delivered")
    await world.put("two@example.net")
    await world.events(2, "delivered")
    assert len(peer.conversations) == 1
