"""Our client and Postfix: a torture set arrives octet for octet, whatever Postfix offers or leaves out."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest

from mta.smtp.dialogue import Dialogue
from mta.workers import dispatch
from tests.dkim.relay_postfix import missing
from tests.interop.mailbox import Mailbox
from tests.interop.postfixes import postfix
from tests.interop.torture import cases, start, survives
from tests.scenarios.conftest import SOON, World

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
    pytest.mark.timeout(120),
]


@pytest.fixture
def chunking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have sessions use BDAT where it is offered."""
    monkeypatch.setattr(dispatch, "Dialogue", partial(Dialogue, chunking=True))


async def test_with_all_it_offers(world: World) -> None:
    with postfix() as box:
        await survives(world, box, cases(utf8=True))


async def test_by_bdat(world: World, chunking: None) -> None:
    with postfix() as box:
        await survives(world, box, cases(utf8=True))


async def test_without_pipelining(world: World) -> None:
    with postfix("smtpd_discard_ehlo_keywords = pipelining, chunking") as box:
        await survives(world, box, cases())


async def test_without_pipelining_by_bdat(world: World, chunking: None) -> None:
    with postfix("smtpd_discard_ehlo_keywords = pipelining") as box:
        await survives(world, box, cases())


async def test_without_any_extension(world: World) -> None:
    words = "pipelining, chunking, 8bitmime, smtputf8, dsn, size, enhancedstatuscodes, vrfy, etrn"
    with postfix(f"smtpd_discard_ehlo_keywords = {words}") as box:
        await survives(world, box, cases(eight_bit=False))


async def test_under_tls(world: World, trusting: ssl.SSLContext) -> None:
    with postfix(tls=True) as box:
        for event in await survives(world, box, cases(utf8=True), tls=trusting):
            assert event["tls"].startswith("TLSv1.3 ")


async def test_without_8bitmime_what_needs_it_is_not_sent(world: World) -> None:
    with postfix("smtpd_discard_ehlo_keywords = 8bitmime, smtputf8") as box:
        await start(world, box)
        rcpt, message = cases()["8-bit text"]
        await world.put(rcpt, raw=message)
        (event,) = await world.events(1)
        assert (event["event"], event["status"]) == ("bounced", "5.6.3")
        assert box.messages() == []


async def test_postscreen_lets_us_in_when_we_come_again(world: World) -> None:
    """Its deep protocol tests end in 450 for a stranger; who speaks in turn and comes again passes."""
    more = (
        "postscreen_greet_wait = 1s\npostscreen_greet_action = enforce\npostscreen_pipelining_enable = yes\n"
        "postscreen_pipelining_action = enforce\npostscreen_non_smtp_command_enable = yes\n"
        "postscreen_bare_newline_enable = yes\npostscreen_bare_newline_action = enforce\n"
        "postscreen_access_list =\npostscreen_dnsbl_sites ="
    )
    with postfix(more, postscreen=True) as box:
        world.port = box.port
        for event in await _patiently(world, box, 3):
            assert int(event["attempts"]) >= 2


@dataclass
class Greylist:
    """A policy service (SMTPD_POLICY_README): the first try of a sender, recipient and address waits."""

    seen: set[tuple[str, str]] = field(default_factory=set)
    asked: list[dict[str, str]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = {}
                while line := (await reader.readuntil(b"\n")).decode().rstrip("\n"):
                    name, _, value = line.partition("=")
                    asked[name] = value
                self.asked.append(asked)
                key = (asked["client_address"], asked["recipient"])
                action = "dunno" if key in self.seen else "defer_if_permit 4.2.0 Greylisted, come again"
                self.seen.add(key)
                writer.write(f"action={action}\n\n".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def greylist() -> AsyncIterator[tuple[Greylist, int]]:
    """Run a policy service on loopback."""
    made = Greylist()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    async with server:
        yield made, server.sockets[0].getsockname()[1]


async def test_greylisting_is_waited_out_from_the_same_address(world: World) -> None:
    async with greylist() as (policy, port):
        more = f"smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:127.0.0.1:{port}"
        with postfix(more) as box:
            events = await _patiently(world, box, 5)
        assert {event["attempts"] for event in events} == {"2"}
        tries = {(one["client_address"], one["sender"], one["helo_name"]) for one in policy.asked}
        # The same address and the same name each time, and the same return path for the same message.
        assert len({(address, name) for address, _, name in tries}) == 1
        assert len({sender for _, sender, _ in tries}) == 5


async def _patiently(world: World, box: Mailbox, count: int) -> list[dict[str, str]]:
    await start(world, box, schedule=SOON)
    await world.put(*(f"jo{number}@example.net" for number in range(count)))
    events = await world.events(count, "delivered", seconds=30.0)
    await box.holds(count)
    await world.stop()
    return events
