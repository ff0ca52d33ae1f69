"""An oversized reply line: cut where it is long, a fault where it is absurd; what is kept of it is little."""

from tests.scenarios.conftest import World


async def test_a_long_line_is_cut_and_counts(world: World) -> None:
    peer = await world.peer(dot=["554 5.7.1 " + "x" * 30_000, "250 queued"])
    await world.put("one@example.net", "two@example.net")
    await world.start()
    events = {event["rcpt"]: event for event in await world.events(2)}
    assert events["one@example.net"]["event"] == "bounced"
    assert len(events["one@example.net"]["reply"]) <= 512
    assert events["two@example.net"]["event"] == "delivered"
    assert len(peer.conversations) == 1


async def test_a_megabyte_ends_the_session(world: World) -> None:
    peer = await world.peer(rcpt=["250 " + "x" * 1_000_000, "250 ok"])
    await world.put("one@example.net")
    await world.start()
    event = await world.outcome(event="deferred", code="451")
    assert "more than once" not in event["reply"]
    await world.put("two@example.net")
    await world.events(1, "delivered")
    assert len(peer.conversations) == 2
