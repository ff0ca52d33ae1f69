"""Mail hosts without an address: temporary, for only NXDOMAIN of the domain itself is final."""

from mta.net.resolver import Answer
from tests.scenarios.conftest import SITE, World


async def test_it_is_temporary(world: World) -> None:
    world.names[SITE, "MX"] = Answer(((10, "gone.example.com"),), 300.0)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="deferred", status="4.4.4")


async def test_another_host_with_an_address_takes_it(world: World) -> None:
    peer = await world.peer(preference=20)
    known = world.names[SITE, "MX"]
    assert isinstance(known, Answer)
    world.names[SITE, "MX"] = Answer(((10, "gone.example.com"), *known.values), 300.0)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="delivered", mx=f"{peer.name} [{peer.address}]")
