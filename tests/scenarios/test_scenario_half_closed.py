"""Half-closed connections: FIN behind the greeting, behind 354, and while idle; none of it is a false word."""

from tests.scenarios.conftest import World
from tests.scenarios.peer import Move


async def test_behind_the_greeting_the_next_host_takes_it(world: World) -> None:
    await world.peer(preference=10, greeting=("220 mx.example.net", Move.HALF))
    second = await world.peer(preference=20)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="delivered", mx=f"{second.name} [{second.address}]")


async def test_behind_354_the_message_waits_and_what_may_have_arrived_is_unsure(world: World) -> None:
    peer = await world.peer(data=("354 go", Move.HALF))
    await world.put("jo@example.net")
    await world.start()
    event = await world.outcome(event="deferred", code="451")
    await world.ended(peer)
    assert not peer.messages or "more than once" in event["reply"]


async def test_a_session_closed_while_idle_costs_the_next_message_nothing(world: World) -> None:
    peer = await world.peer(dot=[("250 queued", Move.CLOSE), "250 queued"])
    await world.put("one@example.net")
    await world.start()
    await world.events(1, "delivered")
    await world.ended(peer)
    await world.put("two@example.net")
    for event in await world.events(2, "delivered"):
        assert event["attempts"] == "1"
    assert len(peer.conversations) == 2
