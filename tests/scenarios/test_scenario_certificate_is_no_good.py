"""A certificate that is expired, self-signed or of another name: never a bounce, no matter to opportunistic TLS."""

import ssl

import pytest

from mta.demo import certificate
from tests.scenarios.conftest import World


@pytest.mark.parametrize("name, days", [("other.example.com", 30), ("mx1.example.net", -1)])
async def test_opportunistic_tls_takes_it(
    world: World, trusting: ssl.SSLContext, name: str, days: int
) -> None:
    context = certificate.server_context(*certificate.make([name], days if days > 0 else 0))
    await world.peer(tls=context)
    await world.put("jo@example.net")
    await world.start(tls=trusting)
    event = await world.outcome(event="delivered")
    assert event["tls"]
