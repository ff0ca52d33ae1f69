"""An address that is suppressed after its message was accepted gets none: the lists are read before each attempt."""

import time

import pytest

from mta.message import Class
from mta.queue.suppression import Suppressions
from tests.scenarios.conftest import SOON, World


def lists(world: World) -> Suppressions:
    return Suppressions(world.client, world.keys, b"s" * 32)


async def test_it_is_told_and_not_sent_and_the_others_are(world: World) -> None:
    peer = await world.peer()
    await world.put("jo@example.net", "bob@example.net", "eve@example.net", list_="customers")
    await lists(world).add("acme", "customers", ["jo@example.net"], "unsubscribed", "web", 1)
    await world.start()
    told = await world.events(3)
    (stopped,) = [one for one in told if one["event"] == "suppressed"]
    assert (stopped["rcpt"], stopped["list"], stopped["reason"]) == (
        "jo@example.net",
        "customers",
        "unsubscribed",
    )
    assert [one["event"] for one in told].count("delivered") == 2
    assert "jo@example.net" not in str(peer.conversations)


async def test_before_a_retry_too(world: World) -> None:
    await world.peer(rcpt=["451 4.3.0 later", "250 ok"])
    await world.put("jo@example.net")
    await world.start(schedule=SOON.__class__(first=1.0, factor=0.0, jitter=0.0))
    await world.events(1, "deferred")
    await lists(world).add("acme", "", ["jo@example.net"], "manual", "jo", 1)
    (told,) = await world.events(1, "suppressed")
    assert (told["attempts"], told["reason"]) == ("1", "manual")
    assert await world.waiting() == []


@pytest.mark.parametrize("cls, event", [(Class.TRANSACTIONAL, "delivered"), (Class.BULK, "suppressed")])
async def test_a_complaint_stops_bulk_mail_and_no_receipts(world: World, cls: Class, event: str) -> None:
    await world.peer()
    await world.put("jo@example.net", cls=cls)
    await lists(world).add("acme", "", ["jo@example.net"], "complained", "report", 1)
    await world.start()
    await world.outcome(event=event)


async def test_what_the_platform_suppresses_is_stopped_for_all(world: World) -> None:
    await world.peer()
    await world.put("jo@example.net")
    await lists(world).add("", "", ["@example.net"], "asked us", "operator", 1)
    await world.start()
    await world.outcome(event="suppressed", reason="asked us")


async def test_mail_accepted_after_the_change_is_not_looked_up_again(world: World) -> None:
    """Its lists were read at submission; what stands there since long costs nothing per message."""
    await world.peer()
    await lists(world).add("acme", "", ["jo@example.net"], "manual", "jo", 1)
    await world.put("jo@example.net", born=int(time.time() * 1000) + 60_000)
    await world.start()
    await world.outcome(event="delivered")
