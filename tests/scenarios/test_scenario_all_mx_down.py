"""All mail hosts down: deferred, a pause for the path, and no storm of connections when more mail comes."""

from tests.scenarios.conftest import World


async def test_the_path_is_left_alone_for_a_while(world: World) -> None:
    down = await world.peer(greeting="421 4.3.2 shutting down")
    other = await world.peer("example.org")
    await world.put("one@example.net", "two@example.net")
    await world.start(unreachable_pause_ms=60_000)
    await world.events(2, "deferred")
    await world.put("three@example.net", "four@example.net")
    await world.put("jo@example.org", site="example.org")
    await world.events(1, "delivered")
    assert len(down.conversations) == 1
    assert len(other.messages) == 1


async def test_it_is_tried_again_when_the_pause_is_over(world: World) -> None:
    down = await world.peer(greeting=["421 4.3.2 shutting down", "220 back"])
    await world.put("one@example.net")
    await world.start(unreachable_pause_ms=50)
    await world.events(1, "deferred")
    await world.put("two@example.net")
    await world.events(1, "delivered")
    assert len(down.conversations) == 2
