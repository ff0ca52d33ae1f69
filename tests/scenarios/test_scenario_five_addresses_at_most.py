"""Connect refused by many hosts: five addresses are tried for a delivery, not fifty."""

from tests.scenarios.conftest import World


async def test_the_sixth_is_not_asked(world: World) -> None:
    for number in range(5):
        await world.peer(preference=number, listen=False)
    sixth = await world.peer(preference=9)
    await world.put("jo@example.net")
    await world.start()
    event = await world.outcome(event="deferred", status="4.4.1")
    assert "mx5.example.net" in event["reply"]
    assert sixth.conversations == []
