"""A firewall that rewrites what is said ("220 ****", EHLO unknown, keywords crossed out): no extension is used."""

from tests.scenarios.conftest import World


async def test_a_masked_greeting_and_no_ehlo(world: World) -> None:
    peer = await world.peer(greeting="220 " + "*" * 60, ehlo="500 5.5.1 XXXX unknown")
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="delivered")
    (only,) = peer.conversations
    assert peer.verbs(0).startswith("EHLO HELO MAIL RCPT DATA")
    assert not only.pipelined


async def test_keywords_crossed_out_offer_nothing(world: World) -> None:
    peer = await world.peer(greeting="220 " + "*" * 60, extensions=("XXXXXXXA", "XXXX 100", "8BITMIMEX"))
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="delivered")
    (only,) = peer.conversations
    assert not only.pipelined
    mail = next(command for command in only.commands if command.startswith("MAIL"))
    assert mail.endswith(">")
