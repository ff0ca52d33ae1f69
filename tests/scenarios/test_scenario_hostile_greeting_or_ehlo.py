"""A hostile greeting or EHLO reply: endless, binary, dripping, cut; bounded, and then the next host."""

import asyncio
from dataclasses import replace

import pytest

from tests.scenarios.conftest import QUICK, World
from tests.scenarios.peer import Conversation, Move


async def drip(one: Conversation) -> None:
    """Send a reply that never ends, a byte now and then."""
    await one.say(b"220-")
    while True:
        await asyncio.sleep(0.02)
        await one.say(b"x")


HOSTILE = {
    "endless lines": b"250-SIZE 1\r\n" * 100_000,
    "endless line": b"250-" + b"x" * 1_000_000,
    "binary": bytes(range(256)) * 4 + b"\r\n",
    "dripping": drip,
    "cut": (b"250-half", Move.CLOSE),
    "a banner of another protocol": b"SSH-2.0-OpenSSH_9.9\r\n",
}


@pytest.mark.parametrize("what", ["greeting", "ehlo"])
@pytest.mark.parametrize("how", HOSTILE)
async def test_the_next_host_takes_it(world: World, what: str, how: str) -> None:
    await world.peer(preference=10, **{what: HOSTILE[how]})
    second = await world.peer(preference=20)
    await world.put("jo@example.net")
    await world.start(times=replace(QUICK, greeting=0.3, ehlo=0.3))
    await world.outcome(event="delivered", mx=f"{second.name} [{second.address}]", attempts="1")


async def test_two_codes_in_one_ehlo_reply_are_a_fault(world: World) -> None:
    await world.peer(preference=10, ehlo=b"250-mx.example.net\r\n550 no\r\n")
    second = await world.peer(preference=20)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="delivered", mx=f"{second.name} [{second.address}]")


async def test_said_ahead_of_time_it_is_no_answer(world: World) -> None:
    """A whole session's replies in front of the first command: nothing may be delivered by them."""
    ahead = b"220 hi\r\n250-mx\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n"
    first = await world.peer(preference=10, greeting=(ahead, Move.SILENT))
    second = await world.peer(preference=20)
    await world.put("jo@example.net")
    await world.start(times=replace(QUICK, greeting=0.3, ehlo=0.3, mail=0.3))
    (event,) = await world.events(1)
    assert event["event"] == "deferred" or event["mx"] == f"{second.name} [{second.address}]"
    assert first.messages == []
