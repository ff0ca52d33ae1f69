"""The wall clock steps by an hour while a message is under way: nothing times out, nothing is sent twice."""

import asyncio
import time

import pytest

from tests.scenarios.conftest import World
from tests.scenarios.peer import Conversation, until


@pytest.mark.parametrize("hours", [1, -1])
async def test_nothing_is_late_or_over_because_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slowly(one: Conversation) -> None:
        asked.set()
        await go.wait()
        await one.say(b"250 2.1.5 ok\r\n")

    peer = await world.peer(rcpt=slowly)
    await world.put("jo@example.net")
    worker = await world.start()
    await asked.wait()
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + hours * 3600)
    (session,) = worker.delivery.dispatch.sessions
    session.check(asyncio.get_running_loop().time())
    go.set()
    event = await world.outcome(event="delivered", attempts="1")
    assert int(event["delay_ms"]) >= 0
    await until(lambda: session.idle)
    assert len(peer.messages) == 1
