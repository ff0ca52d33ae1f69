"""From DNS to session: signed zones behind a real validating resolver, real TLS, nothing in clear that must not be."""

from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from authority import make
from mailhost import Mailhost, running
from signedzone import UNBOUND, Unbound, signed

from mta.net.connect import CannotConnect, Contexts, Dialling, Opened, contexts, open_session
from mta.net.policies import Policies
from mta.net.question import Answer, Unroutable, asker, nameservers
from mta.net.resolver import Host, Resolver
from mta.policy.mtasts import Policy
from mta.policy.patterns import Patterns
from mta.policy.tls import Level, Rule, TlsNeed, Wish

ROOT = make("root", signs=True)
LEAF = make("leaf", ROOT, names=["mx.good.test"])
KEY = sha256(LEAF.spki).hexdigest()
OTHER = sha256(b"another key").hexdigest()
PORT = 25

SIGNED = f"""
good MX 10 mx.good
mx.good A 127.0.0.1
_25._tcp.mx.good TLSA 3 1 1 {KEY}
wrong MX 10 mx.wrong
mx.wrong A 127.0.0.1
_25._tcp.mx.wrong TLSA 3 1 1 {OTHER}
anchor MX 10 mx.good.test.
plain MX 10 mx.plain
mx.plain A 127.0.0.1
alias MX 10 mx.alias
mx.alias CNAME mx.good
pkix MX 10 mx.pkix
mx.pkix A 127.0.0.1
_25._tcp.mx.pkix TLSA 1 1 1 {KEY}
outside MX 10 mx.open.test.
self A 127.0.0.1
_25._tcp.self TLSA 3 1 1 {KEY}
"""
OPEN = f"""
@ MX 10 mx.good.test.
mx A 127.0.0.1
_25._tcp.mx TLSA 3 1 1 {KEY}
"""


class Sts:
    """Says one policy of every domain."""

    def __init__(self, policy: Policy | None, fault: str = "") -> None:
        self.found, self.why, self.asked = policy, fault, 0

    async def policy(self, _: str) -> Policy | None:
        self.asked += 1
        return self.found

    def fault(self, _: str) -> str:
        return self.why

    def mode(self, _: str) -> str | None:
        return self.found.mode if self.found else "none"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    path = tmp_path_factory.mktemp("ca") / "root.pem"
    path.write_bytes(ROOT.pem)
    return contexts(authorities=str(path))


# With an answer for every question, and no DNS.


class Table:
    """Answers by (name, type); what is not there does not exist."""

    def __init__(self, **answers: Answer | Unroutable) -> None:
        self.answers = {tuple(key.rsplit(" ", 1)): answer for key, answer in answers.items()}
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, name: str, kind: str) -> Answer:
        self.asked.append((name, kind))
        found = self.answers.get((name, kind), Answer((), 60, exists=False))
        if isinstance(found, Unroutable):
            raise found
        return found


HOST = Host("mx.d.test", "192.0.2.1", secure=True)
TLSA = "_25._tcp.mx.d.test TLSA"
GOOD = Answer(((0, f"3 1 1 {KEY}"),), 60, True, True)


async def test_tlsa_records_are_asked_for_below_a_validated_host_alone() -> None:
    table = Table(**{TLSA: GOOD})
    policies = Policies(Resolver(table))
    assert (await policies.need("d.test", HOST)).level is Level.DANE
    assert (await policies.need("d.test", Host("mx.d.test", "192.0.2.1"))).level is Level.MAY
    assert (await policies.need("d.test", HOST, wish=Wish.RELAX)).level is Level.MAY
    assert len(table.asked) == 1
    assert (await Policies(Resolver(table), dane=False).need("d.test", HOST)).level is Level.MAY


async def test_tlsa_records_that_nobody_validated_count_for_nothing() -> None:
    table = Table(**{TLSA: Answer(GOOD.values, 60, True, False)})
    assert (await Policies(Resolver(table)).need("d.test", HOST)).level is Level.MAY


async def test_tlsa_records_of_no_use_still_ask_for_encryption() -> None:
    for text in ("", "3 1 1 00", f"1 1 1 {KEY}"):
        table = Table(**{TLSA: Answer(((0, text),), 60, True, True)})
        need = await Policies(Resolver(table)).need("d.test", HOST)
        assert (need.level, need.fault) == (Level.ENCRYPT, "tlsa-invalid")


async def test_no_answer_about_tlsa_is_no_leave_to_go_on() -> None:
    table = Table(**{TLSA: Unroutable(451, "4.4.3 DNS lookup failed")})
    need = await Policies(Resolver(table)).need("d.test", HOST)
    assert (need.refuse, need.fault) == ("DNS lookup failed", "dnssec-invalid")


async def test_records_stand_at_the_end_of_the_cname_or_at_the_name_itself() -> None:
    host = Host("alias.test", "192.0.2.1", True, "real.test")
    for base in ("real.test", "alias.test"):
        table = Table(**{f"_587._tcp.{base} TLSA": GOOD})
        need = await Policies(Resolver(table)).need("d.test", host, 587)
        assert need.names[0] == base


async def test_mta_sts_is_asked_where_dane_does_not_decide() -> None:
    sts = Sts(Policy("enforce", ("mx.d.test",), 86400))
    policies = Policies(Resolver(Table(**{TLSA: GOOD})), sts=sts)
    assert (await policies.need("d.test", HOST)).by == "dane"
    assert sts.asked == 0
    assert (await policies.need("d.test", Host("mx.d.test", "192.0.2.1"))).by == "sts"
    assert (await policies.need("d.test", Host("mx.evil.test", "192.0.2.1"))).refuse
    failing = Policies(Resolver(Table()), sts=Sts(None, "sts-webpki-invalid"))
    assert (await failing.need("d.test", HOST)).fault == "sts-webpki-invalid"


async def test_the_operators_rule_for_a_domain() -> None:
    rules = Patterns([("*.partner.test", Rule(Level.VERIFY)), ("*", Rule(Level.ENCRYPT))])
    policies = Policies(Resolver(Table()), rules=rules)
    assert (await policies.need("a.partner.test", HOST)).level is Level.VERIFY
    assert (await policies.need("d.test", HOST)).level is Level.ENCRYPT


def test_domains_with_a_policy_have_sessions_of_their_own() -> None:
    rules = Patterns([("ruled.test", Rule(Level.ENCRYPT))])
    free, bound = Sts(None), Sts(Policy("testing", ("mx.test",), 86400))
    assert Policies(Resolver(Table()), rules=rules, sts=free).tag("a.test") == ""
    assert Policies(Resolver(Table()), rules=rules).tag("a.test") == ""
    assert Policies(Resolver(Table()), rules=rules, sts=free).tag("ruled.test") == " ruled.test"
    assert Policies(Resolver(Table()), sts=bound).tag("a.test") == " a.test testing"
    enforced = Sts(Policy("enforce", ("mx.test",), 86400))
    assert Policies(Resolver(Table()), rules=rules, sts=enforced).tag("ruled.test") == " ruled.test enforce"


async def test_tls_that_is_off_asks_nobody() -> None:
    table, sts = Table(**{TLSA: GOOD}), Sts(None)
    policies = Policies(Resolver(table), Rule(Level.NONE), sts=sts)
    assert await policies.need("d.test", HOST) == TlsNeed(Level.NONE)
    assert (len(table.asked), sts.asked) == (0, 0)


# With unbound and signed zones.

needs_unbound = [
    pytest.mark.system,
    pytest.mark.skipif(UNBOUND is None, reason="unbound is not installed (Debian package unbound)"),
]


@pytest.fixture(scope="module")
def unbound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unbound]:
    folder: Path = tmp_path_factory.mktemp("unbound")
    zone, anchor = signed("test.", SIGNED)
    bogus, bogus_anchor = signed(
        "bogus.", f"@ MX 10 mx\nmx A 127.0.0.1\n_25._tcp.mx TLSA 3 1 1 {KEY}", break_type="MX"
    )
    half, half_anchor = signed(
        "half.", f"@ MX 10 mx\nmx A 127.0.0.1\n_25._tcp.mx TLSA 3 1 1 {KEY}", break_type="TLSA"
    )
    plain = f"open.test. 300 IN SOA ns hostmaster 1 3600 600 86400 300\n$ORIGIN open.test.\n$TTL 300\n@ NS ns\n{OPEN}"
    server = Unbound(
        folder,
        {
            "test.": (zone, anchor),
            "bogus.": (bogus, bogus_anchor),
            "half.": (half, half_anchor),
            "open.test.": (plain, ""),
        },
    )
    yield server
    server.stop()


class Way:
    """Domain to session by all of the engine's steps; the mail host stands at another port than 25."""

    def __init__(self, unbound: Unbound, both: Contexts, host: Mailhost, trusted: bool | None = None) -> None:
        ask = asker(nameservers([f"127.0.0.1:{unbound.port}"]), trusted)
        self.resolver = Resolver(ask, ipv6=False, allow_private=True)
        self.policies = Policies(self.resolver)
        self.both, self.host = both, host

    async def need(self, domain: str) -> TlsNeed:
        hosts = await self.resolver.hosts(domain)
        return await self.policies.need(domain, hosts[0])

    async def open(self, domain: str) -> Opened:
        hosts = await self.resolver.hosts(domain)
        need = await self.policies.need(domain, hosts[0])
        opened = await open_session(hosts[0], Dialling(port=self.host.port, helo="us.test"), self.both, need)
        opened.transport.abort()
        return opened


class TestSignedZones:
    """One resolver for all."""

    pytestmark = needs_unbound

    @pytest.fixture
    async def way(self, unbound: Unbound, both: Contexts) -> AsyncIterator[Way]:
        await unbound.ready()
        async with running(Mailhost(LEAF.server(ROOT))) as host:
            yield Way(unbound, both, host)

    @pytest.mark.parametrize("domain", ["good.test", "alias.test", "anchor.test", "self.test"])
    async def test_a_server_that_its_signed_zone_names(self, way: Way, domain: str) -> None:
        assert (await way.open(domain)).security == "dane"

    async def test_a_server_that_its_signed_zone_does_not_name(self, way: Way) -> None:
        with pytest.raises(CannotConnect) as caught:
            await way.open("wrong.test")
        assert caught.value.fault == "validation-failure"
        assert way.host.clear == ["EHLO us.test", "STARTTLS"], "and not a word of mail"

    async def test_a_signed_zone_does_not_let_its_mail_go_in_clear(self, way: Way) -> None:
        way.host.offers = False
        with pytest.raises(CannotConnect) as caught:
            await way.open("good.test")
        assert caught.value.fault == "starttls-not-supported"
        assert way.host.clear == ["EHLO us.test", "QUIT"]

    async def test_a_signed_zone_without_tlsa_asks_for_nothing(self, way: Way) -> None:
        need = await way.need("plain.test")
        assert (need.level, need.refuse) == (Level.MAY, "")

    async def test_tlsa_of_usage_1_asks_for_encryption_alone(self, way: Way) -> None:
        assert (await way.need("pkix.test")).level is Level.ENCRYPT
        assert (await way.open("pkix.test")).security == "encrypted"

    @pytest.mark.parametrize("domain", ["open.test", "outside.test"])
    async def test_an_unsigned_mx_or_address_makes_no_promise(self, way: Way, domain: str) -> None:
        (host,) = await way.resolver.hosts(domain)
        assert not host.secure
        assert (await way.need(domain)).level is Level.MAY

    async def test_an_mx_with_a_false_signature_is_no_answer(self, way: Way) -> None:
        with pytest.raises(Unroutable) as caught:
            await way.resolver.hosts("bogus")
        assert caught.value.reply.code == 451

    async def test_tlsa_with_a_false_signature_stops_the_mail(self, way: Way) -> None:
        need = await way.need("half")
        assert need.fault == "dnssec-invalid"
        with pytest.raises(CannotConnect):
            await way.open("half")
        assert way.host.connections == 0

    async def test_a_resolver_we_do_not_trust_makes_nothing_secure(
        self, way: Way, unbound: Unbound, both: Contexts
    ) -> None:
        doubting = Way(unbound, both, way.host, trusted=False)
        assert (await doubting.need("wrong.test")).level is Level.MAY
