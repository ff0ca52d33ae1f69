"""An idle session the server gave up: noticed before use or at MAIL, and never an attempt of the next message."""

import pytest

from tests.scenarios.conftest import World
from tests.scenarios.peer import Conversation, Move, until


def kept(world: World) -> bool:
    """Whether the worker keeps an idle session."""
    assert world.worker is not None
    return any(session.idle for session in world.worker.delivery.dispatch.sessions)


async def test_it_is_used_again_while_it_lives(world: World) -> None:
    peer = await world.peer()
    await world.start()
    for number in range(1, 4):
        await world.put("jo@example.net")
        await world.events(number, "delivered")
        await until(lambda: kept(world))
    assert len(peer.conversations) == 1


@pytest.mark.parametrize(
    "end", [("421 4.4.2 idle too long", Move.CLOSE), Move.CLOSE, Move.RESET], ids=["421", "FIN", "RST"]
)
@pytest.mark.parametrize("extensions", [("PIPELINING",), ()], ids=["pipelined", "serial"])
async def test_found_dead_when_the_next_mail_is_said_it_costs_nothing(
    world: World, end: object, extensions: tuple[str, ...]
) -> None:
    peer = await world.peer(extensions=extensions, mail=["250 ok", end, "250 ok"])
    await world.put("one@example.net")
    await world.start()
    await world.events(1, "delivered")
    await until(lambda: kept(world))
    await world.put("two@example.net")
    for event in await world.events(2, "delivered"):
        assert event["attempts"] == "1"
    assert len(peer.conversations) == 2
    assert len(peer.messages) == 2


async def test_what_waits_unread_is_seen_before_use(world: World) -> None:
    """The goodbye has come and the loop has not looked: the session is not handed a batch."""
    peer = await world.peer()
    await world.put("one@example.net")
    worker = await world.start()
    await world.events(1, "delivered")
    await until(lambda: kept(world))
    (session,) = worker.delivery.dispatch.sessions
    session.transport.pause_reading()
    (one,) = peer.conversations
    assert session.usable
    await one.say(b"421 4.4.2 idle too long\r\n")
    await until(lambda: not session.usable)
    session.transport.resume_reading()
    await until(lambda: session.lost)


async def test_a_server_that_never_takes_a_second_one_gets_them_all(world: World) -> None:
    """Each time the second MAIL meets a 421: every message still goes, one connection each."""

    async def once(one: Conversation) -> None:
        first = sum(command.startswith("MAIL") for command in one.commands) == 1
        await one.say(b"250 ok\r\n" if first else b"421 4.3.2 one is enough\r\n")

    peer = await world.peer(mail=once)
    await world.start()
    for number in range(1, 4):
        await world.put(f"jo{number}@example.net")
        for event in await world.events(number, "delivered"):
            assert event["attempts"] == "1"
    assert len(peer.messages) == 3
