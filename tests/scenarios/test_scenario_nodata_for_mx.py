"""No MX but an address: the domain is its own mail host (RFC 5321 5.1)."""

from mta.net.resolver import Answer
from tests.scenarios.conftest import SITE, World


async def test_the_domain_is_its_own_host(world: World) -> None:
    peer = await world.peer()
    world.names[SITE, "MX"] = Answer((), 0.0)
    world.names[SITE, "A"] = Answer(((0, peer.address),), 300.0)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="delivered", mx=f"{SITE} [{peer.address}]")


async def test_neither_mx_nor_address_is_permanent(world: World) -> None:
    world.names[SITE, "MX"] = Answer((), 0.0)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="bounced", status="5.4.4")
