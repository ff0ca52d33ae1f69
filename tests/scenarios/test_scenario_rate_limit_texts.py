"""Texts that ask for less speed: deferred with a class that says so, and other sites are not slowed."""

import pytest

from tests.scenarios.conftest import World

TEXTS = [
    "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints",
    "421 4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address.",
    "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.",
]


@pytest.mark.parametrize("text", TEXTS)
async def test_it_is_deferred_and_others_are_not(world: World, text: str) -> None:
    await world.peer(mail=text)
    await world.peer("example.org")
    await world.put("jo@example.net")
    await world.put("jo@example.org", site="example.org")
    await world.start()
    events = {event["rcpt"]: event for event in await world.events(2)}
    slow = events["jo@example.net"]
    assert slow["event"] == "deferred"
    assert slow["class"] not in ("", "unclassified")
    assert events["jo@example.org"]["event"] == "delivered"
    assert await world.suppressed("jo@example.net") == ""
