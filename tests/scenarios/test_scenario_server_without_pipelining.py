"""A server without PIPELINING: strictly one command at a time, the next message only when the last is answered."""

from tests.scenarios.conftest import World


async def test_one_command_at_a_time(world: World) -> None:
    peer = await world.peer(extensions=("SIZE 1000000",))
    await world.put("one@example.net", "two@example.net", "three@example.net")
    await world.start()
    await world.events(3, "delivered")
    (only,) = peer.conversations
    assert not only.pipelined
    assert len(only.messages) == 3


async def test_a_server_that_answers_before_it_is_asked_is_left(world: World) -> None:
    peer = await world.peer(extensions=(), mail=["250 ok\r\n250 ok\r\n354 go", "250 ok"])
    await world.put("one@example.net")
    await world.start()
    event = await world.outcome(event="deferred", code="451")
    assert "before it was asked" in event["reply"]
    assert "more than once" not in event["reply"]
    assert peer.messages == []


async def test_with_pipelining_commands_travel_together(world: World) -> None:
    peer = await world.peer()
    await world.put("one@example.net", "two@example.net")
    await world.start()
    await world.events(2, "delivered")
    assert peer.conversations[0].pipelined
