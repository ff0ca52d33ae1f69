"""Connect refused: the next address is tried; when none is left all of the batch is deferred."""

from tests.scenarios.conftest import World


async def test_the_next_host_takes_it(world: World) -> None:
    first = await world.peer(preference=10, listen=False)
    second = await world.peer(preference=20)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="delivered", mx=f"{second.name} [{second.address}]", attempts="1")
    assert first.conversations == []
    assert len(second.messages) == 1


async def test_when_none_is_left_all_recipients_are_deferred(world: World) -> None:
    await world.peer(preference=10, listen=False)
    await world.peer(preference=20, listen=False)
    await world.put("jo@example.net", "jane@example.net")
    await world.start()
    for event in await world.events(2):
        assert (event["event"], event["status"]) == ("deferred", "4.4.1")
        assert "mx2.example.net [127.0.0.2]" in event["reply"], "the last host tried is named"
