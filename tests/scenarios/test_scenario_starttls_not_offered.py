"""STARTTLS not offered: in clear where TLS is opportunistic, and the event says so."""

import ssl

from tests.scenarios.conftest import World


async def test_it_goes_in_clear(world: World, trusting: ssl.SSLContext) -> None:
    peer = await world.peer()
    await world.put("jo@example.net")
    await world.start(tls=trusting)
    await world.outcome(event="delivered", tls="")
    assert "STARTTLS" not in peer.verbs(0)


async def test_offered_it_is_used_and_capabilities_are_read_anew(
    world: World, trusting: ssl.SSLContext, serving: ssl.SSLContext
) -> None:
    peer = await world.peer(tls=serving)
    await world.put("jo@example.net")
    await world.start(tls=trusting)
    event = await world.outcome(event="delivered")
    assert event["tls"].startswith("TLSv1.")
    assert peer.verbs(0).startswith("EHLO STARTTLS EHLO MAIL")
