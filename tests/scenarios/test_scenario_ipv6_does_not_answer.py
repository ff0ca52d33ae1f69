"""A host with both kinds of address whose IPv6 leads nowhere: its IPv4 takes the mail, in the same delivery."""

from mta.net.resolver import Answer
from tests.scenarios.conftest import World


async def test_ipv4_of_the_same_host_takes_it(world: World) -> None:
    peer = await world.peer()
    world.names[peer.name, "AAAA"] = Answer(((0, "::1"),), 300.0)
    await world.put("jo@example.net")
    worker = await world.start()
    worker.doors.resolver.ipv6 = True
    await world.outcome(event="delivered", attempts="1", mx=f"{peer.name} [{peer.address}]")
    assert (peer.name, "AAAA") in world.asked


async def test_without_ipv4_the_next_host_does(world: World) -> None:
    first = await world.peer(preference=10, listen=False)
    second = await world.peer(preference=20)
    world.names[first.name, "A"] = Answer((), 300.0)
    world.names[first.name, "AAAA"] = Answer(((0, "::1"),), 300.0)
    await world.put("jo@example.net")
    worker = await world.start()
    worker.doors.resolver.ipv6 = True
    await world.outcome(event="delivered", attempts="1", mx=f"{second.name} [{second.address}]")
