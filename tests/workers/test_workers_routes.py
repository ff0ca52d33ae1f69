"""Routes through a real worker: another host than the DNS says, a login under TLS alone, sessions of its own."""

from pathlib import Path

import pytest

from mta.net.resolver import Unroutable
from mta.policy.routes import Route, Routes
from mta.policy.tls import Level
from tests.scenarios.conftest import World
from tests.workers.sending import STRANGER, Relay, certified, keeping_to_policy, said_in_clear

EXTENSIONS = ("PIPELINING", "8BITMIME", "AUTH PLAIN")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("secret\n")
    path.chmod(0o600)
    return path


async def relay(world: World, **more: object) -> Relay:
    """A relay at an address of its own, which no MX names."""
    await world.peer()  # what the DNS says; nothing may go there
    made = Relay("relay.test", "127.0.0.9", world.port, EXTENSIONS, **more)  # type: ignore[arg-type]
    world.peers.append(made)
    await made.listen()
    return made


async def routed(world: World, *domains: str, host: str = "[127.0.0.9]", **more: object) -> None:
    """Start a worker with one route."""
    worker = await keeping_to_policy(world)
    made = Route(host, world.port, domains or ("*",), **more)  # type: ignore[arg-type]
    worker.doors.routes = Routes([made])


async def test_mail_goes_to_the_relay_after_a_login_under_tls(world: World, secret: Path) -> None:
    host = await relay(world, tls=certified("relay.test").server())
    await routed(world, user="me", password_file=str(secret), names=("relay.test",))
    await world.put("jo@example.net")
    event = await world.outcome(event="delivered")
    assert event["mx"] == "[127.0.0.9] [127.0.0.9]"
    assert event["tls"].endswith(" verified")
    assert host.logins == [("\0me\0secret", True)]
    assert world.peers[0].conversations == []


async def test_a_name_is_looked_up_and_no_mx_is_asked_for(world: World) -> None:
    host = await relay(world)
    world.names["relay.test", "A"] = world.names["mx1.example.net", "A"]
    del world.names["example.net", "MX"]
    await routed(world, host="relay.test", level=Level.MAY)
    await world.put("jo@example.net")
    event = await world.outcome(event="delivered")
    assert event["mx"] == "relay.test [127.0.0.1]"
    assert ("example.net", "MX") not in world.asked
    assert host.conversations == []


@pytest.mark.parametrize("how", ["in clear", "stranger", "wrong password", "no file"])
async def test_what_keeps_the_mail_back_and_the_password_too(world: World, secret: Path, how: str) -> None:
    tls = {"in clear": None, "stranger": STRANGER.server()}.get(how, certified("relay.test").server())
    host = await relay(world, tls=tls)
    if how == "wrong password":
        secret.write_text("other\n")
    elif how == "no file":
        secret.unlink()
    await routed(world, user="me", password_file=str(secret), names=("relay.test",))
    await world.put("jo@example.net")
    event = await world.outcome(event="deferred")
    assert str(secret) not in event["reply"], "tenants read this"
    assert "AUTH" not in said_in_clear(host)
    assert host.messages == []
    assert world.peers[0].conversations == [], "the DNS is no way round the route"


async def test_domains_of_a_route_share_a_session_and_others_have_their_own(world: World) -> None:
    host = await relay(world)
    host.password = ""
    other = await world.peer("c.example")
    await routed(world, "a.example", "*.b.example", level=Level.MAY)
    await world.put("1@a.example", "2@x.b.example", "3@c.example", site="provider")
    await world.events(3, "delivered")
    assert len(host.conversations) == 1
    assert (len(host.messages), len(other.messages)) == (2, 1)


async def test_a_route_that_can_not_be_looked_up_keeps_its_mail(world: World) -> None:
    await relay(world)
    world.names["relay.test", "A"] = Unroutable(451, "4.4.3 DNS lookup failed")
    await routed(world, host="relay.test", level=Level.MAY)
    await world.put("jo@example.net")
    await world.outcome(event="deferred", code="451")
    assert world.peers[0].conversations == []
