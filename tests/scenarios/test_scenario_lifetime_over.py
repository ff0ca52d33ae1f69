"""Lifetime over: one final event, with the last real reply; never another attempt."""

import time

from tests.scenarios.conftest import SOON, World
from tests.scenarios.peer import until


def soon(milliseconds: int) -> int:
    """Return a time in ms since 1970."""
    return int(time.time() * 1000) + milliseconds


async def test_a_retry_that_would_come_too_late_ends_it_with_the_reply(world: World) -> None:
    await world.peer(rcpt="450 4.2.2 mailbox full")
    await world.put("jo@example.net", expires=soon(60_000))
    await world.start()
    await world.outcome(event="expired", code="450", status="4.2.2", attempts="1")
    assert await world.waiting() == []


async def test_over_before_the_first_try(world: World) -> None:
    peer = await world.peer()
    await world.put("jo@example.net", expires=soon(-1000))
    await world.start()
    await world.outcome(event="expired", status="4.4.7")
    assert peer.messages == []


async def test_over_while_it_waited_the_last_real_reply_is_attached(world: World) -> None:
    await world.peer(rcpt="450 4.2.2 mailbox full")
    over = soon(1_000)
    await world.put("jo@example.net", expires=over)
    await world.start(schedule=SOON)
    await until(lambda: world.told)
    await world.stop()
    await until(lambda: soon(0) > over)
    await world.start(schedule=SOON)
    (event,) = await world.events(1, "expired")
    assert event["status"] == "4.4.7"
    assert "mailbox full" in event["reply"]
