"""RCPT 4xx for one of many: that one waits, the others go through, all on one connection."""

from tests.scenarios.conftest import World


async def test_the_others_go_through(world: World) -> None:
    peer = await world.peer(rcpt=["250 ok", "450 4.2.1 busy", "250 ok"])
    await world.put("one@example.net", "two@example.net", "three@example.net")
    await world.start()
    events = {event["rcpt"].partition("@")[0]: event for event in await world.events(3)}
    assert {name: event["event"] for name, event in events.items()} == {
        "one": "delivered", "two": "deferred", "three": "delivered",
    }  # fmt: skip
    assert events["two"]["status"] == "4.2.1"
    assert len(peer.conversations) == 1
    assert len([message for message in peer.messages if message]) == 2
