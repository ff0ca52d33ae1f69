"""The queue on a cluster of three primaries with a replica each: the rooms' own tests, and what only a cluster does.

MTA_TEST_CLUSTER=1 runs every test of this room on a cluster (tests/conftest.py); this is the sample of each run.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import lanework
import pytest
from test_queue_control import *  # noqa: F403
from test_queue_dead import *  # noqa: F403
from test_queue_lanes import *  # noqa: F403
from test_queue_packs import *  # noqa: F403

from bench.nodes import HOST, Nodes, client_of
from mta.event import event
from mta.message import Class
from mta.queue.campaigns import Campaign, Campaigns
from mta.queue.intake import Intake
from mta.queue.keys import Keys
from mta.queue.lanes import Queue
from mta.queue.link import Client, QueueDown, Server, UnsafeServer, connect
from mta.queue.nodes import check_all
from mta.queue.slots import View, guarded, key_of, slot_of
from mta.queue.tail import Tail
from mta.queue.upkeep import Upkeep

KEYS = Keys(shards=4)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with Nodes() as made:
        yield made


@pytest.fixture(scope="module")
def redis_url(nodes: Nodes) -> str:
    return nodes.url


@pytest.fixture
async def client(nodes: Nodes) -> AsyncIterator[Client]:
    await nodes.until_whole()
    client = client_of(nodes)
    await client.flushall()
    yield client
    await nodes.until_whole()
    client.stale()
    await client.flushall()
    await client.aclose()


class Load:
    """Puts and takes on one shard while something happens to it; knows what was acknowledged."""

    def __init__(self, client: Client) -> None:
        self.queue = Queue(client, KEYS, 0)
        self.worker = lanework.Worker(self.queue)
        self.put: set[str] = set()
        self.sent: Counter[str] = Counter()
        self.down = 0
        self.ends = asyncio.Event()

    async def producer(self) -> None:
        """Put one message after the other, each until it is acknowledged: a repeat is not put twice."""
        entry = 0
        while not self.ends.is_set():
            entry += 1
            one = lanework.item(0, entry)
            while True:
                try:
                    await self.queue.put(f"acme:k{entry}", 1, [[lanework.lane(), 0, one]])
                    break
                except QueueDown:
                    self.down += 1
                    await asyncio.sleep(0.02)
            self.put.add(f"m{entry}.0")

    async def consumer(self) -> None:
        """Take and settle until nothing is left; a result is told until it is heard."""
        await self.until(self.worker.start)
        quiet = 0
        while not self.ends.is_set() or quiet < 3:
            taken = await self.until(self.worker.take)
            found = lanework.taken_items(taken)
            quiet = 0 if found else quiet + 1
            self.sent.update(one.record.name for one in found)
            results = [lanework.final(one) for one in found]
            await self.until(lambda results=results: self.worker.settle(*results))
            await self.until(lambda taken=taken: self.worker.idle(taken))
            # A take whose reply was lost left its items in flight: they were never sent, so they are now.
            for _, _, _ in await self.until(lambda: self.queue.flight("w1")):
                await self.reconcile()
                break

    async def reconcile(self) -> None:
        from mta.queue import codec
        from mta.queue.lanes import OP_BACK, Result

        for message_id, name, raw in await self.until(lambda: self.queue.flight("w1")):
            one = codec.decode(raw, name)
            back = Result(OP_BACK, message_id, name, "acme|spring", item=raw)
            assert one.record.name not in self.sent, "settled and acknowledged, and in flight again"
            await self.until(lambda back=back: self.worker.settle(back))

    async def until(self, call: Any) -> Any:
        while True:
            try:
                return await call()
            except QueueDown:
                self.down += 1
                await asyncio.sleep(0.02)

    async def around(self, happening: Any) -> None:
        """Run both around something that happens; then check the ledger."""
        tasks = [asyncio.create_task(self.producer()), asyncio.create_task(self.consumer())]
        while len(self.sent) < 50:
            await asyncio.sleep(0.01)
            assert not any(task.done() for task in tasks)
        await happening()
        before = len(self.sent)
        while len(self.sent) < before + 50:
            await asyncio.sleep(0.01)
            assert not any(task.done() for task in tasks)
        self.ends.set()
        await asyncio.gather(*tasks)
        assert set(self.sent) == self.put, "what was acknowledged came, and nothing else"
        assert max(self.sent.values()) == 1, "nothing came twice"


async def test_a_slot_moves_under_load_key_by_key(nodes: Nodes, client: Client) -> None:
    slot = slot_of("{0}")
    view = await nodes.view()
    home = view.primary_of(slot)
    target = next(address for address in view.primaries if address != home)
    await client.set("{0}ballast", b"x")
    pipe = client.pipeline(transaction=False)
    for number in range(300):  # so that the move takes many steps, each between calls of the load
        pipe.set(f"{{0}}ballast{number}", b"x" * 100)
    await pipe.execute()
    load = Load(client)

    async def there_and_back() -> None:
        assert await nodes.move(slot, nodes.at(target)) > 300
        assert home is not None
        assert await nodes.move(slot, nodes.at(home)) > 300

    await load.around(there_and_back)


async def test_a_script_runs_nowhere_while_its_slot_is_on_the_move(nodes: Nodes, client: Client) -> None:
    slot = slot_of("{0}")
    view = await nodes.view()
    source = nodes.at(view.primary_of(slot))  # type: ignore[arg-type]
    target = nodes.at(next(one for one in view.primaries if one[1] != source.port))
    here, there = await nodes.id_of(source), await nodes.id_of(target)
    await target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", here)
    await source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", there)
    queue = Queue(client, KEYS, 0)
    call = asyncio.create_task(queue.put("acme:k", 1, [[lanework.lane(), 0, lanework.item(0)]]))
    for _ in range(20):
        await asyncio.sleep(0.01)
        assert not call.done()
    assert await source.call("CLUSTER", "COUNTKEYSINSLOT", slot) == 0
    assert await target.call("CLUSTER", "COUNTKEYSINSLOT", slot) == 0
    for node in (target, source):
        await node.call("CLUSTER", "SETSLOT", slot, "STABLE")
    assert await call


async def test_a_primary_is_killed_and_what_was_acknowledged_is_there(nodes: Nodes, client: Client) -> None:
    careful = client_of(nodes, replicas=1)
    load = Load(careful)
    address = (await nodes.view()).primary_of(slot_of("{0}"))
    assert address is not None
    victim = nodes.at(address)

    async def killed() -> None:
        victim.kill()
        async with asyncio.timeout(30):
            while (await nodes.view()).primary_of(slot_of("{0}")) == address:
                await asyncio.sleep(0.05)
        victim.start()  # back as a replica: with none, nothing is acknowledged

    await load.around(killed)
    assert load.down, "somebody noticed"
    await careful.aclose()


async def test_streams_of_several_slots_are_waited_for_and_read(nodes: Nodes, client: Client) -> None:
    blocking = client_of(nodes, blocking=True)
    keys = KEYS
    intake = Intake(client, blocking, keys, "i1")
    await intake.prepare()
    assert len({slot_of(stream) for stream in intake.mail}) > 1
    assert await intake.read(10) == []
    for cls in Class:
        waiting = asyncio.create_task(intake.read(10_000))
        await asyncio.sleep(0.05)
        await client.xadd(keys.submit(cls), {"key": cls.label})
        [(stream, entry_id, fields)] = await waiting
        assert fields == {b"key": cls.label.encode()}
        await intake.done(stream, entry_id)
        assert await client.xlen(stream) == 0
    await blocking.aclose()


async def test_what_is_one_step_on_a_server_is_done_on_several_nodes(nodes: Nodes, client: Client) -> None:
    blocking = client_of(nodes, blocking=True)
    intake, registry = Intake(client, blocking, KEYS, "i1"), Campaigns(client, KEYS)
    tail = Tail(client, blocking, KEYS)
    told = event("rejected", "a/b/rejected/1-0", 1, tenant="a", key="b", code="bad", why="no")
    await intake.refuse({b"v": b"1"}, "bad", "no", 1, told)
    assert await client.xlen(KEYS.dead) == 1
    assert [one["event"] for one in await tail.read(1000)] == ["rejected"]
    campaign = Campaign("a", "c", Class.BULK, b"{}", b"", b"digest", 1, False)
    assert await registry.define(campaign) == "new"
    assert await registry.list() == [("a", "c")]
    for tenant in ("a", "b", "c"):
        await registry.define_tenant(tenant, b'{"name": "x"}')
    assert sorted(await registry.tenants()) == ["a", "b", "c"]
    await registry.forget("a", "c")
    assert await registry.list() == []
    assert 0 <= await Upkeep(client, KEYS).memory_percent() < 100
    await blocking.aclose()


async def test_an_unsafe_node_and_a_missing_slot_are_named(nodes: Nodes, client: Client) -> None:
    server = Server(nodes.url)
    await check_all(client, server, durability="everysec")
    replica = nodes.at(next(iter((await nodes.view()).replicas)))
    await replica.call("CONFIG", "SET", "appendonly", "no")
    with pytest.raises(UnsafeServer, match=rf"{HOST}:{replica.port} .*append-only file is off"):
        await check_all(client, server, durability="everysec")
    await replica.call("CONFIG", "SET", "appendonly", "yes")
    with pytest.raises(UnsafeServer, match=r"1 replicas but redis.replicas is 2"):
        await check_all(client, Server(nodes.url, replicas=2), durability="everysec")

    primary = nodes.at((await nodes.view()).primary_of(7))  # type: ignore[arg-type]
    assert await client.ping()
    for node in nodes.nodes:
        await node.call("CLUSTER", "DELSLOTS", 7)
    try:
        with pytest.raises(QueueDown, match="no node serves slots 7;"):
            await client.ping()
        with pytest.raises(UnsafeServer, match="no node serves slots 7;"):
            await check_all(client, server, durability="everysec")
        with pytest.raises(QueueDown):
            await Queue(client, KEYS, 0).register("w1", 1000)
    finally:
        await primary.call("CLUSTER", "ADDSLOTS", 7)
    await nodes.until_whole()
    assert (await Queue(client, KEYS, 0).register("w1", 1000))[0] == 1


async def test_a_cluster_nobody_answers_for_is_down() -> None:
    client = connect(Server("cluster://127.0.0.1:1,127.0.0.1:2"))
    with pytest.raises(QueueDown, match="no node of the cluster answers"):
        await client.get("a")
    await client.aclose()


@pytest.mark.parametrize("url", ["cluster://", "cluster://host", "cluster://h:1,h:x", "cluster://h:99999"])
def test_a_bad_address_says_how_it_is_spelled(url: str) -> None:
    with pytest.raises(ValueError, match="cluster://host:port,host:port"):
        connect(Server(url))


def test_where_a_command_goes() -> None:
    assert key_of(("EVALSHA", "x", 1, "mta:{0}:", b"")) == "mta:{0}:"
    assert key_of(("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")) == "s"
    assert key_of(("XINFO GROUPS", "s")) == "s"
    assert key_of(("MEMORY USAGE", b"s")) == b"s"
    assert key_of(("SCAN", 0, "MATCH", "mta:{2}:lane:*")) == "mta:{2}:lane:*"
    assert key_of(("SCAN", 0)) is None
    assert key_of(("TIME",)) is None
    assert slot_of("mta:{2}:lane:x") == slot_of("{2}")
    assert guarded(("EVALSHA", "x", 1, "mta:{0}:", b"a")) == (
        "EVALSHA",
        "x",
        2,
        "mta:{0}:",
        "mta:{0}:~",
        b"a",
    )
    assert guarded(("GET", "x")) == ("GET", "x")


def test_a_view_knows_its_holes() -> None:
    view = View.read([[100, 16382, [b"h", 1, b"id"], [None, 2, b"id"]]], "me")
    assert view.missing() == [(0, 99), (16383, 16383)]
    assert view.primary_of(99) is None
    assert view.primary_of(100) == ("h", 1)
    assert view.replicas == {("me", 2): ("h", 1)}
