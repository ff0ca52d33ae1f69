"""The source address is gone from this host: the message waits, no attempt counts, and the receiver is not blamed."""

from tests.scenarios.conftest import World

UNPLUMBED = "192.0.2.77"  # RFC 5737: of no host


async def test_the_message_waits(world: World) -> None:
    peer = await world.peer()
    await world.put("jo@example.net")
    await world.start(source=UNPLUMBED)
    event = await world.outcome(event="deferred", code="451", attempts="0")
    assert peer.conversations == []
    (waiting,) = await world.waiting()
    assert waiting.attempts == 0
    assert int(event["next"]) > int(event["ts"])


async def test_the_event_names_the_source_and_not_the_host(world: World) -> None:
    peer = await world.peer()
    await world.put("jo@example.net")
    await world.start(source=UNPLUMBED)
    event = await world.outcome(event="deferred")
    assert UNPLUMBED in event["reply"]
    assert peer.name not in event["reply"]
