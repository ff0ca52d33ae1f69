"""Messages are found wherever they wait, by name and by address, within a bound, and nothing is changed by it."""

from typing import Any

import pytest
from lanework import Worker, item, items, lane, pack_of, put, retry, taken_items

from mta.message import MessageId
from mta.queue import codec
from mta.queue.control import Control, Gate, Scope
from mta.queue.finding import Finder, campaigns_of
from mta.queue.keys import Keys
from mta.queue.lanes import Queue
from mta.queue.link import Client
from mta.queue.place import Wanted, Where
from mta.queue.shelves import Shelves

SPRING = Wanted(name="m1.2", tenant="acme", campaign="spring")


async def found(client: Client, keys: Keys, wanted: Wanted, **more: Any) -> list[tuple[str, int]]:
    search = await Finder(client, keys).find(wanted, **more)
    assert search.complete
    return [(one.where.value, one.ahead) for one in search.found]


@pytest.mark.parametrize("wanted", [SPRING, Wanted(name="m1.2"), Wanted(rcpt="u2@example.net")])
async def test_finding_in_a_lane_with_what_is_before_it(
    queue: Queue, client: Client, keys: Keys, wanted: Wanted
) -> None:
    await put(queue, lane(), 5, entry=1)
    assert await found(client, keys, wanted) == [("lane", 2)]
    place = (await Finder(client, keys).find(wanted)).found[0]
    assert place.id == MessageId(0, 1, 2)
    assert str(place.lane) == lane()


@pytest.mark.parametrize("wanted", [SPRING, Wanted(rcpt="u2@example.net")])
async def test_finding_in_flight_and_in_the_wheel(
    queue: Queue, client: Client, keys: Keys, wanted: Wanted
) -> None:
    await put(queue, lane(), 5, entry=1)
    worker = await Worker(queue).start()
    taken = await worker.take()
    search = await Finder(client, keys).find(wanted)
    assert [(one.where, one.worker) for one in search.found] == [(Where.FLIGHT, "w1")]
    await worker.settle(*(retry(one, 60_000) for one in taken_items(taken)))
    search = await Finder(client, keys).find(wanted)
    assert [one.where for one in search.found] == [Where.WHEEL]
    assert taken.now + 59_000 < search.found[0].at < taken.now + 66_000


async def test_finding_in_packs_of_store_and_shelf_and_while_they_are_opened(
    queue: Queue, client: Client, keys: Keys
) -> None:
    store, shelf = lane(site="*"), lane(site="slow.example")
    packs = [(store, 0, pack_of(100, 1)), (store, 0, pack_of(50, 2)), (shelf, 0, pack_of(9, 3))]
    await queue.put("acme:k", 1, [], packs=packs)
    assert await found(client, keys, Wanted(name="s2.7", tenant="acme", campaign="spring")) == [
        ("store", 107)
    ]
    assert await found(client, keys, Wanted(rcpt="u60@example.net")) == [("store", 60)]
    assert await found(client, keys, Wanted(name="s3.4")) == [("shelf", 4)]
    shelves = Shelves(client, client, keys)
    assert len(await shelves.pick(1, 60_000, 20_000)) == 1
    assert await found(client, keys, Wanted(name="s1.99")) == [("opening", 99)]


async def test_finding_a_pack_that_waits_for_its_time(queue: Queue, client: Client, keys: Keys) -> None:
    seconds, _ = await client.time()
    at = (int(seconds) + 3600) * 1000
    await queue.put("acme:k", 1, [], packs=[(lane(site="*"), at, pack_of(10, 1))])
    search = await Finder(client, keys).find(Wanted(name="s1.3"))
    assert [(one.where, one.ahead) for one in search.found] == [(Where.WHEEL, 3)]
    assert search.found[0].at >= at


async def test_finding_what_was_sieved_out(queue: Queue, client: Client, keys: Keys) -> None:
    await put(queue, lane(), 3, entry=1)
    scope = Scope.of_recipient("u1@example.net")
    await Control(client, keys).close(scope, Gate("suspended"), {})
    await (await Worker(queue).start()).take()
    search = await Finder(client, keys).find(Wanted(rcpt="u1@example.net"))
    assert [(one.where, one.scope) for one in search.found] == [(Where.SIEVED, "r|u1@example.net")]


async def test_finding_keeps_tenants_campaigns_and_like_names_apart(
    queue: Queue, client: Client, keys: Keys
) -> None:
    await queue.put("acme:k", 1, [[lane(), 0, item(1), item(12)]])
    await queue.put("other:k", 1, [[lane(tenant="other", campaign=""), 0, item(1)]])
    search = await Finder(client, keys).find(Wanted(name="m1.1"))
    assert sorted(one.lane.tenant for one in search.found) == ["acme", "other"]
    search = await Finder(client, keys).find(Wanted(name="m1.1", tenant="other"))
    assert [one.lane.tenant for one in search.found] == ["other"]
    search = await Finder(client, keys).find(Wanted(name="m1.1", campaign="spring"))
    assert [one.lane.tenant for one in search.found] == ["acme"]
    assert not (await Finder(client, keys).find(Wanted(rcpt="1@example.net"))).found


async def test_finding_looks_into_every_shard(client: Client) -> None:
    keys = Keys(shards=2)
    await put(Queue(client, keys, 1), lane(), 3, entry=1)
    for wanted in (SPRING, Wanted(rcpt="u2@example.net")):
        search = await Finder(client, keys).find(wanted)
        assert [(one.shard, one.ahead) for one in search.found] == [(1, 2)]


async def test_finding_keeps_to_its_bounds(queue: Queue, client: Client, keys: Keys) -> None:
    for entry in range(1, 9):
        await put(queue, lane(), 256, entry=entry)
    looked: list[int] = []
    search = await Finder(client, keys, 500, looked.append).find(Wanted(rcpt="nobody@example.net"))
    assert not search.complete
    assert search.looked == 1000  # one step of the script
    assert looked == [1000]


async def test_finding_changes_nothing(queue: Queue, client: Client, keys: Keys) -> None:
    await put(queue, lane(), 300, entry=1)
    before = await client.dump("mta:{0}:lane:" + lane())
    changes = (await client.info("persistence"))["rdb_changes_since_last_save"]
    await Finder(client, keys).find(Wanted(rcpt="u7@example.net"))
    assert await client.dump("mta:{0}:lane:" + lane()) == before
    assert (await client.info("persistence"))["rdb_changes_since_last_save"] == changes


async def test_finding_passes_over_what_a_newer_engine_wrote(
    queue: Queue, client: Client, keys: Keys
) -> None:
    newer = bytes((codec.FORMAT + 1,)) + item(1)[1:]
    await queue.put("acme:k", 1, [[lane(), 0, newer, *items(3)[2:]]])
    assert await found(client, keys, Wanted(name="m1.1")) == []
    assert await found(client, keys, Wanted(name="m1.2")) == [("lane", 1)]


def test_finding_the_campaigns_that_a_name_can_be_of() -> None:
    known = ["acme|spring-26", "other|spring-26", "acme|spring", "acme|" + "x" * 40]
    assert campaigns_of("spring-26.abcdefghij234567.12", known) == [
        ("acme", "spring-26"), ("other", "spring-26")
    ]  # fmt: skip
    assert campaigns_of("x" * 24 + ".abcdefghij234567.1", known) == [("acme", "x" * 40)]
    assert campaigns_of("inv-1.0", known) == []
