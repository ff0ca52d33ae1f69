"""Strict priorities to the last hop, and what the lower classes are owed all the same."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanework import LEASE, Worker, final, lane, pack_of, put, taken_items

from mta.message import Class
from mta.queue.keys import Keys
from mta.queue.lanes import PathDefaults, Queue, Report, Taken, Way
from mta.queue.link import Client, Server, connect
from mta.queue.shelves import Shelves
from mta.queue.wake import HASTE, Bell

SITE, OTHER = "example.net", "example.org"
PATH = f"default|{SITE}"
ROOMY = PathDefaults(connections=1000, batch=10)
URGENT, PLAIN, BULK = Class


def classes(taken: Taken) -> Counter[int]:
    return Counter(int(one.lane[0]) for one in taken_items(taken))


async def served(worker: Worker, messages: int, want: int, **more: int) -> Counter[int]:
    """Take so many messages in calls of `want`; count them by class."""
    found = Counter[int]()
    while found.total() < messages:
        found += classes(await worker.take(min(want, messages - found.total()), **more))
    return found


# strictness and floors


async def test_without_a_floor_a_lower_class_gets_nothing_while_a_higher_one_waits(queue: Queue) -> None:
    for cls in Class:
        await put(queue, lane(cls), 60, cls + 1)
        await put(queue, lane(cls, site=OTHER), 60, cls + 11)
    worker = await Worker(queue, defaults=ROOMY).start()
    order = []
    for _ in range(36):
        order += [int(one.lane[0]) for one in taken_items(await worker.take(10, 2, floor=0.0))]
    assert order == sorted(order)
    assert len(order) == 360


@pytest.mark.parametrize("waiting", [(URGENT, BULK), (URGENT, PLAIN), (PLAIN, BULK), (URGENT, PLAIN, BULK)])
@pytest.mark.parametrize("want", [1, 7, 50])
async def test_of_100_transactions_with_a_site_each_lower_class_has_five(
    queue: Queue, waiting: tuple[Class, ...], want: int
) -> None:
    for cls in waiting:
        await put(queue, lane(cls), 400, cls + 1)
    worker = await Worker(queue, defaults=ROOMY).start()
    for _ in range(3):
        found = await served(worker, 100, want, most=1)
        for lower in waiting[1:]:
            assert 4 <= found[lower] <= 7, f"{found}"


async def test_of_100_messages_over_all_sites_each_lower_class_has_five(queue: Queue) -> None:
    await put(queue, lane(URGENT), 400, 1)
    await put(queue, lane(BULK, site=OTHER), 400, 2)
    worker = await Worker(queue, defaults=ROOMY).start()
    for _ in range(3):
        assert 4 <= (await served(worker, 100, 10))[BULK] <= 7


async def test_a_floor_of_a_fifth_is_a_fifth(queue: Queue) -> None:
    await put(queue, lane(URGENT), 400, 1)
    await put(queue, lane(BULK), 400, 2)
    worker = await Worker(queue, defaults=ROOMY).start()
    found = await served(worker, 200, 10, most=1, floor=0.2)
    assert 38 <= found[BULK] <= 42


async def test_a_floor_takes_nothing_from_one_that_waits_for_nobody(queue: Queue) -> None:
    await put(queue, lane(URGENT), 100, 1)
    worker = await Worker(queue, defaults=ROOMY).start()
    assert (await served(worker, 100, 10))[URGENT] == 100
    await put(queue, lane(BULK), 100, 2)
    await put(queue, lane(URGENT), 100, 3)
    found = await served(worker, 20, 10)
    assert found[BULK] <= 1, "nothing was saved up while nobody waited"


async def test_a_lower_class_saves_up_no_more_than_its_share_of_100(
    queue: Queue, client: Client, keys: Keys
) -> None:
    """A lane whose shelf nobody opens gets nothing of its floor; later that is no claim on a whole batch."""
    await queue.put("acme:p", 1, [], packs=[(lane(BULK), 0, pack_of(200, 50))])
    worker = await Worker(queue, defaults=ROOMY).start()
    for entry in range(4):
        await put(queue, lane(URGENT), 250, entry + 1)
    assert (await served(worker, 700, 10, most=1))[BULK] == 0
    shelves = Shelves(client, client, keys)
    for picked in await shelves.pick(4, 60_000, 0):
        await shelves.expand(picked.id, [])
    await put(queue, lane(BULK), 200, 9)
    assert (await served(worker, 100, 10, most=1))[BULK] <= 10


@settings(max_examples=25, deadline=None, database=None)
@given(
    calls=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 8)), min_size=5, max_size=25),
    floor=st.sampled_from([0.0, 0.05, 0.5, 0.9]),
)
def test_a_call_never_gives_more_than_was_asked_for(
    redis_url: str, calls: list[tuple[int, int]], floor: float
) -> None:
    async def run() -> None:
        client = connect(Server(redis_url))
        await client.flushall()
        queue = Queue(client, Keys())
        for cls in Class:
            await put(queue, lane(cls), 200, cls + 1)
            await put(queue, lane(cls, site=OTHER), 200, cls + 11)
        worker = await Worker(queue, defaults=ROOMY).start()
        for want, high in calls:
            found = classes(await worker.take(want, 100, high=high, floor=floor))
            assert found.total() <= want + high
            assert found[BULK] <= want, "beyond `want` come the higher classes alone"
        await client.aclose()

    asyncio.run(run())


async def test_beyond_what_a_worker_wants_it_gets_higher_classes_alone(queue: Queue) -> None:
    await put(queue, lane(BULK), 50, 1)
    worker = await Worker(queue, defaults=ROOMY).start()
    assert classes(await worker.take(0, 0, high=5)) == {}
    await put(queue, lane(PLAIN), 3, 2)
    await put(queue, lane(URGENT), 4, 3)
    assert classes(await worker.take(0, 0, high=5)) == {URGENT: 4, PLAIN: 1}


async def test_a_courier_never_carries_bulk_however_long_it_waits(queue: Queue) -> None:
    await put(queue, lane(BULK), 100, 1)
    await put(queue, lane(URGENT), 200, 2)
    await put(queue, lane(PLAIN), 200, 3)
    worker = await Worker(queue, defaults=ROOMY).start()
    found = Counter[int]()
    for _ in range(40):
        found += classes(await worker.take(0, 20, high=10))
    assert found[BULK] == 0
    assert found[PLAIN] > 0


# connections


async def test_of_four_connections_one_is_kept_for_the_higher_classes(queue: Queue) -> None:
    worker = await Worker(queue, defaults=PathDefaults(connections=4, batch=1)).start()
    await put(queue, lane(BULK), 10, 1)
    assert len((await worker.take()).batches) == 3
    assert (await worker.take()).batches == []
    await put(queue, lane(PLAIN), 1, 2)
    [batch] = (await worker.take()).batches
    assert (batch.way, classes(Taken(0, 0, [batch]))) == (Way.FRESH, {PLAIN: 1})


async def test_of_fewer_than_four_connections_bulk_may_have_all(queue: Queue) -> None:
    worker = await Worker(queue, defaults=PathDefaults(connections=3, batch=1)).start()
    await put(queue, lane(BULK), 10, 1)
    assert len((await worker.take()).batches) == 3


@pytest.mark.parametrize("cls", [URGENT, PLAIN])
async def test_when_all_connections_are_busy_a_higher_class_goes_ahead_on_one(
    queue: Queue, cls: Class
) -> None:
    worker = await Worker(queue, defaults=PathDefaults(connections=2, batch=5)).start()
    await put(queue, lane(BULK), 30, 1)
    assert [batch.way for batch in (await worker.take()).batches] == [Way.FRESH] * 2
    await put(queue, lane(cls), 3, 2)
    [batch] = (await worker.take()).batches
    assert batch.way is Way.AHEAD
    assert classes(Taken(0, 0, [batch])) == {cls: 3}
    assert (await worker.take()).batches == [], "bulk has no way ahead"


async def test_an_idle_session_goes_before_a_way_ahead_and_before_a_new_one(queue: Queue) -> None:
    worker = await Worker(queue, defaults=PathDefaults(connections=2, batch=1)).start()
    await put(queue, lane(BULK), 3, 1)
    await worker.take()
    await put(queue, lane(URGENT), 2, 2)
    taken = await worker.take(1, 1, reports=[Report(PATH, 2, 1, 1)])
    assert [batch.way for batch in taken.batches] == [Way.IDLE]
    assert classes(taken) == {URGENT: 1}


async def test_a_worker_without_a_session_has_no_way_ahead_and_rings_the_one_that_has(
    queue: Queue, client: Client, keys: Keys
) -> None:
    holder = await Worker(queue, "holder", PathDefaults(connections=1, batch=5)).start()
    other = await Worker(queue, "other", PathDefaults(connections=1, batch=5)).start()
    await put(queue, lane(BULK), 30, 1)
    await holder.take(5)
    await client.delete(f"{queue.base}idle")
    await put(queue, lane(URGENT), 1, 2)
    for name in ("holder", "other"):
        await client.delete(f"{queue.base}wake:{name}")
    assert (await other.take(5)).batches == []
    assert await Bell(client, keys, 0, "holder").rung(1) == HASTE
    [batch] = (await holder.take(5, reports=[Report(PATH, 1, 0, 5)])).batches
    assert batch.way is Way.AHEAD


async def test_a_connection_another_worker_keeps_idle_is_asked_for(
    queue: Queue, client: Client, keys: Keys
) -> None:
    limits = PathDefaults(connections=1, batch=5)
    keeper, other = (
        await Worker(queue, "keeper", limits).start(),
        await Worker(queue, "other", limits).start(),
    )
    await put(queue, lane(BULK), 5, 1)
    await keeper.take()
    await keeper.take(want=0, reports=[Report(PATH, 1, 1, 5)])
    await put(queue, lane(BULK), 5, 2)
    await client.delete(f"{queue.base}wake:keeper")
    assert (await other.take()).batches == []
    assert await Bell(client, keys, 0, "keeper").rung(1) == HASTE
    assert (await keeper.take(want=0)).shed == [PATH]
    assert (await keeper.take(want=0)).shed == [], "it is told once"
    await keeper.take(want=0, reports=[Report(PATH, 0, 0, 5)])
    [batch] = (await other.take()).batches
    assert batch.way is Way.FRESH


# bells


async def test_mail_rings_for_an_idle_worker_and_not_for_a_busy_one(
    queue: Queue, client: Client, keys: Keys
) -> None:
    idle, busy = await Worker(queue, "idle").start(), await Worker(queue, "busy").start()
    await put(queue, lane(BULK), 1, 1)
    assert taken_items(await busy.take())
    assert (await idle.take()).batches == []
    await put(queue, lane(BULK, site=OTHER), 1, 2)
    assert await client.exists(f"{queue.base}wake:idle", f"{queue.base}wake:busy") == 1
    assert await Bell(client, keys, 0, "idle").rung(1) == b"."


async def test_when_all_are_busy_mail_of_a_higher_class_rings_for_all(
    queue: Queue, client: Client, keys: Keys
) -> None:
    names = ("one", "two")
    for number, name in enumerate(names):
        worker = await Worker(queue, name).start()
        await put(queue, lane(BULK), 1, number + 1)
        assert taken_items(await worker.take())
    await put(queue, lane(BULK), 1, 8)
    assert await client.exists(*(f"{queue.base}wake:{name}" for name in names)) == 0
    await put(queue, lane(PLAIN), 1, 9)
    for name in names:
        assert await Bell(client, keys, 0, name).rung(1) == HASTE


async def test_a_bell_is_rung_once_until_it_is_heard(queue: Queue, client: Client) -> None:
    worker = await Worker(queue).start()
    for entry in range(5):
        await worker.take(want=0, high=0)
        await put(queue, lane(URGENT, site=f"d{entry}.example"), 1, entry + 1)
    assert await client.llen(f"{queue.base}wake:w1") == 1
    assert 0 < await client.pttl(f"{queue.base}wake:w1") <= LEASE


async def test_retries_and_returned_mail_wake_nobody_for_nothing(queue: Queue, client: Client) -> None:
    worker = await Worker(queue, "idle").start()
    assert (await worker.take()).batches == []
    await put(queue, lane(), 1, 1, at=2**41)
    assert await client.exists(f"{queue.base}wake:idle") == 0


async def test_what_little_there_is_of_the_higher_classes_is_a_couriers_first(queue: Queue) -> None:
    worker = await Worker(queue, "w1", defaults=ROOMY).start()
    courier = await Worker(queue, "c1", defaults=ROOMY).start()
    assert (await courier.take(0, 20, high=10, courier=True)).batches == []
    await put(queue, lane(URGENT), 2, 1)
    taken = await worker.take(10, 20, high=10)
    assert taken.batches == []
    assert 0 < taken.next <= 100, "it is to look again when the courier had its time"
    assert classes(await courier.take(0, 20, high=10, courier=True)) == {URGENT: 2}


async def test_what_a_courier_leaves_lying_is_anybodys(queue: Queue) -> None:
    worker = await Worker(queue, "w1", defaults=ROOMY).start()
    courier = await Worker(queue, "c1", defaults=ROOMY).start()
    await courier.take(0, 20, high=10, courier=True)
    await put(queue, lane(PLAIN), 2, 1)
    await queue.client.zadd(f"{queue.base}due:1", {PATH: 1})  # it has waited long
    assert classes(await worker.take(10, 20)) == {PLAIN: 2}


async def test_more_than_a_little_is_everybodys_at_once(queue: Queue) -> None:
    worker = await Worker(queue, "w1", defaults=ROOMY).start()
    courier = await Worker(queue, "c1", defaults=ROOMY).start()
    await courier.take(0, 20, high=10, courier=True)
    await put(queue, lane(PLAIN), 17, 1)
    assert classes(await worker.take(17, 20))[PLAIN] >= 10


async def test_a_ring_for_higher_mail_reaches_the_courier_not_a_worker_without_room(
    client: Client, queue: Queue
) -> None:
    worker = await Worker(queue, "w1", defaults=ROOMY).start()
    courier = await Worker(queue, "c1", defaults=ROOMY).start()
    for _ in range(3):
        await worker.take(0, 20, high=10)
    await courier.take(0, 20, high=10, courier=True)
    await put(queue, lane(URGENT), 1, 1)
    assert await client.lrange(f"{queue.base}wake:c1", 0, -1) == [HASTE]
    assert not await client.exists(f"{queue.base}wake:w1")


async def test_a_pause_is_for_new_connections_an_open_one_goes_on(client: Client, queue: Queue) -> None:
    await put(queue, lane(BULK), 20, 1)
    worker = await Worker(queue, "w1", defaults=ROOMY).start()
    other = await Worker(queue, "w2", defaults=ROOMY).start()
    [first] = (await worker.take(5)).batches
    assert first.way is Way.FRESH
    results = [final(one) for one in first.items]
    assert await worker.settle(*results, pauses=[(PATH, 60_000)]) == 0
    await worker.take(0, 0, reports=[Report(PATH, 1, 1, 5)])
    taken = await other.take(5)
    assert taken.batches == [], "no further connection while the path is paused"
    assert taken.next <= 100, "but somebody may go on soon"
    assert await client.exists(f"{queue.base}wake:w1"), "whoever has an open one is told"
    await client.zadd(f"{queue.base}due:2", {PATH: 0})
    [second] = (await worker.take(5)).batches
    assert second.way is Way.IDLE


async def test_a_courier_lets_go_of_a_connection_that_bulk_waits_for_in_a_pause(
    client: Client, queue: Queue
) -> None:
    await put(queue, lane(PLAIN), 1, 1)
    courier = await Worker(queue, "c1", defaults=ROOMY).start()
    [batch] = (await courier.take(0, 20, high=10, courier=True)).batches
    assert await courier.settle(final(batch.items[0]), pauses=[(PATH, 60_000)]) == 0
    await courier.take(0, 20, high=10, courier=True, reports=[Report(PATH, 1, 1, 5)])
    await put(queue, lane(BULK), 5, 2)
    other = await Worker(queue, "w1", defaults=ROOMY).start()
    assert (await other.take(5)).batches == []
    assert (await courier.take(0, 20, high=10, courier=True)).shed == [PATH]


async def test_a_courier_with_room_left_hears_the_next_ring_while_it_sends(
    client: Client, queue: Queue
) -> None:
    courier = await Worker(queue, "c1", defaults=ROOMY).start()
    await put(queue, lane(URGENT), 1, 1)
    assert taken_items(await courier.take(0, 20, high=10, courier=True))
    await put(queue, lane(URGENT, site="d2.example"), 1, 2)
    assert await client.lrange(f"{queue.base}wake:c1", 0, -1) == [HASTE]


async def test_a_courier_without_room_left_does_not_stand_among_the_idle(
    client: Client, queue: Queue
) -> None:
    courier = await Worker(queue, "c1", defaults=ROOMY).start()
    await put(queue, lane(URGENT), 2, 1)
    for high, idle in ((1, False), (2, True)):
        assert taken_items(await courier.take(0, 20, high=high, courier=True))
        assert await client.sismember(f"{queue.base}idle:high", "c1") == idle
