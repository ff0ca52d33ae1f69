"""A session past its age takes no other batch: it says goodbye, and the next message gets a new one."""

from tests.scenarios.conftest import World


async def test_it_ends_politely_and_the_next_is_new(world: World) -> None:
    peer = await world.peer()
    await world.start(age_seconds=0.0)
    for number in range(1, 4):
        await world.put("jo@example.net")
        await world.events(number, "delivered")
        await world.ended(peer, number)
    assert {one.end for one in peer.conversations} == {"quit"}


async def test_an_idle_one_is_ended_too(world: World) -> None:
    peer = await world.peer()
    await world.put("jo@example.net")
    await world.start(age_seconds=0.4)
    await world.events(1, "delivered")
    await world.ended(peer)
    assert peer.conversations[0].end == "quit"
