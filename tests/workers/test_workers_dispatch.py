"""Batches onto sessions: several hosts under one permit, higher classes ahead, nothing lost on the way."""

import asyncio
from typing import Any

import pytest

from mta.message import Class, Lane
from mta.mime.document import Document
from mta.net.memory import Memory
from mta.net.resolver import Unroutable
from mta.queue.control import Control, Gate, Scope
from mta.queue.lanes import PathDefaults
from mta.throttle.limits import Limits
from mta.throttle.reactions import by_class, rule
from mta.throttle.shaping import Shaping
from mta.workers.worker import Worker
from tests.scenarios.conftest import SOON, World
from tests.scenarios.peer import Conversation, Peer, until

SITE = "provider"
PATH = f"default|{SITE}"
GATE = Scope.of_site(SITE)


async def two_hosts(world: World, **script: Any) -> tuple[Peer, Peer]:
    """Two domains of one site with hosts of their own."""
    return await world.peer("a.example", **script), await world.peer("b.example")


async def gate(world: World, close: bool) -> None:
    """Keep the site's mail until all of it is there, so that it is taken as one batch."""
    control = Control(world.client, world.keys)
    if close:
        await control.close(GATE, Gate("suspended"), {})
    else:
        await control.open(GATE, {})
        await world.client.zadd(f"{world.queue.base}due:2", {PATH: 0}, xx=True)


def receivers(peer: Peer) -> list[str]:
    """Who each message was for, in the order in which they came."""
    said = [line for line in peer.commands if line.upper().startswith("RCPT")]
    return [line.partition("<")[2].partition(">")[0] for line in said]


def idle(worker: Worker) -> bool:
    dispatch = worker.delivery.dispatch
    return (
        bool(dispatch.sessions) and all(one.idle for one in dispatch.sessions) and not worker.delivery.flying
    )


async def permits(world: World) -> dict[str, str]:
    row = await world.client.hgetall(f"{world.queue.base}path:{PATH}")
    return {name.decode(): value.decode() for name, value in row.items() if name[:2] in (b"o:", b"i:")}


async def test_a_batch_over_several_hosts_goes_over_one_connection_at_a_time(world: World) -> None:
    open_at_once: list[int] = []

    async def greeting(one: Conversation) -> None:
        open_at_once.append(sum(not talk.end for peer in world.peers for talk in peer.conversations))
        await one.say(b"220 mx ESMTP\r\n")

    for domain in ("a.example", "b.example", "c.example"):
        await world.peer(domain, greeting=greeting)
    rcpts = [f"u{n}@{domain}" for n in range(2) for domain in ("a.example", "b.example", "c.example")]
    await world.put(*rcpts, site=SITE)
    await world.start(connections=1)
    events = await world.events(6, "delivered")
    assert {event["rcpt"] for event in events} == set(rcpts)
    assert open_at_once == [1, 1, 1], "one permit"
    for peer, domain in zip(world.peers, "abc", strict=True):
        assert receivers(peer) == [f"u0@{domain}.example", f"u1@{domain}.example"]
        assert len(peer.conversations) == 1


async def test_a_host_that_does_not_answer_costs_its_own_part_of_the_batch(world: World) -> None:
    await world.peer("a.example", listen=False)
    await world.peer("b.example")
    await world.put("one@a.example", "two@b.example", site=SITE)
    await world.start(connections=1)
    events = {event["rcpt"]: event["event"] for event in await world.events(2)}
    assert events == {"one@a.example": "deferred", "two@b.example": "delivered"}


async def test_an_idle_session_to_other_hosts_makes_room_for_the_batch(world: World) -> None:
    one, two = await two_hosts(world)
    worker = await world.start(connections=1)
    await world.put("one@a.example", site=SITE)
    await world.events(1, "delivered")
    await until(lambda: idle(worker))
    await world.put("two@b.example", site=SITE)
    await world.events(2, "delivered")
    assert [receivers(peer) for peer in (one, two)] == [["one@a.example"], ["two@b.example"]]
    assert one.conversations[0].end == "quit"


async def test_a_session_to_a_providers_host_serves_the_next_batch(world: World) -> None:
    peer = await world.peer("a.example")
    worker = await world.start(connections=1)
    for number in range(3):
        await world.put(f"u{number}@a.example", site=SITE)
        await world.events(number + 1, "delivered")
        await until(lambda: idle(worker))
    assert len(peer.conversations) == 1


async def test_urgent_mail_goes_ahead_of_what_of_a_batch_has_not_begun(world: World) -> None:
    go = asyncio.Event()

    async def slow(one: Conversation) -> None:
        await go.wait()
        await one.say(b"250 2.0.0 queued\r\n")

    peer = await world.peer(dot=slow)
    bulk = [f"bulk{n}@example.net" for n in range(8)]
    await world.put(*bulk)
    await world.start(connections=1)
    await until(lambda: peer.messages)
    await world.put("alert@example.net", cls=Class.URGENT)
    [worker] = [world.worker]
    assert worker is not None
    await until(lambda: len(worker.delivery.flying) == 9)
    begun = len(receivers(peer))
    go.set()
    await world.events(9, "delivered")
    order = receivers(peer)
    assert sorted(order) == sorted([*bulk, "alert@example.net"])
    assert order.index("alert@example.net") <= begun + 1 < 8
    assert len(peer.conversations) == 1, "no other connection was opened for it"


async def test_a_connection_that_another_worker_wants_is_ended_when_it_is_idle(world: World) -> None:
    peer = await world.peer()
    worker = await world.start(connections=1, idle_seconds=3600.0)
    await world.put("one@example.net")
    await world.events(1, "delivered")
    await until(lambda: idle(worker))
    other = world.queue
    epoch, _ = await other.register("other", 30_000)
    await Control(world.client, world.keys).close(Scope.of_recipient("two@example.net"), Gate("x"), {})

    async def wants() -> int:
        taken = await other.take(
            "other", epoch, want=1, most=1, lease_ms=30_000, defaults=PathDefaults(connections=1)
        )
        return len(taken.batches)

    # The worker must not be quicker: its window is closed.
    worker.window.size = 0
    await world.put("three@example.net")
    got = 0
    while not got:
        got = await wants()
        await asyncio.sleep(0.01)
    await world.ended(peer)
    assert peer.conversations[0].end == "quit"


async def test_a_busy_session_is_not_shed(world: World) -> None:
    go = asyncio.Event()

    async def slow(one: Conversation) -> None:
        await go.wait()
        await one.say(b"250 2.0.0 queued\r\n")

    peer = await world.peer(dot=slow)
    worker = await world.start(connections=1)
    await world.put("one@example.net")
    await until(lambda: peer.messages)
    worker.delivery.dispatch.shed("default|example.net")
    go.set()
    await world.events(1, "delivered")
    assert not peer.conversations[0].end


async def test_what_is_left_of_a_batch_never_goes_to_the_hosts_of_what_could_not_be_made(
    world: World,
) -> None:
    one, two = await two_hosts(world)
    worker = await world.start(connections=1)
    await world.put("first@a.example", site=SITE)
    await world.events(1, "delivered")
    await until(lambda: idle(worker))
    await gate(world, close=True)
    await world.put("gone@a.example", site=SITE)
    await world.client.delete(world.keys.campaign("acme", "c2"))
    await world.put("next@b.example", site=SITE)
    await gate(world, close=False)
    events = {event["rcpt"]: event["event"] for event in await world.events(3)}
    assert events == {
        "first@a.example": "delivered",
        "gone@a.example": "failed",
        "next@b.example": "delivered",
    }
    assert [receivers(peer) for peer in (one, two)] == [["first@a.example"], ["next@b.example"]]


async def test_a_session_that_ends_while_content_is_loaded_keeps_nothing(world: World) -> None:
    _, two = await two_hosts(world)
    worker = await world.start(connections=1)
    await world.put("first@a.example", site=SITE)
    await world.events(1, "delivered")
    await until(lambda: idle(worker))
    contents, dispatch = worker.doors.contents, worker.delivery.dispatch
    load, ended = contents.load, []

    async def late(item: Any) -> Any:
        if not ended:
            ended.append(True)
            for session in list(dispatch.sessions):
                session.abort("the server went away")
        return await load(item)

    contents.load = late  # type: ignore[method-assign]
    await world.put("second@a.example", "third@b.example", site=SITE)
    await world.events(3, "delivered")
    assert receivers(two) == ["third@b.example"]
    await until(lambda: idle(worker))
    assert set(dispatch.then) <= dispatch.sessions


async def test_a_lost_lease_ends_what_is_being_opened(world: World) -> None:
    go = asyncio.Event()

    async def slow(one: Conversation) -> None:
        await go.wait()
        await one.say(b"220 mx ESMTP\r\n")

    peer = await world.peer(greeting=slow)
    await world.put("one@example.net")
    worker = await world.start(connections=1)
    await until(lambda: peer.conversations)
    before = worker.lease.epoch
    await world.client.hset(f"{world.queue.base}epoch", "w1", 10**6)  # another took its name
    worker.wake()
    await until(lambda: worker.lease.epoch > before)
    await until(lambda: len(peer.conversations) == 2)
    go.set()
    await world.events(1, "delivered")
    await until(lambda: idle(worker))
    assert len(peer.messages) == 1, "what was taken under the old lease is not sent"


async def test_permits_go_back_however_a_session_ends(world: World) -> None:
    one, _ = await two_hosts(world, mail=["250 ok", "421 4.3.2 closing"])
    worker = await world.start(connections=1)
    await world.put("one@a.example", "two@a.example", "three@b.example", site=SITE)
    await world.events(3)
    await until(lambda: idle(worker) or not worker.delivery.dispatch.sessions)
    open_ = len(worker.delivery.dispatch.sessions)

    async def told() -> bool:
        worker.wake()
        return (await permits(world)).get("o:w1", "0") == str(open_)

    while not await told():
        await asyncio.sleep(0.01)
    assert len(one.conversations) >= 1


async def test_a_retry_waits_at_the_site_its_domain_belongs_to_by_now(world: World) -> None:
    await world.peer("example.net", dot="451 4.3.0 later")
    await world.put("one@example.net", site="old-provider")
    await world.start()
    await world.events(1, "deferred")
    [bucket] = await world.client.keys(f"{world.queue.base}wheel:*")
    [entry] = await world.client.lrange(bucket, 0, -1)
    lane = Lane.parse(entry.partition(b"\n")[0].decode())
    assert (lane.site, lane.tenant, lane.cls) == ("example.net", "acme", Class.BULK)


async def test_messages_of_one_batch_with_broken_content_cost_no_other(world: World) -> None:
    peer = await world.peer()
    broken = Document(sender="News <news@acme.example>", subject="Hello {{", text="x\n", track_opens=False)
    await Control(world.client, world.keys).close(Scope.of_site("example.net"), Gate("suspended"), {})
    await world.put("bad@example.net", document=broken)
    await world.put("good@example.net")
    await Control(world.client, world.keys).open(Scope.of_site("example.net"), {})
    await world.start(connections=1)
    events = {event["rcpt"]: event for event in await world.events(2)}
    assert events["good@example.net"]["event"] == "delivered"
    assert events["bad@example.net"]["event"] == "failed"
    assert events["bad@example.net"]["why"]
    assert receivers(peer) == ["good@example.net"]


@pytest.mark.parametrize("asked", [False, True])
async def test_only_a_receiver_that_was_asked_is_left_alone(world: World, asked: bool) -> None:
    """A silent resolver is our fault; a host that does not answer is the site's, and its reaction counts it."""
    peer = await world.peer(listen=not asked)
    found = world.names["example.net", "MX"]
    if not asked:
        world.names["example.net", "MX"] = Unroutable(
            451, "4.4.3 DNS lookup of example.net MX failed: LifetimeTimeout"
        )
    rest = rule("r", {"class": "network", "count": 1, "suspend": "1h", "alarm": True})
    shaping = Shaping(Limits(connections=1), reactions={"*": by_class([rest])})
    await world.put("jo@example.net")
    worker = await world.start(schedule=SOON, shaping=shaping)
    worker.doors.resolver.memory = Memory(failure_ttl=0.0)
    await world.events(1, "deferred")
    if asked:
        await world.events(1, "suspended")
        assert not peer.messages
        return
    world.names["example.net", "MX"] = found
    await world.events(1, "delivered")
