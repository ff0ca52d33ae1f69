"""DNS NXDOMAIN: permanent 5.1.2; the address is not suppressed on the word of one look-up, since resolvers lie."""

from mta.net.resolver import Answer
from tests.scenarios.conftest import SITE, World


async def test_it_is_permanent_and_suppresses_nobody(world: World) -> None:
    world.names[SITE, "MX"] = Answer((), 0.0, exists=False)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="bounced", status="5.1.2")
    assert await world.suppressed("jo@example.net") == ""
