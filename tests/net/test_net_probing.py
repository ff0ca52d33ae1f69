"""What a probe finds of a domain, over a real name server and scripted hosts: as it is, judged as mail would be."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from authority import Made, make
from mailhost import Mailhost, running

from mta.demo.nameserver import Nameserver
from mta.demo.zone import Fault, Zone
from mta.net.policies import Policies
from mta.net.probing import Prober, Visit
from mta.net.question import asker, nameservers
from mta.net.resolver import Memory, Resolver
from mta.net.terms import Contexts, Dialling, Timeouts
from mta.net.tls import opportunistic_context
from mta.policy.mtasts import Policy
from mta.policy.patterns import Patterns
from mta.policy.routes import Route, Routes
from mta.policy.tls import Level, Rule

ROOT = make("root", signs=True)
GOOD = make("good", ROOT, names=["mx.d.test"])
OTHER = make("other", ROOT, names=["elsewhere.test"])
OLD = make("old", ROOT, names=["mx.d.test"], ends=timedelta(days=-1))
ALONE = make("alone", names=["mx.d.test"])


class Sts:
    """A domain's MTA-STS policy, already fetched."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.known = policy

    async def policy(self, domain: str) -> Policy | None:
        return self.known

    def mode(self, domain: str) -> str | None:
        return self.known.mode if self.known else "none"

    def fault(self, domain: str) -> str:
        return ""


class World:
    """d.test with one host on loopback."""

    def __init__(self) -> None:
        self.zone = Zone(ttl=30)
        self.zone.add("d.test", {"MX": ("10 mx.d.test.",)})
        self.zone.add("mx.d.test", {"A": ("127.0.0.1",)})
        self.stack = AsyncExitStack()
        self.sts = Sts()
        self.rules: Patterns[Rule] = Patterns()
        self.routes = Routes()
        self.seconds = 10.0

    async def serve(self, host: Mailhost) -> Mailhost:
        return await self.stack.enter_async_context(running(host))

    async def prober(self, port: int) -> Prober:
        names = Nameserver(self.zone)
        await names.start("127.0.0.1")
        self.stack.push_async_callback(names.stop)
        ask = asker(nameservers([f"127.0.0.1:{names.port}"], timeout=5, lifetime=5))
        resolver = Resolver(ask, ipv6=False, allow_private=True, memory=Memory())
        verifying = ssl.create_default_context(cadata=ROOT.pem.decode())
        verifying.check_hostname = False
        tls = Contexts(opportunistic_context(), verifying)
        policies = Policies(resolver, rules=self.rules, sts=self.sts)
        dialling = Dialling(port, "me.test", timeouts=Timeouts(connect=5))
        return Prober(resolver, policies, self.routes, tls, dialling, self.seconds)

    async def visit(self, host: Mailhost) -> Visit:
        served = await self.serve(host)
        found = await (await self.prober(served.port)).probe("d.test")
        (visit,) = found.visits
        assert found.deliverable is visit.decided.good
        return visit


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    async with made.stack:
        yield made


async def test_probing_a_host_with_a_good_certificate(world: World) -> None:
    host = Mailhost(GOOD.server())
    visit = await world.visit(host)
    seen = visit.seen
    assert seen.greeting == "220 mailhost.test"
    assert (seen.ehlo, seen.secure_ehlo) == (("PIPELINING", "STARTTLS"), ("PIPELINING",))
    assert (seen.tls, seen.trusted, seen.named, seen.fault) == ("TLSv1.3", True, True, "")
    assert seen.certificate is not None
    assert (seen.certificate.subject, seen.certificate.issuer) == ("CN=good", "CN=root")
    assert seen.certificate.names == ("mx.d.test",)
    assert seen.certificate.begins < seen.certificate.ends
    assert (visit.need.level, visit.decided.good, visit.decided.security) == (Level.MAY, True, "encrypted")
    assert host.connections == 2
    said = [*host.clear, *host.secret]
    assert not [one for one in said if one.upper().startswith(("MAIL", "RCPT", "DATA"))]
    while host.secret.count("QUIT") < 2:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("made", "distrust"),
    [(ALONE, "certificate-not-trusted"), (OLD, "certificate-expired")],
    ids=["alone", "old"],
)
async def test_probing_shows_a_certificate_that_is_not_trusted(
    world: World, made: Made, distrust: str
) -> None:
    visit = await world.visit(Mailhost(made.server()))
    assert (visit.seen.trusted, visit.seen.distrust, visit.seen.named) == (False, distrust, True)
    assert visit.seen.certificate is not None
    assert visit.decided.good


@pytest.mark.parametrize(
    ("made", "why"),
    [(ALONE, "certificate"), (OTHER, "certificate-host-mismatch"), (GOOD, "")],
    ids=["alone", "other", "good"],
)
async def test_probing_under_an_enforced_policy(world: World, made: Made, why: str) -> None:
    world.sts = Sts(Policy("enforce", ("*.d.test",), 86400))
    world.zone.add("_mta-sts.d.test", {"TXT": ('"v=STSv1; id=77;"',)})
    visit = await world.visit(Mailhost(made.server()))
    assert (visit.need.level, visit.need.by) == (Level.VERIFY, "sts")
    assert visit.decided.good is not bool(why)
    assert why in visit.decided.why


async def test_probing_a_host_that_is_not_in_the_policy(world: World) -> None:
    world.sts = Sts(Policy("enforce", ("mx2.d.test",), 86400))
    visit = await world.visit(Mailhost(GOOD.server()))
    assert "is no mail host by the MTA-STS policy" in visit.decided.why


async def test_probing_without_tls_where_a_rule_asks_for_it(world: World) -> None:
    world.rules = Patterns([("d.test", Rule(Level.ENCRYPT))])
    visit = await world.visit(Mailhost())
    assert (visit.seen.starttls, visit.seen.tls, visit.seen.certificate) == (False, "", None)
    assert "policy asks for TLS, which it does not offer" in visit.decided.why


async def test_probing_with_tlsa_records_of_a_signed_zone(world: World) -> None:
    world.zone.secure = True
    world.zone.add("d.test", {"MX": ("10 mx.d.test.",)})
    served = await world.serve(Mailhost(ALONE.server()))
    digest = sha256(ALONE.spki).hexdigest()
    world.zone.add(f"_{served.port}._tcp.mx.d.test", {"TLSA": (f"3 1 1 {digest}",)})
    found = await (await world.prober(served.port)).probe("d.test")
    (visit,) = found.visits
    assert found.names.secure
    assert (visit.need.level, [str(one) for one in visit.need.tlsa]) == (Level.DANE, [f"3 1 1 {digest}"])
    assert (visit.decided.security, visit.seen.trusted) == ("dane", False)


async def test_probing_with_tlsa_records_of_another_key(world: World) -> None:
    world.zone.secure = True
    served = await world.serve(Mailhost(ALONE.server()))
    world.zone.add(f"_{served.port}._tcp.mx.d.test", {"TLSA": (f"3 1 1 {'00' * 32}",)})
    found = await (await world.prober(served.port)).probe("d.test")
    assert not found.deliverable
    assert found.code == 0  # it waits: the record may be corrected


async def test_probing_goes_by_the_route(world: World) -> None:
    served = await world.serve(Mailhost(GOOD.server()))
    route = Route("[127.0.0.1]", served.port, ("d.test",), Level.ENCRYPT)
    world.routes = Routes([route])
    found = await (await world.prober(1)).probe("d.test")
    assert found.route == route
    assert [one.host.address for one in found.visits] == ["127.0.0.1"]
    assert found.deliverable


async def test_probing_a_route_whose_password_can_not_be_read(world: World) -> None:
    world.routes = Routes(
        [Route("[127.0.0.1]", 25, ("d.test",), Level.ENCRYPT, user="me", password_file="/nowhere")]
    )
    found = await (await world.prober(1)).probe("d.test")
    assert (found.deliverable, found.code) == (False, 451)
    assert "/nowhere" in found.fault


async def test_probing_null_mx_no_domain_and_a_silent_dns(world: World) -> None:
    world.zone.add("null.test", {"MX": ("0 .",)})
    world.zone.faults["broken.test"] = Fault("servfail")
    prober = await world.prober(1)
    null = await prober.probe("null.test")
    assert (null.names.null_mx, null.code, null.visits) == (True, 556, [])
    gone = await prober.probe("gone.test")
    assert (gone.code, gone.deliverable) == (550, False)
    assert "does not exist" in gone.fault
    broken = await prober.probe("broken.test")
    assert (broken.code, broken.names.code) == (451, 451)


async def test_probing_a_domain_that_is_its_own_host(world: World) -> None:
    world.zone.add("own.test", {"A": ("127.0.0.1",)})
    served = await world.serve(Mailhost())
    found = await (await world.prober(served.port)).probe("own.test")
    assert found.names.implicit
    assert [(one.name, one.addresses) for one in found.names.exchangers] == [("own.test", ("127.0.0.1",))]
    assert found.deliverable


async def test_probing_one_host_that_is_down_and_one_that_is_not(world: World) -> None:
    served = await world.serve(Mailhost())
    world.zone.add("d.test", {"MX": ("5 off.d.test.", "10 mx.d.test.")})
    world.zone.add("off.d.test", {"A": ("127.0.0.77",)})
    found = await (await world.prober(served.port)).probe("d.test")
    assert [(one.preference, one.name) for one in found.names.exchangers] == [
        (5, "off.d.test"),
        (10, "mx.d.test"),
    ]
    assert [one.decided.good for one in found.visits] == [False, True]
    assert found.visits[0].seen.fault
    assert found.deliverable


@pytest.mark.parametrize(
    "says",
    [
        b"",
        b"554 5.7.1 go away\r\n",
        b"\x00\xff\x1b[2J\r\n",
        b"220-" + b"x" * 600 + b"\r\n220 x\r\n",
        b"220 a\r\nend",
    ],
    ids=["silence", "refusal", "binary", "long", "half"],
)
async def test_probing_hostile_greetings_ends_in_time_with_little_text(world: World, says: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        try:
            await reader.read(100)
            await asyncio.sleep(30)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    prober = replace(await world.prober(server.sockets[0].getsockname()[1]), seconds=0.3)
    found = await prober.probe("d.test")
    server.close()
    (visit,) = found.visits
    assert not visit.decided.good
    assert len(visit.seen.greeting) <= 512
    assert len(visit.decided.why) <= 512
