"""5xx to RCPT is the domain's word: the message is over, and no other of its hosts is asked (RFC 5321 4.2.1)."""

from tests.scenarios.conftest import World


async def test_no_other_host_is_asked(world: World) -> None:
    first = await world.peer(preference=10, rcpt="550 5.1.1 no such user")
    second = await world.peer(preference=20)
    await world.put("jo@example.net")
    await world.start()
    await world.outcome(event="bounced", code="550", mx=f"{first.name} [{first.address}]", attempts="1")
    await world.stop()
    assert second.conversations == []
    assert not any(first.messages)  # a lone dot at the most
