"""Null MX: permanent 5.1.10, no connection, no look-up of the address (RFC 7505)."""

from mta.net.resolver import Answer
from tests.scenarios.conftest import SITE, World


async def test_it_is_permanent_without_a_connection(world: World) -> None:
    peer = await world.peer()
    world.names[SITE, "MX"] = Answer(((0, "."),), 300.0)
    world.names[SITE, "A"] = Answer(((0, peer.address),), 300.0)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="bounced", code="556", status="5.1.10")
    assert peer.conversations == []
    assert (SITE, "A") not in world.asked


async def test_beside_other_hosts_it_is_ignored(world: World) -> None:
    peer = await world.peer()
    known = world.names[SITE, "MX"]
    assert isinstance(known, Answer)
    world.names[SITE, "MX"] = Answer(((0, "."), *known.values), 300.0)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="delivered", mx=f"{peer.name} [{peer.address}]")
