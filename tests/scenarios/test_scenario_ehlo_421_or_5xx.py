"""EHLO 421: the next host. EHLO 5xx: HELO, and then no word of an extension."""

from tests.scenarios.conftest import World


async def test_421_leads_to_the_next_host(world: World) -> None:
    first = await world.peer(preference=10, ehlo="421 4.3.2 too busy")
    second = await world.peer(preference=20)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="delivered", mx=f"{second.name} [{second.address}]")
    assert first.verbs(0) == "EHLO"


async def test_5xx_leads_to_helo_without_extensions(world: World) -> None:
    peer = await world.peer(ehlo="502 5.5.1 what")
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="delivered")
    assert peer.commands[:2] == ["EHLO out.acme.example", "HELO out.acme.example"]
    mail = next(command for command in peer.commands if command.startswith("MAIL"))
    assert mail.endswith(">"), "a parameter was sent to a server that offers none"
