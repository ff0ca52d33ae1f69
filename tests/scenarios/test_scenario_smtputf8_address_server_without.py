"""An SMTPUTF8 address and a server without: 5.6.7 for that recipient alone."""

from tests.scenarios.conftest import World


async def test_it_fails_that_recipient_alone(world: World) -> None:
    peer = await world.peer(extensions=("PIPELINING",))
    await world.put("jö@example.net", "jo@example.net")
    await world.start()
    events = {event["rcpt"]: event for event in await world.events(2)}
    assert (events["jö@example.net"]["event"], events["jö@example.net"]["status"]) == ("bounced", "5.6.7")
    assert events["jo@example.net"]["event"] == "delivered"
    assert all(command.isascii() for command in peer.commands)


async def test_where_it_is_offered_it_is_used_for_that_one_alone(world: World) -> None:
    peer = await world.peer()
    await world.put("jö@example.net", "jo@example.net")
    await world.start()
    await world.events(2, "delivered")
    mails = [command for command in peer.commands if command.startswith("MAIL")]
    assert ["SMTPUTF8" in mail for mail in mails] == [True, False]
    assert "RCPT TO:<jö@example.net>" in peer.commands
