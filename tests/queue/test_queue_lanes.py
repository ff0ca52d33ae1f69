"""Put, take, settle, recover as before and after pictures on a real server."""

import pytest

from mta.message import Flag, Lane, MessageId, Record
from mta.queue import codec
from mta.queue.inspect import Inspect
from mta.queue.keys import Keys
from mta.queue.lanes import OP_BACK, OP_FINAL, OP_RETRY, PathDefaults, Queue, Report, Result, Way
from mta.queue.link import Client
from mta.queue.scripts import LostLease

DEFAULTS = PathDefaults(connections=20, batch=64)


def lane(cls: int = 2, site: str = "example.net", tenant: str = "acme", campaign: str = "spring") -> Lane:
    return Lane(cls, "default", site, tenant, campaign)


def item(row: int, entry: int = 1, flags: int = 0, body: str = "") -> bytes:
    record = Record(f"m{entry}.{row}", f"u{row}@example.net", born=1, expires=2**41, flags=flags, body=body)
    return codec.encode(MessageId(0, entry, row).pack(), record)


class Worker:
    """A worker's side of the queue, without SMTP."""

    def __init__(self, queue: Queue, name: str = "w1", defaults: PathDefaults = DEFAULTS) -> None:
        self.queue, self.name, self.defaults, self.epoch = queue, name, defaults, 0

    async def start(self) -> "Worker":
        self.epoch, _ = await self.queue.register(self.name, 30_000)
        return self

    async def take(self, want: int = 256, most: int = 100, reports: list[Report] | None = None):
        return await self.queue.take(
            self.name, self.epoch, want=want, most=most, lease_ms=30_000, defaults=self.defaults,
            reports=reports or [],
        )  # fmt: skip

    async def settle(self, *results: Result, pauses: list[tuple[str, int]] | None = None) -> int:
        return await self.queue.settle(self.name, self.epoch, 30_000, results, pauses or [])


def rows(taken) -> list[str]:
    return [one.record.name for batch in taken.batches for one in batch.items]


def final(one: codec.Item, kind: str = "delivered") -> Result:
    fields = ["event", kind, "id", one.record.name]
    return Result(OP_FINAL, one.id, one.lane, "acme|spring", kind, body=one.record.body, event=fields)


@pytest.fixture
def queue(client: Client, keys: Keys) -> Queue:
    return Queue(client, keys)


async def test_what_is_put_is_taken_in_order_and_gone_when_settled(queue: Queue, client: Client) -> None:
    worker = await Worker(queue).start()
    assert await queue.put("acme:k1", 1, [[str(lane()), 0, *(item(i) for i in range(3))]])
    taken = await worker.take()
    assert rows(taken) == ["m1.0", "m1.1", "m1.2"]
    assert taken.batches[0].path == "default|example.net"
    assert taken.batches[0].way is Way.FRESH
    assert len(await queue.flight("w1")) == 3
    lost = await worker.settle(*(final(one) for one in taken.batches[0].items))
    assert lost == 0
    assert await queue.flight("w1") == []
    assert await client.xlen("mta:{0}:events") == 3
    assert await client.hgetall("mta:{0}:count:acme|spring") == {b"delivered": b"3"}
    assert (await worker.take()).batches == []
    left = {key async for key in client.scan_iter("mta:{0}:*lane*")}
    assert left == set(), "an emptied lane leaves no key behind"


async def test_a_chunk_put_twice_is_put_once(queue: Queue) -> None:
    worker = await Worker(queue).start()
    groups = [[str(lane()), 0, item(0)]]
    assert await queue.put("acme:k1", 1, groups)
    assert not await queue.put("acme:k1", 1, groups)
    assert await queue.put("acme:k1", 2, [[str(lane()), 0, item(1)]])
    assert rows(await worker.take()) == ["m1.0", "m1.1"]


async def test_a_settle_told_twice_counts_once_and_says_so(queue: Queue, client: Client) -> None:
    worker = await Worker(queue).start()
    await queue.put("acme:k1", 1, [[str(lane()), 0, item(0)]])
    one = (await worker.take()).batches[0].items[0]
    assert await worker.settle(final(one)) == 0
    assert await worker.settle(final(one)) == 1
    assert await client.xlen("mta:{0}:events") == 1


async def test_urgent_before_transactional_before_bulk(queue: Queue) -> None:
    worker = await Worker(queue).start()
    for cls in (2, 1, 0):
        await queue.put("acme:k", 3 - cls, [[str(lane(cls)), 0, item(cls)]])
    assert rows(await worker.take(want=1)) == ["m1.0"]
    assert rows(await worker.take()) == ["m1.1", "m1.2"]


async def test_tenants_of_one_path_take_turns_by_virtual_time(queue: Queue) -> None:
    worker = await Worker(queue, defaults=PathDefaults(batch=10)).start()
    big, small = lane(tenant="big"), lane(tenant="small")
    await queue.put("big:k", 1, [[str(big), 0, *(item(i, entry=1) for i in range(100))]])
    first = await worker.take(want=10)
    assert len(rows(first)) == 10
    await queue.put("small:k", 1, [[str(small), 0, *(item(i, entry=2) for i in range(20))]])
    second = rows(await worker.take(want=20, most=2))
    assert sum(name.startswith("m2.") for name in second) == 10, "a newcomer gets every second batch"


async def test_connections_of_a_path_are_never_above_its_limit(queue: Queue) -> None:
    one = await Worker(queue, "w1", PathDefaults(connections=3, batch=1)).start()
    two = await Worker(queue, "w2", PathDefaults(connections=3, batch=1)).start()
    await queue.put("acme:k", 1, [[str(lane()), 0, *(item(i) for i in range(10))]])
    first, second = await one.take(want=2), await two.take()
    assert len(first.batches) == 2
    assert len(second.batches) == 1
    assert (await one.take()).batches == []
    path = "default|example.net"
    again = await one.take(reports=[Report(path, open=2, idle=1, batch=1)])
    assert len(again.batches) == 1
    assert again.batches[0].way is Way.IDLE, "an idle session is used before a new one is opened"
    assert (await two.take()).batches == []
    await one.take(want=0, reports=[Report(path, open=0, idle=0, batch=1)])
    assert len((await two.take()).batches) == 2, "permits given back serve the other worker"


async def test_rate_is_spent_by_the_take_and_bounded_by_the_burst(queue: Queue) -> None:
    worker = await Worker(queue, defaults=PathDefaults(rate=1.0, burst=5)).start()
    await queue.put("acme:k", 1, [[str(lane()), 0, *(item(i) for i in range(10))]])
    assert len(rows(await worker.take())) == 5
    later = await worker.take()
    assert rows(later) == []
    assert 0 < later.next <= 1000


async def test_a_retry_waits_and_comes_back_with_its_new_record(queue: Queue) -> None:
    worker = await Worker(queue).start()
    await queue.put("acme:k", 1, [[str(lane()), 0, item(0)]])
    one = (await worker.take()).batches[0].items[0]
    one.record.attempts = 1
    again = Result(OP_RETRY, one.id, one.lane, "acme|spring", "deferred", one.encode(), wait=300)
    await worker.settle(again)
    waiting = await worker.take()
    assert rows(waiting) == []
    assert 0 < waiting.next <= 600
    taken = waiting
    while not taken.batches:
        taken = await worker.take()
    assert taken.batches[0].items[0].record.attempts == 1


async def test_mail_for_later_is_not_taken_now(queue: Queue, client: Client) -> None:
    worker = await Worker(queue).start()
    seconds, _ = await client.time()
    await queue.put("acme:k", 1, [[str(lane()), (seconds + 3600) * 1000, item(0)]])
    taken = await worker.take()
    assert taken.batches == []
    assert 3_500_000 < taken.next < 3_700_000
    assert [one.scheduled for one in (await Inspect(client, queue.keys).survey()).lanes] == [1]


async def test_given_back_mail_stands_first_again_without_an_event(queue: Queue, client: Client) -> None:
    worker = await Worker(queue).start()
    await queue.put("acme:k", 1, [[str(lane()), 0, item(0), item(1)]])
    one = (await worker.take(want=1)).batches[0].items[0]
    await worker.settle(Result(OP_BACK, one.id, one.lane, "acme|spring", item=one.encode()))
    assert rows(await worker.take()) == ["m1.0", "m1.1"]
    assert await client.xlen("mta:{0}:events") == 0


async def test_a_dead_workers_mail_is_recovered_and_marked(queue: Queue) -> None:
    dead = await Worker(queue, "dead").start()
    await queue.put("acme:k", 1, [[str(lane()), 0, *(item(i) for i in range(200))]])
    await queue.put("acme:k", 2, [[str(lane()), 0, *(item(i) for i in range(200, 400))]])
    await dead.take()
    await dead.take(want=100)
    assert await queue.recover("dead", grace_ms=0) == 0, "a live lease is left alone"
    await queue.take("dead", dead.epoch, want=0, most=0, lease_ms=-1, defaults=DEFAULTS)
    assert await queue.recover("dead", grace_ms=0) == 356, "256 and then 100 had been taken"
    assert await queue.flight("dead") == []
    other = await Worker(queue, "other").start()
    names, flags = [], []
    while batches := (await other.take()).batches:
        names += [one.record.name for batch in batches for one in batch.items]
        flags += [one.record.flags for batch in batches for one in batch.items]
    assert sorted(names) == sorted(f"m1.{i}" for i in range(400))
    assert flags.count(Flag.MAYBE_SENT) == 356
    with pytest.raises(LostLease):
        await dead.take()
    with pytest.raises(LostLease):
        await dead.settle(Result(OP_FINAL, b"x" * 9, str(lane()), "acme|spring"))


async def test_a_name_taken_again_fences_its_earlier_life(queue: Queue) -> None:
    earlier = await Worker(queue, "w1").start()
    await queue.put("acme:k", 1, [[str(lane()), 0, item(0)]])
    one = (await earlier.take()).batches[0].items[0]
    epoch, left = await queue.register("w1", 30_000)
    assert (epoch > earlier.epoch, left) == (True, 1)
    with pytest.raises(LostLease):
        await earlier.settle(final(one))


async def test_content_is_freed_with_its_last_recipient(queue: Queue, client: Client) -> None:
    worker = await Worker(queue).start()
    here = str(lane(campaign=""))
    await queue.put("acme:k", 1, [[here, 0, item(0, body="7"), item(1, body="7")]], bodies=[("7", b"{}", 2)])
    first, second = (await worker.take()).batches[0].items
    await worker.settle(final(first))
    assert await queue.body("7") == b"{}"
    await worker.settle(final(second))
    assert await queue.body("7") is None


async def test_a_paused_path_waits_while_others_go_on(queue: Queue) -> None:
    worker = await Worker(queue).start()
    other = lane(site="example.org")
    await queue.put("acme:k", 1, [[str(lane()), 0, item(0)], [str(other), 0, item(1)]])
    await worker.settle(pauses=[("default|example.net", 60_000)])
    assert rows(await worker.take()) == ["m1.1"]


async def test_put_wakes_an_idle_worker(queue: Queue, client: Client) -> None:
    worker = await Worker(queue).start()
    assert (await worker.take()).batches == []
    await queue.put("acme:k", 1, [[str(lane()), 0, item(0)]])
    assert await client.blpop("mta:{0}:wake:w1", timeout=1) is not None
