"""Reset or timeout after the dot: deferred, "may be sent more than once", never at once on another host, and the same
message again."""

import pytest

from mta.message import Flag
from tests.scenarios.conftest import SOON, World
from tests.scenarios.peer import Move


@pytest.mark.parametrize("how", [Move.RESET, Move.CLOSE])
async def test_it_is_deferred_and_said_to_be_unsure(world: World, how: Move) -> None:
    await world.peer(preference=10, dot=how)
    other = await world.peer(preference=20)
    await world.put("jo@example.net")
    await world.start()
    event = await world.outcome(event="deferred", code="451")
    assert "more than once" in event["reply"]
    assert other.conversations == [], "tried at once elsewhere, it would be a second copy"
    (record,) = await world.waiting()
    assert record.flags & Flag.MAYBE_SENT


async def test_the_second_copy_has_the_same_message_id(world: World) -> None:
    peer = await world.peer(dot=[Move.CLOSE, "250 queued"])
    await world.put("jo@example.net")
    await world.start(schedule=SOON)
    await world.events(1, "delivered")
    first, second = peer.messages
    assert message_id(first) == message_id(second)


@pytest.mark.parametrize("how", [Move.RESET, Move.CLOSE])
async def test_who_rode_behind_it_is_sent_on_a_new_connection_without_penalty(
    world: World, how: Move
) -> None:
    peer = await world.peer(dot=[how, "250 queued"])
    await world.put("one@example.net", "two@example.net", "three@example.net")
    await world.start()
    events = {event["rcpt"].partition("@")[0]: event for event in await world.events(3)}
    assert events["one"]["event"] == "deferred"
    for name in ("two", "three"):
        assert (events[name]["event"], events[name]["attempts"]) == ("delivered", "1")
    assert len(peer.messages) == 3, "each content arrived once"


def message_id(raw: bytes) -> bytes:
    (line,) = [line for line in raw.splitlines() if line.lower().startswith(b"message-id:")]
    return line
