"""Routing against a real name server: preference, fall-back, null MX, faults, memory."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from mta.demo.nameserver import Nameserver
from mta.demo.zone import Fault, Zone
from mta.net.resolver import Host, Memory, Resolver, Unroutable, asker, is_private, nameservers

RECORDS = {
    "two.test": {"MX": ("20 second.two.test.", "10 first.two.test.")},
    "first.two.test": {"A": ("127.0.0.2",)},
    "second.two.test": {"A": ("127.0.0.3",)},
    "implicit.test": {"A": ("127.0.0.4",)},
    "null.test": {"MX": ("0 .",)},
    "nowhere.test": {"MX": ("10 gone.test.",)},
    "equal.test": {"MX": tuple(f"10 mx{n}.equal.test." for n in range(4))},
    **{f"mx{n}.equal.test": {"A": (f"127.0.1.{n}",)} for n in range(4)},
    "many.test": {"MX": tuple(f"{n} mx{n}.many.test." for n in range(40))},
    **{f"mx{n}.many.test": {"A": (f"127.0.2.{n}",)} for n in range(40)},
    "bare.test": {"TXT": ('"no mail here"',)},
    "broken.test": {"A": ("127.0.0.9",)},
    "halfbroken.test": {"MX": ("10 broken-mx.test.", "20 first.two.test.")},
}
FAULTS = {"broken.test": Fault("servfail"), "broken-mx.test": Fault("servfail")}


@pytest.fixture
async def server() -> AsyncIterator[Nameserver]:
    zone = Zone(faults=FAULTS)
    for name, records in RECORDS.items():
        zone.add(name, records)
    server = Nameserver(zone)
    await server.start("127.0.0.1")
    yield server
    await server.stop()


@pytest.fixture
def resolver(server: Nameserver) -> Resolver:
    ask = asker(nameservers([f"127.0.0.1:{server.port}"]))
    return Resolver(ask, allow_private=True, chance=random.Random(1))


async def code_of(resolver: Resolver, domain: str) -> tuple[int, str]:
    with pytest.raises(Unroutable) as caught:
        await resolver.hosts(domain)
    return caught.value.reply.code, caught.value.reply.enhanced


async def test_mx_hosts_come_by_preference(resolver: Resolver) -> None:
    assert await resolver.hosts("two.test") == [
        Host("first.two.test", "127.0.0.2"),
        Host("second.two.test", "127.0.0.3"),
    ]


async def test_equal_preferences_come_in_random_order(resolver: Resolver) -> None:
    firsts = {(await resolver.hosts("equal.test"))[0].name for _ in range(60)}
    assert len(firsts) == 4


async def test_without_mx_the_domain_is_its_own_host(resolver: Resolver) -> None:
    assert await resolver.hosts("implicit.test") == [Host("implicit.test", "127.0.0.4")]


async def test_null_mx_takes_no_mail(resolver: Resolver) -> None:
    assert await code_of(resolver, "null.test") == (556, "5.1.10")


async def test_a_domain_that_does_not_exist_is_final(resolver: Resolver) -> None:
    assert await code_of(resolver, "missing.test") == (550, "5.1.2")


async def test_a_domain_without_mx_and_address_is_final(resolver: Resolver) -> None:
    assert await code_of(resolver, "bare.test") == (550, "5.4.4")


async def test_mx_hosts_without_address_are_temporary(resolver: Resolver) -> None:
    assert await code_of(resolver, "nowhere.test") == (451, "4.4.4")


async def test_a_failing_lookup_is_temporary_and_never_falls_back_to_the_address(resolver: Resolver) -> None:
    assert await code_of(resolver, "broken.test") == (451, "4.4.3")


async def test_one_host_that_can_be_found_is_enough(resolver: Resolver) -> None:
    assert [host.name for host in await resolver.hosts("halfbroken.test")] == ["first.two.test"]


async def test_a_flood_of_mx_hosts_is_cut(resolver: Resolver) -> None:
    assert len(await resolver.hosts("many.test")) == 5


async def test_private_addresses_are_refused_unless_allowed(resolver: Resolver) -> None:
    strict = Resolver(resolver.ask)
    assert await code_of(strict, "two.test") == (550, "5.4.4")


async def test_the_same_question_is_asked_once_and_remembered(server: Nameserver, resolver: Resolver) -> None:
    await asyncio.gather(*(resolver.hosts("two.test") for _ in range(50)))
    asked = server.queries
    assert asked <= 5, "MX, and A with AAAA of two hosts"
    await resolver.hosts("two.test")
    assert server.queries == asked


async def test_an_answer_is_asked_again_when_its_time_is_over(server: Nameserver, resolver: Resolver) -> None:
    now = [0.0]
    resolver.clock = lambda: now[0]
    await resolver.hosts("implicit.test")
    asked = server.queries
    now[0] = 59.0
    await resolver.hosts("implicit.test")
    assert server.queries == asked
    now[0] = 61.0
    await resolver.hosts("implicit.test")
    assert server.queries > asked


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("127.0.0.1", True), ("10.1.2.3", True), ("169.254.1.1", True), ("::1", True), ("fe80::1", True),
        ("::ffff:127.0.0.1", True), ("0.0.0.0", True), ("8.8.8.8", False), ("2606:4700::1111", False),
        ("224.0.0.1", True), ("ff02::1", True), ("64:ff9b::10.0.0.1", True), ("64:ff9b::8.8.8.8", False),
        ("2002:0a00:0001::1", True), ("100.64.0.1", True), ("::ffff:8.8.8.8", False),
    ],
)  # fmt: skip
def test_private_ranges(address: str, private: bool) -> None:
    assert is_private(address) is private


async def test_the_memory_is_bounded(resolver: Resolver) -> None:
    resolver.memory = Memory(entries=3)
    for n in range(6):
        await resolver.lookup(f"mx{n}.many.test", "A")
    assert resolver.recall.records == 3
    await resolver.lookup("equal.test", "MX")
    assert resolver.recall.records == 4, "one answer is kept, however big"
    await resolver.lookup("mx1.many.test", "A")
    assert resolver.recall.records == 1
