"""DANE through a real worker, with signed zones behind a real validating resolver."""

from collections.abc import Iterator
from hashlib import sha256

import pytest

from mta.net.question import asker, nameservers
from tests.net.authority import make
from tests.net.signedzone import UNBOUND, Unbound, signed
from tests.scenarios.conftest import World, free_port
from tests.scenarios.peer import Peer
from tests.workers.sending import QUIET, keeping_to_policy, outcomes, said_in_clear

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(UNBOUND is None, reason="unbound is not installed (Debian package unbound)"),
]

LEAF = make("leaf", names=["mx.good.test"])  # of no authority: the signed zone alone vouches for it
KEY = sha256(LEAF.spki).hexdigest()
OTHER = sha256(b"another key").hexdigest()
ADDRESSES = {"good": "127.0.0.21", "wrong": "127.0.0.22", "plain": "127.0.0.23", "half": "127.0.0.24"}


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def unbound(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Unbound]:
    hosts = "".join(f"{name} MX 10 mx.{name}\nmx.{name} A {where}\n" for name, where in ADDRESSES.items())
    records = f"{hosts}_{port}._tcp.mx.good TLSA 3 1 1 {KEY}\n_{port}._tcp.mx.wrong TLSA 3 1 1 {OTHER}\n"
    half = f"@ MX 10 mx\nmx A {ADDRESSES['half']}\n_{port}._tcp.mx TLSA 3 1 1 {KEY}\n"
    zones = {"test.": signed("test.", records), "half.": signed("half.", half, break_type="TLSA")}
    server = Unbound(tmp_path_factory.mktemp("unbound"), zones)
    yield server
    server.stop()


async def send(world: World, unbound: Unbound, port: int, name: str, rcpt: str, **script: object) -> Peer:
    """Send a message to a domain whose host listens at its address and shows LEAF."""
    await unbound.ready()
    world.port = port
    tls = None if script.pop("bare", False) else LEAF.server()
    peer = Peer(f"mx.{name}.test", ADDRESSES[name], port, tls=tls, **script)  # type: ignore[arg-type]
    world.peers.append(peer)
    await peer.listen()
    worker = await keeping_to_policy(world)
    worker.doors.resolver.ask = asker(nameservers([f"127.0.0.1:{unbound.port}"]))
    await world.put(rcpt, site=rcpt.partition("@")[2])
    return peer


async def test_a_server_that_its_signed_zone_names_gets_the_mail(
    world: World, unbound: Unbound, port: int
) -> None:
    peer = await send(world, unbound, port, "good", "jo@good.test")
    event = await world.outcome(event="delivered")
    assert event["tls"].endswith(" dane")
    assert said_in_clear(peer) <= QUIET
    assert world.worker is not None
    assert outcomes(world.worker) == [("good.test", "tlsa", "")]


@pytest.mark.parametrize(
    "name, bare, fault",
    [("wrong", False, "validation-failure"), ("good", True, "starttls-not-supported")],
    ids=["another key", "no STARTTLS"],
)
async def test_a_signed_zone_lets_nothing_go_in_clear_or_to_another_server(
    world: World, unbound: Unbound, port: int, name: str, bare: bool, fault: str
) -> None:
    peer = await send(world, unbound, port, name, f"jo@{name}.test", bare=bare)
    await world.outcome(event="deferred")
    assert said_in_clear(peer) <= QUIET
    assert peer.messages == []
    assert world.worker is not None
    assert outcomes(world.worker) == [(f"{name}.test", "tlsa", fault)]


async def test_tlsa_with_a_false_signature_keeps_the_mail(world: World, unbound: Unbound, port: int) -> None:
    peer = await send(world, unbound, port, "half", "jo@half")
    event = await world.outcome(event="deferred")
    assert "TLSA" in event["reply"]
    assert peer.conversations == []


async def test_a_signed_zone_without_tlsa_asks_for_nothing(world: World, unbound: Unbound, port: int) -> None:
    await send(world, unbound, port, "plain", "jo@plain.test", bare=True)
    await world.outcome(event="delivered", tls="")
