"""The TLS handshake fails: opportunistic mail goes in clear, on a new connection."""

import ssl

import pytest

from tests.scenarios.conftest import World
from tests.scenarios.peer import Move


@pytest.mark.parametrize(
    "answer",
    [
        ("220 ready", b"this is not TLS\r\n" * 20, Move.CLOSE),
        ("220 ready", Move.CLOSE),
        ("220 ready", Move.RESET),
    ],
    ids=["rubbish", "closed", "reset"],
)
async def test_it_goes_in_clear_on_a_new_connection(
    world: World, trusting: ssl.SSLContext, serving: ssl.SSLContext, answer: object
) -> None:
    peer = await world.peer(tls=serving, starttls=answer)
    await world.put("jo@example.net")
    await world.start(tls=trusting)
    await world.outcome(event="delivered", tls="", attempts="1")
    assert len(peer.conversations) == 2
    assert "STARTTLS" not in peer.verbs(1)


async def test_refused_with_454_it_goes_in_clear(
    world: World, trusting: ssl.SSLContext, serving: ssl.SSLContext
) -> None:
    peer = await world.peer(tls=serving, starttls=("454 4.7.0 TLS not available", Move.CLOSE))
    await world.put("jo@example.net")
    await world.start(tls=trusting)
    await world.outcome(event="delivered", tls="")
    assert "STARTTLS" not in peer.verbs(1)


async def test_what_was_said_before_the_handshake_is_not_believed(
    world: World, trusting: ssl.SSLContext, serving: ssl.SSLContext
) -> None:
    """Replies injected in clear behind the go-ahead are never read as the encrypted server's (CVE-2011-0411)."""
    injected = b"220 ready\r\n250-evil\r\n250 REQUIRETLS\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n"
    peer = await world.peer(tls=serving, starttls=injected)
    await world.put("jo@example.net")
    await world.start(tls=trusting)
    event = await world.outcome(event="delivered")
    assert len(peer.messages) == 1, "an injected reply was taken for the message's"
    assert event["reply"].startswith("2.0.0 queued")
    mail = next(command for command in peer.commands if command.startswith("MAIL"))
    assert "SIZE=" in mail, "the encrypted server's capabilities were not read"
