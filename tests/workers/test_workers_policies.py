"""Policy through a real worker: what an enforcing policy refuses, what is never said in clear, who shares a session."""

import pytest

from mta.net.resolver import Answer, Unroutable
from mta.policy.patterns import Patterns
from mta.policy.tls import Level, Rule
from mta.queue.control import Control, Gate, Scope
from tests.scenarios.conftest import World
from tests.scenarios.peer import Move, Peer, until
from tests.workers.sending import (
    QUIET,
    STRANGER,
    certified,
    keeping_to_policy,
    outcomes,
    policy_server,
    said_in_clear,
)

HERE = "example.net"
PROVIDER = "provider"


async def together(world: World, *rcpts: str) -> None:
    """Put messages of one site so that they are taken as one batch."""
    control = Control(world.client, world.keys)
    await control.close(Scope.of_site(PROVIDER), Gate("suspended"), {})
    await world.put(*rcpts, site=PROVIDER)
    await control.open(Scope.of_site(PROVIDER), {})


async def shared_host(world: World, peer: Peer, *domains: str, secure: bool = False) -> None:
    """Give domains the same mail host."""
    for domain in domains:
        world.names[domain, "MX"] = Answer(((10, peer.name),), 300.0, True, secure)


# MTA-STS


async def test_a_host_that_proves_itself_gets_mail_of_an_enforcing_domain(world: World) -> None:
    peer = await world.peer(tls=certified("mx1.example.net").server())
    async with policy_server(HERE) as server:
        server.publish(world, HERE, "enforce", ["mx1.example.net"])
        worker = await keeping_to_policy(world, server=server)
        await world.put("jo@example.net")
        event = await world.outcome(event="delivered")
    assert event["tls"].startswith("TLSv1.3 TLS_")
    assert event["tls"].endswith(" verified")
    assert said_in_clear(peer) <= QUIET
    assert outcomes(worker) == [(HERE, "sts", "")]


@pytest.mark.parametrize(
    "how, fault",
    [
        ("in clear", "starttls-not-supported"), ("refuses", "starttls-not-supported"),
        ("stranger", "certificate-not-trusted"), ("other name", "certificate-host-mismatch"),
        ("breaks", "validation-failure"),
    ],
)  # fmt: skip
async def test_an_enforcing_domains_mail_waits_and_is_never_sent_in_clear(
    world: World, how: str, fault: str
) -> None:
    context = {
        "in clear": None,
        "stranger": STRANGER.server(),
        "other name": certified("mx9.example.net").server(),
    }.get(how, certified("mx1.example.net").server())
    answers = {"refuses": ("454 4.7.0 TLS not available", Move.CLOSE), "breaks": ("220 ready", Move.CLOSE)}
    script = {"starttls": answers[how]} if how in answers else {}
    peer = await world.peer(tls=context, **script)
    async with policy_server(HERE) as server:
        server.publish(world, HERE, "enforce", ["mx1.example.net"])
        worker = await keeping_to_policy(world, server=server)
        await world.put("jo@example.net")
        await world.outcome(event="deferred", tls="")
        await world.ended(peer)
    assert said_in_clear(peer) <= QUIET
    assert peer.messages == []
    assert outcomes(worker) == [(HERE, "sts", fault)]


async def test_a_host_that_the_policy_does_not_name_is_not_spoken_to_and_the_next_is(world: World) -> None:
    context = certified("mx1.example.net", "mx2.example.net", "mx3.example.net").server()
    wrong = [await world.peer(preference=5, tls=context) for _ in range(2)]
    right = await world.peer(preference=20, tls=context)
    async with policy_server(HERE) as server:
        server.publish(world, HERE, "enforce", ["mx3.example.net"])
        worker = await keeping_to_policy(world, server=server)
        await world.put("jo@example.net")
        event = await world.outcome(event="delivered")
    assert event["mx"].startswith("mx3.example.net ")
    assert [len(peer.conversations) for peer in (*wrong, right)] == [0, 0, 1]
    fell_short = (HERE, "sts", "validation-failure")
    assert sorted(outcomes(worker)) == [(HERE, "sts", ""), fell_short, fell_short], "a row for each host"


async def test_a_policy_in_testing_forgives_and_tells(world: World) -> None:
    await world.peer()
    async with policy_server(HERE) as server:
        server.publish(world, HERE, "testing", ["mx1.example.net"])
        worker = await keeping_to_policy(world, server=server)
        await world.put("jo@example.net")
        await world.outcome(event="delivered", tls="")
    assert outcomes(worker) == [(HERE, "sts", "starttls-not-supported")]


async def test_a_policy_once_fetched_serves_the_next_process(world: World) -> None:
    await world.peer(tls=STRANGER.server())
    async with policy_server(HERE) as server:
        server.publish(world, HERE, "enforce", ["mx1.example.net"])
        await keeping_to_policy(world, server=server)
        await world.put("jo@example.net")
        await world.events(1, "deferred")
        await world.stop()
        assert 86_000 < await world.client.ttl("mta:sts:example.net") <= 86_400
        server.files.clear()
        await keeping_to_policy(world, server=server, more={"name": "w2"})
        await world.put("jim@example.net")
        await world.events(2, "deferred")
        assert server.fetched == [HERE]


# who shares a session


async def test_mail_of_an_enforcing_domain_never_goes_over_a_session_opened_for_another(world: World) -> None:
    peer = await world.peer("free.example", tls=STRANGER.server())
    await shared_host(world, peer, "bound.example", "loose.example")
    async with policy_server("bound.example") as server:
        server.publish(world, "bound.example", "enforce", [peer.name])
        await keeping_to_policy(world, server=server)
        await together(world, "a@free.example", "b@bound.example", "c@loose.example")
        found = {event["rcpt"]: event["event"] for event in await world.events(3)}
    assert found == {
        "a@free.example": "delivered",
        "b@bound.example": "deferred",
        "c@loose.example": "delivered",
    }
    assert not any("bound.example" in command for command in peer.commands)


async def test_domains_without_a_policy_share_a_session_from_the_first_batch_on(world: World) -> None:
    peer = await world.peer("d0.example")
    domains = [f"d{n}.example" for n in range(6)]
    await shared_host(world, peer, *domains)
    async with policy_server("none.example") as server:
        worker = await keeping_to_policy(world, server=server)
        for domain in domains:
            await worker.doors.resolver.exchangers(domain)
        await together(world, *(f"u@{domain}" for domain in domains))
        await world.events(6, "delivered")
    assert len(peer.conversations) == 1


async def test_a_policy_server_that_is_slow_holds_up_its_own_domain_alone(world: World) -> None:
    peer = await world.peer("slow.example")
    await shared_host(world, peer, "quick.example")
    async with policy_server("slow.example") as server:
        server.publish(world, "slow.example", "none", [])
        worker = await keeping_to_policy(world, server=server)
        assert worker.doors.policies is not None
        sts = worker.doors.policies.sts
        go = until(lambda: peer.messages)
        fetch = sts.fetch  # type: ignore[union-attr]

        async def slow(domain: str) -> str:
            await go
            return await fetch(domain)

        sts.fetch = slow  # type: ignore[union-attr]
        await together(world, "a@slow.example", "b@quick.example")
        events = await world.events(2, "delivered")
    assert [event["rcpt"] for event in events] == ["b@quick.example", "a@slow.example"]


async def test_rules_that_change_end_the_sessions_opened_under_the_old_ones(world: World) -> None:
    peer = await world.peer()
    worker = await keeping_to_policy(world)
    await world.put("jo@example.net")
    await world.events(1, "delivered")
    assert worker.doors.policies is not None
    worker.doors.policies.rules = Patterns([("*", Rule(Level.ENCRYPT))])
    worker.delivery.dispatch.renew()
    await world.put("jim@example.net")
    (event,) = await world.events(1, "deferred")
    assert event["reply"].startswith("4.7.4 ")
    assert len(peer.messages) == 1


# DANE


def tlsa(world: World, name: str, record: str) -> None:
    world.names[f"_{world.port}._tcp.{name}", "TLSA"] = Answer(((0, record),), 300.0, True, True)


def signed(world: World, peer: Peer, *domains: str) -> None:
    """Have the names of a host and of these domains validated."""
    world.names[peer.name, "A"] = Answer(((0, peer.address),), 300.0, True, True)
    for domain in domains:
        world.names[domain, "MX"] = Answer(((10, peer.name),), 300.0, True, True)


async def test_a_validated_domains_mail_never_goes_over_a_session_that_was_not_held_to_its_tlsa_records(
    world: World,
) -> None:
    peer = await world.peer("plain.example", tls=STRANGER.server())
    signed(world, peer, "signed.example")
    tlsa(world, peer.name, "3 1 1 " + "00" * 32)
    worker = await keeping_to_policy(world)
    for domain in ("plain.example", "signed.example"):
        await worker.doors.resolver.exchangers(domain)
    await together(world, "a@plain.example", "b@signed.example")
    found = {event["rcpt"]: event["event"] for event in await world.events(2)}
    assert found == {"a@plain.example": "delivered", "b@signed.example": "deferred"}
    assert not any("signed.example" in command for command in peer.commands)
    assert sorted(outcomes(worker)) == [
        ("plain.example", "no-policy-found", ""),
        ("signed.example", "tlsa", "validation-failure"),
    ]


async def test_no_answer_about_tlsa_keeps_the_mail(world: World) -> None:
    peer = await world.peer(tls=STRANGER.server())
    signed(world, peer, HERE)
    world.names[f"_{world.port}._tcp.{peer.name}", "TLSA"] = Unroutable(451, "4.4.3 DNS lookup failed")
    await keeping_to_policy(world)
    await world.put("jo@example.net")
    await world.outcome(event="deferred", code="451")
    assert peer.conversations == []


# the operator's rules, and the DNS away


async def test_a_rule_of_the_operator_asks_for_a_certificate(world: World) -> None:
    peer = await world.peer(tls=STRANGER.server())
    worker = await keeping_to_policy(world)
    assert worker.doors.policies is not None
    worker.doors.policies.rules = Patterns([("*.net", Rule(Level.VERIFY))])
    await world.put("jo@example.net")
    event = await world.outcome(event="deferred")
    assert event["reply"].startswith("4.4.1 mx1.example.net [127.0.0.1]: ")
    assert said_in_clear(peer) <= QUIET
    assert outcomes(worker) == [], "a report is about what the domain published"


async def test_an_old_answer_serves_while_the_resolver_is_away(world: World) -> None:
    peer = await world.peer()
    worker = await keeping_to_policy(world)
    await world.put("jo@example.net")
    await world.events(1, "delivered")
    later = worker.doors.resolver.clock() + 3600
    worker.doors.resolver.clock = lambda: later
    for key in world.names:
        world.names[key] = Unroutable(451, "4.4.3 DNS lookup failed")
    worker.delivery.dispatch.renew()
    await world.ended(peer)
    asked = len(world.asked)
    await world.put("jim@example.net")
    await world.events(2, "delivered")
    assert len(world.asked) > asked, "it was asked first"
    assert len(peer.messages) == 2
