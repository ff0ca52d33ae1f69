"""Greylisting: the same envelope, HELO name and address again after a while; the site is not blamed."""

import pytest

from tests.scenarios.conftest import SOON, World


@pytest.mark.parametrize("answer", ["450 4.2.0 greylisted", "451 4.7.1 try again in 5 minutes"])
async def test_the_same_again(world: World, answer: str) -> None:
    peer = await world.peer(rcpt=[answer, "250 ok"])
    await world.put("jo@example.net")
    await world.start(schedule=SOON)
    deferred, delivered = await world.events(2)
    assert (deferred["event"], delivered["event"]) == ("deferred", "delivered")
    said = [command for command in peer.commands if command.startswith(("EHLO", "MAIL", "RCPT"))]
    assert len(set(said)) == 3, said
    assert deferred["source"] == delivered["source"]


async def test_others_of_the_site_go_on(world: World) -> None:
    peer = await world.peer(rcpt=["450 4.2.0 greylisted", "250 ok"])
    await world.put("one@example.net", "two@example.net")
    await world.start()
    events = {event["rcpt"]: event["event"] for event in await world.events(2)}
    assert events == {"one@example.net": "deferred", "two@example.net": "delivered"}
    assert len(peer.conversations) == 1
