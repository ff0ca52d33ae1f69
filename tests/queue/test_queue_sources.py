"""A pool of several sources: who sends what, whose limits hold, and who is passed over."""

from collections import Counter

import pytest
from lanework import Worker, back, final, lane, put, taken_items

from mta.queue.control import Control, Gate, Scope
from mta.queue.keys import Keys
from mta.queue.lanes import PathDefaults, Queue, Report, Way
from mta.queue.link import Client
from mta.queue.terms import Terms, TermsBook

THREE = {"default": [["a", 3.0, 0, 1], ["b", 2.0, 0, 1], ["c", 1.0, 0, 1]]}
TWO = {"default": [["a", 1.0, 0, 1], ["b", 1.0, 0, 1]]}
EVENT = {"event": "suspended", "eid": "s", "ts": "1"}


async def test_sources_share_by_weight_within_a_batch_of_ideal(queue: Queue) -> None:
    await put(queue, lane(), 6000, 1)
    worker = await Worker(queue, defaults=PathDefaults(connections=100, batch=16)).start()
    sent: Counter[str] = Counter()
    for _ in range(40):
        taken = await worker.take(want=96, most=6, pools=THREE)
        for batch in taken.batches:
            source, _, site = batch.path.partition("|")
            assert site == "example.net"
            sent[source] += len(batch.items)
            total = sum(sent.values())
            for name, weight in (("@a", 3), ("@b", 2), ("@c", 1)):
                assert abs(sent[name] - total * weight / 6) <= 2 * 16, sent
        await worker.settle(*(final(one) for one in taken_items(taken)))
        await worker.idle(taken)
    assert sum(sent.values()) > 3000


async def test_of_many_small_sites_each_source_has_its_share(queue: Queue) -> None:
    for number in range(300):
        await put(queue, lane(site=f"d{number}.test"), 1, number + 1)
    worker = await Worker(queue).start()
    sent: Counter[str] = Counter()
    while found := (await worker.take(pools=THREE)).batches:
        sent.update(batch.path.partition("|")[0] for batch in found)
        await worker.settle(*(final(one) for batch in found for one in batch.items))
    assert sum(sent.values()) == 300
    assert 105 <= sent["@a"] <= 195, sent  # 5 standard deviations around 150
    assert 20 <= sent["@c"] <= 80, sent


async def test_connections_hold_for_each_source(queue: Queue) -> None:
    await put(queue, lane(), 200, 1)
    worker = await Worker(queue, defaults=PathDefaults(connections=2, batch=4)).start()
    first = await worker.take(pools=TWO)
    assert Counter(batch.path for batch in first.batches) == {"@a|example.net": 2, "@b|example.net": 2}
    assert {batch.way for batch in first.batches} == {Way.FRESH}
    assert not (await worker.take(pools=TWO)).batches
    again = await worker.take(pools=TWO, reports=[Report("@b|example.net", 2, 1, 4)])
    assert [(batch.path, batch.way) for batch in again.batches] == [("@b|example.net", Way.IDLE)]


async def test_rate_holds_for_each_source(queue: Queue) -> None:
    await put(queue, lane(), 200, 1)
    worker = await Worker(queue, defaults=PathDefaults(rate=0.001, burst=5, connections=9)).start()
    taken = await worker.take(pools=TWO)
    sent: Counter[str] = Counter()
    for batch in taken.batches:
        sent[batch.path] += len(batch.items)
    assert sent == {"@a|example.net": 5, "@b|example.net": 5}


async def test_two_pools_share_a_source_and_its_limits(queue: Queue, client: Client) -> None:
    pools = {"default": [["a", 1.0, 0, 1]], "other": [["a", 1.0, 0, 1]]}
    await put(queue, lane(), 20, 1)
    await put(queue, lane().replace("default", "other"), 20, 2)
    worker = await Worker(queue, defaults=PathDefaults(connections=1, batch=4)).start()
    (only,) = (await worker.take(pools=pools)).batches
    (after,) = (await worker.take(pools=pools, reports=[Report(only.path, 1, 1, 4)])).batches
    assert only.path == after.path == "@a|example.net"
    assert only.items[0].lane.split("|")[1] != after.items[0].lane.split("|")[1], "pools take turns"


async def test_a_paused_source_is_passed_over(queue: Queue) -> None:
    await put(queue, lane(), 40, 1)
    worker = await Worker(queue, defaults=PathDefaults(connections=9, batch=4)).start()
    await worker.settle(pauses=[("@a|example.net", 60_000)])
    taken = await worker.take(want=16, pools=TWO)
    assert {batch.path for batch in taken.batches} == {"@b|example.net"}
    assert len(taken_items(taken)) == 16


@pytest.mark.parametrize("pools", [TWO, {"default": "a"}], ids=["of two", "the only one"])
async def test_a_suspended_source_sends_nothing_until_it_is_resumed(
    queue: Queue, client: Client, keys: Keys, pools: dict[str, object]
) -> None:
    control = Control(client, keys)
    await put(queue, lane(), 40, 1)
    await control.close(Scope.of_source("a"), Gate("suspended"), EVENT)
    if pools == TWO:
        worker = await Worker(queue, defaults=PathDefaults(connections=9, batch=4)).start()
        first = await worker.take(want=8, pools=pools)
        assert {batch.path for batch in first.batches} == {"@b|example.net"}
        await worker.settle(*(back(one) for one in taken_items(first)))
        await control.close(Scope.of_source("b"), Gate("suspended"), EVENT)
    else:
        worker = await Worker(queue).start()
    shut = await worker.take(pools=pools)
    assert (shut.batches, shut.next) == ([], -1), "it is looked at again when a gate opens, not before"
    assert await control.open(Scope.of_source("a"), EVENT)
    opened = await worker.take(want=8, pools=pools)
    assert {batch.path for batch in opened.batches} == {
        "@a|example.net" if pools == TWO else "default|example.net"
    }


async def test_a_sources_own_rate_holds_over_all_sites(queue: Queue, client: Client, keys: Keys) -> None:
    await TermsBook(client, keys).set_for("x|a", Terms(rate=3.0), 0)
    for number in range(10):
        await put(queue, lane(site=f"d{number}.test"), 2, number + 1)
    worker = await Worker(queue, defaults=PathDefaults(connections=9, batch=1)).start()
    taken = await worker.take(want=20, pools=TWO)
    sent = Counter(batch.path.partition("|")[0] for batch in taken.batches)
    assert sent["@a"] <= 3
    assert sum(sent.values()) == 20, "the other source sends what this one may not"


async def test_permits_of_a_worker_that_begins_anew_are_free_again(queue: Queue, client: Client) -> None:
    await put(queue, lane(), 40, 1)
    worker = await Worker(queue, defaults=PathDefaults(connections=1, batch=4)).start()
    assert len((await worker.take(pools=TWO)).batches) == 2
    await worker.start()
    again = await worker.take(pools=TWO)
    while not again.batches:  # a path that waits for a connection is looked at again within 250 ms
        again = await worker.take(pools=TWO)
    assert {batch.way for batch in again.batches} == {Way.FRESH}
    for name in ("a", "b"):
        assert 0 < await client.ttl(f"{queue.base}path:@{name}|example.net") <= 3600


async def test_a_pool_without_sources_goes_as_ever(queue: Queue) -> None:
    await put(queue, lane(), 4, 1)
    await put(queue, lane().replace("default", "named"), 4, 2)
    worker = await Worker(queue).start()
    taken = await worker.take(pools={"named": "a"})
    assert {batch.path for batch in taken.batches} == {"default|example.net", "named|example.net"}


async def test_hosts_send_from_what_they_have_and_leave_the_rest_to_others(queue: Queue) -> None:
    def on(*names: str) -> dict[str, object]:
        return {"default": [[name, 1.0, 0, int(name in names)] for name in ("a", "b")]}

    await put(queue, lane(), 200, 1)
    first = await Worker(queue, "w1", PathDefaults(connections=1, batch=4)).start()
    second = await Worker(queue, "w2", PathDefaults(connections=1, batch=4)).start()
    (one,) = (await first.take(pools=on("a"))).batches
    waits = await first.take(pools=on("a"))
    assert waits.batches == []
    assert 0 <= waits.next <= 100, "the other host's turn comes soon"
    other = await second.take(pools=on("b"))
    while not other.batches:
        other = await second.take(pools=on("b"))
    assert (one.path, other.batches[0].path) == ("@a|example.net", "@b|example.net")
    none = await first.take(pools={"default": ""})
    assert none.batches == []
    assert none.next >= 0, "a pool whose only source is elsewhere is not forgotten"


async def test_a_source_that_is_opened_is_used_though_others_wait_long(
    queue: Queue, client: Client, keys: Keys
) -> None:
    control = Control(client, keys)
    await control.close(Scope.of_source("a"), Gate("suspended"), EVENT)
    await put(queue, lane(), 10, 1)
    worker = await Worker(queue).start()
    await worker.settle(pauses=[("@b|example.net", 3_600_000)])
    waits = await worker.take(pools=TWO)
    assert waits.batches == []
    assert waits.next <= 5000, "nobody brings the path back when a is opened: it is looked at again"
