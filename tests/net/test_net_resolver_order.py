"""Which hosts are tried, in what order, and what the resolver remembers while the DNS is silent."""

import asyncio
import random
from collections import Counter

import pytest

from mta.net.memory import Memory
from mta.net.question import Answer, Unroutable
from mta.net.ranges import literal
from mta.net.resolver import Exchangers, Host, Resolver


class Dns:
    """Answers by (name, type); what it does not know does not exist; counts what was asked."""

    def __init__(self) -> None:
        self.table: dict[tuple[str, str], Answer] = {}
        self.asked: Counter[tuple[str, str]] = Counter()
        self.down = False
        self.open = asyncio.Event()
        self.open.set()
        self.under_way = self.most_under_way = 0

    def mx(self, domain: str, *pairs: tuple[int, str], ttl: float = 300, secure: bool = False) -> None:
        self.table[domain, "MX"] = Answer(pairs, ttl, True, secure, domain)

    def at(self, name: str, *addresses: str, ttl: float = 300, secure: bool = False) -> None:
        for kind, found in (
            ("A", [a for a in addresses if ":" not in a]),
            ("AAAA", [a for a in addresses if ":" in a]),
        ):
            self.table[name, kind] = Answer(tuple((0, a) for a in found), ttl, True, secure, name)

    async def __call__(self, name: str, kind: str) -> Answer:
        self.asked[name, kind] += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.open.wait()
        self.under_way -= 1
        if self.down:
            raise Unroutable(451, "4.4.3 nobody answers")
        return self.table.get((name, kind), Answer((), 60.0, exists=False))


@pytest.fixture
def dns() -> Dns:
    return Dns()


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def resolver(dns: Dns, now: list[float]) -> Resolver:
    return Resolver(dns, allow_private=True, clock=lambda: now[0], chance=random.Random(7))


async def refusal(resolver: Resolver, domain: str) -> str:
    with pytest.raises(Unroutable) as caught:
        await resolver.hosts(domain)
    return f"{caught.value.reply.code} {caught.value.reply.enhanced}"


async def test_ipv6_and_ipv4_addresses_of_a_host_come_in_turn(dns: Dns, resolver: Resolver) -> None:
    dns.mx("d.test", (10, "mx.d.test"))
    dns.at("mx.d.test", "10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1", "2001:db8::2", "2001:db8::3")
    families = [":" in host.address for host in await resolver.hosts("d.test")]
    assert families == [True, False, True, False, True]


async def test_one_host_with_many_addresses_leaves_room_for_the_next(dns: Dns, resolver: Resolver) -> None:
    dns.mx("d.test", (10, "big.d.test"), (20, "small.d.test"))
    dns.at("big.d.test", *(f"10.0.0.{n}" for n in range(1, 20)))
    dns.at("small.d.test", "10.0.1.1", "10.0.1.2", "10.0.1.3")
    assert [host.name for host in await resolver.hosts("d.test")] == ["big.d.test"] * 3 + ["small.d.test"] * 2


async def test_no_more_hosts_are_looked_up_than_needed(dns: Dns, resolver: Resolver) -> None:
    dns.mx("d.test", *((n, f"mx{n}.d.test") for n in range(30)))
    for n in range(30):
        dns.at(f"mx{n}.d.test", f"10.0.{n}.1", f"10.0.{n}.2", f"10.0.{n}.3")
    assert [host.name for host in await resolver.hosts("d.test")] == ["mx0.d.test"] * 3 + ["mx1.d.test"] * 2
    assert sum(dns.asked.values()) == 5, "MX, and A with AAAA of two hosts"


async def test_hosts_without_addresses_are_looked_at_up_to_a_cap(dns: Dns, resolver: Resolver) -> None:
    dns.mx("d.test", *((n, f"mx{n}.d.test") for n in range(60)))
    assert await refusal(resolver, "d.test") == "451 4.4.4"
    assert sum(dns.asked.values()) == 1 + 2 * 16


async def test_the_order_among_equals_is_new_at_each_use_of_one_answer(dns: Dns, resolver: Resolver) -> None:
    dns.mx("d.test", *((10, f"mx{n}.d.test") for n in range(4)))
    for n in range(4):
        dns.at(f"mx{n}.d.test", f"10.0.0.{n + 1}")
    firsts = Counter([(await resolver.hosts("d.test"))[0].name for _ in range(400)])
    assert len(firsts) == 4
    assert min(firsts.values()) > 50
    assert dns.asked["d.test", "MX"] == 1


@pytest.mark.parametrize(
    ("domain", "address"),
    [
        ("[192.0.2.1]", "192.0.2.1"), ("[IPv6:2001:db8::1]", "2001:db8::1"), ("[ipv6:2001:DB8::1]", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"), ("192.0.2.1", ""), ("[mx.test]", ""), ("[fe80::1%eth0]", ""), ("[]", ""),
    ],
)  # fmt: skip
def test_address_literals(domain: str, address: str) -> None:
    assert literal(domain) == address


async def test_an_address_literal_is_its_own_host(dns: Dns, resolver: Resolver) -> None:
    assert await resolver.hosts("[192.0.2.1]") == [Host("[192.0.2.1]", "192.0.2.1")]
    assert (await resolver.exchangers("[192.0.2.1]")).names == ("[192.0.2.1]",)
    assert not dns.asked
    strict = Resolver(dns)
    assert await refusal(strict, "[127.0.0.1]") == "550 5.4.4"
    assert await refusal(strict, "[IPv6:::ffff:10.0.0.1]") == "550 5.4.4"


async def test_an_mx_that_is_an_address_is_tolerated(dns: Dns, resolver: Resolver) -> None:
    dns.mx("d.test", (10, "192.0.2.9"))
    assert await resolver.hosts("d.test") == [Host("192.0.2.9", "192.0.2.9")]
    assert await refusal(Resolver(dns), "d.test") == "550 5.4.4"


@pytest.mark.parametrize("own", ["mx2.d.test", "10.0.0.2"])
async def test_our_own_host_in_the_mx_list_ends_it(dns: Dns, resolver: Resolver, own: str) -> None:
    dns.mx("d.test", (10, "mx1.d.test"), (20, "mx2.d.test"), (20, "mx3.d.test"), (30, "mx4.d.test"))
    for n in range(1, 5):
        dns.at(f"mx{n}.d.test", f"10.0.0.{n}")
    resolver.own = frozenset({own})
    assert [host.name for host in await resolver.hosts("d.test")] == ["mx1.d.test"]


async def test_a_domain_whose_best_host_we_are_is_a_loop(dns: Dns, resolver: Resolver) -> None:
    dns.mx("d.test", (10, "us.d.test"), (20, "other.d.test"))
    dns.at("us.d.test", "10.0.0.1")
    dns.at("other.d.test", "10.0.0.2")
    resolver.own = frozenset({"us.d.test"})
    assert await refusal(resolver, "d.test") == "550 5.4.6"


async def test_a_host_is_secure_only_when_mx_and_address_are(dns: Dns, resolver: Resolver) -> None:
    for name, mx, a in (("both", True, True), ("mx", True, False), ("a", False, True)):
        dns.mx(f"{name}.test", (10, f"mx.{name}.test"), secure=mx)
        dns.at(f"mx.{name}.test", "10.0.0.1", secure=a)
        assert [host.secure for host in await resolver.hosts(f"{name}.test")] == [mx and a]


async def test_exchangers_come_best_first_and_the_same_each_time(dns: Dns, resolver: Resolver) -> None:
    dns.mx("d.test", (20, "b.test"), (10, "z.test"), (20, "a.test"), (20, "b.test"), ttl=90, secure=True)
    assert await resolver.exchangers("d.test") == Exchangers(("z.test", "a.test", "b.test"), False, 90, True)
    dns.table["alone.test", "MX"] = Answer((), 60.0)
    assert await resolver.exchangers("alone.test") == Exchangers(("alone.test",), True, 60, False)


async def test_exchangers_refuse_what_hosts_refuses(dns: Dns, resolver: Resolver) -> None:
    dns.mx("null.test", (0, "."))
    dns.mx("nohost.test", (10, ""))
    for domain, code in (("null.test", 556), ("missing.test", 550), ("nohost.test", 451)):
        for ask in (resolver.exchangers, resolver.hosts):
            with pytest.raises(Unroutable) as caught:
                await ask(domain)
            assert caught.value.reply.code == code
        assert resolver.known(domain) is None


async def test_a_null_mx_beside_others_is_passed_over(dns: Dns, resolver: Resolver) -> None:
    dns.mx("d.test", (0, "."), (10, "mx.test"))
    assert (await resolver.exchangers("d.test")).names == ("mx.test",)


async def test_known_tells_from_memory_alone(dns: Dns, resolver: Resolver, now: list[float]) -> None:
    dns.mx("d.test", (10, "mx.test"), ttl=100)
    assert resolver.known("d.test") is None
    await resolver.exchangers("d.test")
    now[0] += 40
    known = resolver.known("d.test")
    assert known is not None
    assert (known.names, known.ttl) == (("mx.test",), 60)
    now[0] += 61
    assert resolver.known("d.test") is None
    assert dns.asked["d.test", "MX"] == 1


async def test_an_old_answer_serves_while_the_dns_is_silent(
    dns: Dns, resolver: Resolver, now: list[float]
) -> None:
    dns.mx("d.test", (10, "mx.d.test"), ttl=60)
    dns.at("mx.d.test", "10.0.0.1", ttl=60)
    fresh = await resolver.hosts("d.test")
    dns.down = True
    now[0] += 3600
    assert await resolver.hosts("d.test") == fresh
    asked = dns.asked["d.test", "MX"]
    now[0] += 29
    assert await resolver.hosts("d.test") == fresh
    assert dns.asked["d.test", "MX"] == asked, "the DNS is left in peace for half a minute"
    assert resolver.known("d.test") is not None
    now[0] += 2
    await resolver.hosts("d.test")
    assert dns.asked["d.test", "MX"] == asked + 1
    now[0] += 86400
    assert await refusal(resolver, "d.test") == "451 4.4.3"


async def test_the_new_answer_counts_as_soon_as_there_is_one(
    dns: Dns, resolver: Resolver, now: list[float]
) -> None:
    dns.mx("d.test", (10, "old.test"), ttl=60)
    await resolver.exchangers("d.test")
    dns.down = True
    now[0] += 100
    await resolver.exchangers("d.test")
    dns.down = False
    dns.mx("d.test", (10, "new.test"), ttl=60)
    now[0] += 31
    assert (await resolver.exchangers("d.test")).names == ("new.test",)


async def test_old_tlsa_records_and_old_absence_serve_nobody(
    dns: Dns, resolver: Resolver, now: list[float]
) -> None:
    dns.table["_25._tcp.mx.test", "TLSA"] = Answer(((0, "3 1 1 00"),), 60, True, True)
    await resolver.lookup("_25._tcp.mx.test", "TLSA")
    with pytest.raises(Unroutable):
        await resolver.exchangers("missing.test")
    dns.down = True
    now[0] += 100
    with pytest.raises(Unroutable):
        await resolver.lookup("_25._tcp.mx.test", "TLSA")
    assert await refusal(resolver, "missing.test") == "451 4.4.3"


async def test_silence_is_not_asked_again_at_once(dns: Dns, resolver: Resolver, now: list[float]) -> None:
    dns.down = True
    for _ in range(50):
        assert await refusal(resolver, "d.test") == "451 4.4.3"
    assert dns.asked["d.test", "MX"] == 1
    dns.down = False
    dns.mx("d.test", (10, "mx.test"))
    now[0] += 5
    assert (await resolver.exchangers("d.test")).names == ("mx.test",)


@pytest.mark.parametrize(("ttl", "kept"), [(0, 30), (5, 30), (300, 300), (2**31, 86400)])
async def test_times_to_live_are_clamped(
    dns: Dns, resolver: Resolver, now: list[float], ttl: float, kept: float
) -> None:
    dns.mx("d.test", (10, "mx.test"), ttl=ttl)
    assert (await resolver.exchangers("d.test")).ttl == kept


async def test_a_thousand_who_ask_at_once_ask_once_even_when_the_first_gives_up(
    dns: Dns, resolver: Resolver
) -> None:
    dns.mx("d.test", (10, "mx.test"))
    dns.open.clear()
    tasks = [asyncio.ensure_future(resolver.exchangers("d.test")) for _ in range(1000)]
    while not dns.asked:
        await asyncio.sleep(0)
    tasks[0].cancel()
    dns.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert {each.names for each in results[1:] if isinstance(each, Exchangers)} == {("mx.test",)}
    assert dns.asked["d.test", "MX"] == 1


async def test_questions_under_way_are_bounded(dns: Dns, resolver: Resolver) -> None:
    resolver.parallel = 8
    dns.open.clear()
    tasks = [asyncio.ensure_future(resolver.exchangers(f"d{n}.test")) for n in range(100)]
    while dns.under_way < 8:
        await asyncio.sleep(0)
    dns.open.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert dns.most_under_way == 8
    assert sum(dns.asked.values()) == 100


async def test_what_was_used_last_goes_last(dns: Dns, resolver: Resolver) -> None:
    resolver.memory = Memory(entries=3)
    for n in range(3):
        dns.mx(f"d{n}.test", (10, "mx.test"))
        await resolver.exchangers(f"d{n}.test")
    assert resolver.known("d0.test")
    dns.mx("d3.test", (10, "mx.test"))
    await resolver.exchangers("d3.test")
    assert [bool(resolver.known(f"d{n}.test")) for n in range(4)] == [True, False, True, True]


async def test_a_host_the_operator_named_may_be_a_private_one(dns: Dns) -> None:
    strict = Resolver(dns)
    dns.at("relay.test", "10.0.0.1")
    assert await strict.addresses("relay.test") == [Host("relay.test", "10.0.0.1")]
    assert await strict.addresses("[127.0.0.1]") == [Host("[127.0.0.1]", "127.0.0.1")]
    with pytest.raises(Unroutable) as caught:
        await strict.addresses("missing.test")
    assert caught.value.reply.code == 451
    assert ("relay.test", "MX") not in dns.asked
