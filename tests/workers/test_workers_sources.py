"""A worker's sources: where sessions are bound, what they say in EHLO, and what happens when a source fails."""

import asyncio
import time

from mta.net.resolver import Answer
from mta.queue.control import Control, Scope
from mta.queue.warmbook import WarmBook
from mta.throttle.limits import Limits
from mta.throttle.pools import Pools, Source, pools_of
from mta.throttle.reactions import by_class, rule
from mta.throttle.shaping import Shaping
from mta.throttle.warmup import Counts
from mta.workers.sources import Sources
from mta.workers.worker import Worker
from tests.scenarios.conftest import World
from tests.scenarios.peer import Conversation, Peer, until

UNPLUMBED = "192.0.2.77"  # RFC 5737: of no host
BLOCKED = "554 5.7.1 Your IP address 127.0.0.20 is listed on our block list"


def two(**more: str) -> Pools:
    """Two sources on loopback that share the pool evenly."""
    sources = {
        "a": Source("a", "127.0.0.20", helo="a.out.example"),
        "b": Source("b", more.get("b", "127.0.0.21"), helo="b.out.example"),
    }
    return pools_of(sources, {"default": {"a": 1.0, "b": 1.0}})


def one(address: str) -> Pools:
    return pools_of({"a": Source("a", address, helo="a.out.example")}, {"default": {"a": 1.0}})


async def events_of(world: World, kind: str) -> list[bytes]:
    rows = await world.client.xrange(world.keys.events(0))
    return [fields[b"id"] for _, fields in rows if fields[b"event"] == kind.encode()]


async def start(world: World, pools: Pools, **more: object) -> Worker:
    worker = await world.start(pools=pools, **more)  # type: ignore[arg-type]
    worker.doors.sources = Sources(Control(world.client, world.keys))
    return worker


def greeted(peer: Peer) -> set[str]:
    return {command for one in peer.conversations for command in one.commands if command[:4] == "EHLO"}


async def test_sessions_are_bound_to_the_batchs_source_and_say_its_name(world: World) -> None:
    peer = await world.peer()
    await world.put(*(f"u{number}@example.net" for number in range(40)))
    await start(world, two())
    events = await world.events(40, "delivered")
    sent = {one["source"] for one in events}
    assert sent == {"127.0.0.20", "127.0.0.21"}
    assert greeted(peer) == {"EHLO a.out.example", "EHLO b.out.example"}
    assert len(peer.conversations) == 2, "one connection for each source, each used again"


async def test_the_only_source_of_a_pool_is_used_without_being_chosen(world: World) -> None:
    peer = await world.peer()
    await world.put("jo@example.net")
    await start(world, one("127.0.0.22"))
    assert (await world.outcome(event="delivered"))["source"] == "127.0.0.22"
    assert greeted(peer) == {"EHLO a.out.example"}


async def test_mail_of_a_source_that_is_gone_goes_by_the_others(world: World) -> None:
    await world.peer()
    await world.put(*(f"u{number}@example.net" for number in range(30)))
    await start(world, two(b=UNPLUMBED))
    events = await world.events(30, "delivered")
    assert {(one["source"], one["attempts"]) for one in events} == {("127.0.0.20", "1")}
    (told,) = await world.events(1, "suspended")
    assert (told["scope"], told["by"]) == ("source:b", "engine")
    assert UNPLUMBED in told["reason"]
    gate = (await Control(world.client, world.keys).gates())["x|b"]
    assert gate.until > 0


async def test_when_it_is_the_only_one_the_mail_waits_without_an_attempt(world: World) -> None:
    peer = await world.peer()
    await world.put("jo@example.net")
    worker = await start(world, one(UNPLUMBED))
    await world.events(1, "suspended")

    await until(lambda: not worker.delivery.flying)
    assert await world.events(1) == await world.events(1, "suspended"), "nobody is told of an attempt"
    assert peer.conversations == []
    order = {"event": "resumed", "eid": "r", "ts": "1"}
    assert await Control(world.client, world.keys).open(Scope.of_source("a"), order)


async def test_a_source_that_is_refused_everywhere_is_suspended(world: World) -> None:
    for number in range(3):
        await world.peer(f"d{number}.test", greeting=BLOCKED)
        await world.put(f"u@d{number}.test", site=f"d{number}.test")
    await start(world, one("127.0.0.20"))
    (told,) = await world.events(1, "suspended")
    assert told["scope"] == "source:a"
    assert "block list" in told["reason"]


async def test_a_source_of_one_kind_of_ip_does_not_try_the_other(world: World) -> None:
    peer = await world.peer()
    world.names[peer.name, "AAAA"] = Answer(((0, "::1"),), 300.0)
    await world.put("jo@example.net")
    worker = await start(world, one("127.0.0.22"))
    worker.doors.resolver.ipv6 = True
    assert (await world.outcome(event="delivered"))["source"] == "127.0.0.22"


async def test_what_becomes_of_mail_is_counted_for_a_source_that_warms_up(world: World) -> None:
    pools = pools_of({"a": Source("a", "127.0.0.20", warm=False)}, {"default": {"a": 1.0}})
    book = WarmBook(world.client, world.keys)
    await book.allow({("a", "*"): (100, 30)})
    await world.peer(
        rcpt=["250 ok", "452 4.3.1 out of memory", "550 5.1.1 no such user", "451 4.7.1 greylisted", "250 ok"]
    )
    await world.put(*(f"u{number}@example.net" for number in range(5)))
    await start(world, pools)
    await world.events(5)
    counts, wanted = Counts(), Counts(taken=5, delivered=2, deferred=1, bounced=1)
    ends = time.monotonic() + 5
    while counts != wanted and time.monotonic() < ends:
        await asyncio.sleep(0.01)
        counts = (await book.counts(await book.now() // 86_400_000))["a", "*"]
    assert counts == wanted


async def test_reactions_stop_the_path_from_a_source_and_the_others_go_on(world: World) -> None:
    stop = rule("r", {"class": "reputation", "count": 1, "suspend": "1h", "alarm": True})
    shaping = Shaping(Limits(connections=1), reactions={"*": by_class([stop])})

    async def picky(one: Conversation) -> None:
        own = one.writer.get_extra_info("peername")[0]
        await one.say(f"{BLOCKED if own == '127.0.0.20' else '220 hello'}\r\n".encode())

    await world.peer(greeting=picky)
    await world.put(*(f"u{number}@example.net" for number in range(24)))
    await start(world, two(), shaping=shaping)
    (told,) = await world.events(1, "suspended")
    assert (told["scope"], told["source"]) == ("site:example.net", "a")
    base = world.keys.base(0)
    assert await world.client.hexists(f"{base}path:@a|example.net", "stop")
    assert await world.client.ttl(f"{base}path:@a|example.net") > 3600, (
        "it outlives the hour after its last use"
    )
    assert not await world.client.hexists(f"{base}path:@b|example.net", "stop")
    refused = len(await events_of(world, "bounced")) + len(await events_of(world, "deferred"))
    await world.events(24 - refused, "delivered")
