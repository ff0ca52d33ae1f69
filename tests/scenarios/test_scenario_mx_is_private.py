"""MX 127.0.0.1 or 0.0.0.0: a private target is refused, 5.4.4, and nothing is connected to."""

import pytest

from mta.net.resolver import Answer
from tests.scenarios.conftest import SITE, World


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "10.1.2.3", "169.254.1.1"])
async def test_it_is_refused(world: World, address: str) -> None:
    peer = await world.peer()
    world.names[peer.name, "A"] = Answer(((0, address),), 300.0)
    await world.put("jo@example.net")
    await world.start(allow_private=False)
    await world.outcome(event="bounced", status="5.4.4")
    assert peer.conversations == []


async def test_an_mx_that_is_an_address_is_refused_too(world: World) -> None:
    peer = await world.peer()
    world.names[SITE, "MX"] = Answer(((10, peer.address),), 300.0)
    await world.put("jo@example.net")
    await world.start(allow_private=False)
    await world.outcome(event="bounced", status="5.4.4")
    assert peer.conversations == []
