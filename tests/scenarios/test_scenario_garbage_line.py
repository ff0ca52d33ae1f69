"""A line that is no reply: unsure behind the dot only, the session ends, and such a host is not pipelined to."""

import pytest

from tests.scenarios.conftest import World


@pytest.mark.parametrize("garbage", [b"Segmentation fault\r\n", b"\x16\x03\x01\x00\xff\r\n", b"\r\n"])
async def test_behind_the_dot_it_is_unsure(world: World, garbage: bytes) -> None:
    peer = await world.peer(dot=[garbage + b"250 2.0.0 queued\r\n", "250 queued"])
    await world.put("one@example.net", "two@example.net")
    await world.start()
    events = {event["rcpt"]: event for event in await world.events(2)}
    assert events["one@example.net"]["event"] == "deferred"
    assert "more than once" in events["one@example.net"]["reply"]
    assert events["one@example.net"]["reply"].isprintable()
    assert (events["two@example.net"]["event"], events["two@example.net"]["attempts"]) == ("delivered", "1")
    assert len(peer.conversations) == 2


async def test_before_the_dot_it_is_not(world: World) -> None:
    await world.peer(rcpt=b"what?\r\n")
    await world.put("one@example.net")
    await world.start()
    event = await world.outcome(event="deferred", code="451")
    assert "more than once" not in event["reply"]


async def test_the_host_is_not_pipelined_to_for_a_while(world: World) -> None:
    peer = await world.peer(dot=[b"Segmentation fault\r\n", "250 queued"])
    await world.put("one@example.net")
    await world.start()
    await world.events(1)
    await world.put("two@example.net")
    await world.events(1, "delivered")
    assert [one.pipelined for one in peer.conversations] == [True, False]
