"""DNS SERVFAIL or timeout: temporary 4.4.3, never a bounce, never a reason to try the A record."""

from mta.net.resolver import Answer, Unroutable
from tests.scenarios.conftest import SITE, World


async def test_the_domain_can_not_be_looked_up(world: World) -> None:
    world.names[SITE, "MX"] = Unroutable(451, "4.4.3 DNS lookup of example.net MX failed: SERVFAIL")
    world.names[SITE, "A"] = Answer(((0, "127.0.0.1"),), 300.0)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="deferred", status="4.4.3")
    assert (SITE, "A") not in world.asked


async def test_one_host_can_not_be_looked_up(world: World) -> None:
    await world.peer(preference=10)
    second = await world.peer(preference=20)
    world.names["mx1.example.net", "A"] = Unroutable(451, "4.4.3 DNS lookup failed: SERVFAIL")
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="delivered", mx=f"{second.name} [{second.address}]")
