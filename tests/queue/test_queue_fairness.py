"""Tenants by weight, of each its campaigns by weight: never more than a batch from what is theirs."""

import asyncio
from collections import Counter
from itertools import cycle, islice

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from lanework import Worker, lane, pack_of, put, taken_items

from mta.queue.keys import Keys
from mta.queue.lanes import PathDefaults, Queue
from mta.queue.link import Server, connect
from mta.queue.terms import Terms, TermsBook

BATCH = 32
BACKLOG = 12 * BATCH  # of each campaign
TAKES = 150
ROOMY = PathDefaults(connections=1000, batch=BATCH)
weights = st.sampled_from([0.5, 1.0, 1.0, 2.0, 3.0, 5.0, 10.0])
shares = st.lists(st.tuples(weights, st.lists(weights, min_size=1, max_size=3)), min_size=2, max_size=6)


def ideal(served: float, own: float, all_: list[float]) -> float:
    """What a share of `own` among all is due of what was served."""
    return served * own / sum(all_)


async def serve(url: str, tenants: list[tuple[float, list[float]]], batches: list[int]) -> None:
    """Fill the lanes, take, and hold each batch against the ideal, for as long as everybody waits."""
    client = connect(Server(url))
    try:
        await client.flushall()
        queue, book = Queue(client, Keys()), TermsBook(client, Keys())
        entry = 0
        for t, (weight, campaigns) in enumerate(tenants):
            await book.set(f"t|t{t}", Terms(weight))
            for c, own in enumerate(campaigns):
                await book.set(f"c|t{t}|c{c}", Terms(own))
                entry += 1
                await put(queue, lane(tenant=f"t{t}", campaign=f"c{c}"), BACKLOG, entry)
        worker = await Worker(queue, defaults=ROOMY).start()
        by_tenant, by_campaign = Counter[str](), Counter[str]()
        for want in islice(cycle(batches), TAKES):
            for one in taken_items(await worker.take(want, 1)):
                _, _, _, tenant, campaign = one.lane.split("|")
                by_tenant[tenant] += 1
                by_campaign[f"{tenant}|{campaign}"] += 1
            if max(by_campaign.values()) >= BACKLOG:
                return
            every = [weight for weight, _ in tenants]
            for t, (weight, campaigns) in enumerate(tenants):
                due = ideal(by_tenant.total(), weight, every)
                assert abs(by_tenant[f"t{t}"] - due) <= BATCH, f"tenant {t}: {by_tenant}"
                for c, own in enumerate(campaigns):
                    due = ideal(by_tenant[f"t{t}"], own, campaigns)
                    assert abs(by_campaign[f"t{t}|c{c}"] - due) <= BATCH, f"campaign {t}/{c}: {by_campaign}"
    finally:
        await client.aclose()


@settings(max_examples=30, deadline=None, database=None, phases=[Phase.generate])
@given(tenants=shares, batches=st.lists(st.integers(1, BATCH), min_size=1, max_size=8))
def test_nobody_who_waits_is_more_than_a_batch_from_what_is_theirs(
    redis_url: str, tenants: list[tuple[float, list[float]]], batches: list[int]
) -> None:
    asyncio.run(serve(redis_url, tenants, batches))


async def test_equal_tenants_take_turns_however_many_campaigns_they_have(queue: Queue) -> None:
    for number in range(6):
        await put(queue, lane(tenant="many", campaign=f"c{number}"), 64, number + 1)
    await put(queue, lane(tenant="one"), 64, 9)
    worker = await Worker(queue, defaults=PathDefaults(connections=100, batch=8)).start()
    turns = [taken_items(await worker.take(8, 1)) for _ in range(8)]
    owners = [{one.lane.split("|")[3] for one in batch} for batch in turns]
    assert sorted(map(sorted, owners)) == [["many"]] * 4 + [["one"]] * 4


async def test_a_small_campaign_among_big_ones_gets_its_turn_at_once(queue: Queue) -> None:
    for number in range(4):
        await put(queue, lane(campaign=f"big{number}"), 256, number + 1)
    worker = await Worker(queue, defaults=PathDefaults(connections=100, batch=8)).start()
    for _ in range(40):
        await worker.take(8, 1)
    await put(queue, lane(campaign="small"), 5, 9)
    names = [taken_items(await worker.take(8, 1)) for _ in range(5)]
    assert "small" in {one.lane.split("|")[4] for batch in names for one in batch}, (
        "within a round of the others"
    )


async def test_a_small_tenant_among_big_ones_gets_its_turn_at_once(queue: Queue) -> None:
    for number in range(4):
        await put(queue, lane(tenant=f"big{number}"), 256, number + 1)
    worker = await Worker(queue, defaults=PathDefaults(connections=100, batch=8)).start()
    for _ in range(40):
        await worker.take(8, 1)
    await put(queue, lane(tenant="small"), 5, 9)
    names = [taken_items(await worker.take(8, 1)) for _ in range(5)]
    assert "small" in {one.lane.split("|")[3] for batch in names for one in batch}, (
        "within a round of the others"
    )


async def test_a_tenant_that_was_away_has_no_claim_on_the_time(queue: Queue) -> None:
    worker = await Worker(queue, defaults=PathDefaults(connections=1000, batch=8)).start()
    await put(queue, lane(tenant="away"), 8, 1)
    assert len(taken_items(await worker.take(8, 1))) == 8
    await put(queue, lane(tenant="busy"), 512, 2)
    for _ in range(30):
        await worker.take(8, 1)
    await put(queue, lane(tenant="away"), 128, 3)
    owners = Counter[str]()
    for _ in range(10):
        owners.update(one.lane.split("|")[3] for one in taken_items(await worker.take(8, 1)))
        assert abs(owners["away"] - owners.total() / 2) <= 8, "neither before the other nor behind"


async def test_a_tenant_that_comes_and_goes_gets_no_more_than_one_that_waits(queue: Queue) -> None:
    for number in range(3):
        await put(queue, lane(tenant=f"stays{number}"), 256, number + 1)
    worker = await Worker(queue, defaults=PathDefaults(connections=1000, batch=8)).start()
    owners = Counter[str]()
    for number in range(40):
        here = await queue.client.exists(f"{queue.base}lane:{lane(tenant='comes')}")
        if not here:
            await put(queue, lane(tenant="comes"), 8, 10 + number)
        owners.update(one.lane.split("|")[3] for one in taken_items(await worker.take(8, 1)))
    assert owners["comes"] <= owners.total() / 4 + 8, f"its share is a quarter: {owners}"
    assert owners["comes"] >= owners.total() / 4 - 8, f"its share is a quarter: {owners}"


async def test_a_campaign_that_comes_and_goes_gets_no_more_than_one_that_waits(queue: Queue) -> None:
    for number in range(3):
        await put(queue, lane(campaign=f"stays{number}"), 256, number + 1)
    worker = await Worker(queue, defaults=PathDefaults(connections=1000, batch=8)).start()
    owners = Counter[str]()
    for number in range(40):
        here = await queue.client.exists(f"{queue.base}lane:{lane(campaign='comes')}")
        if not here:
            await put(queue, lane(campaign="comes"), 8, 10 + number)
        owners.update(one.lane.split("|")[4] for one in taken_items(await worker.take(8, 1)))
    assert owners["comes"] <= owners.total() / 4 + 8, f"its share is a quarter: {owners}"


async def test_each_class_and_path_has_its_own_order(queue: Queue) -> None:
    worker = await Worker(queue, defaults=PathDefaults(connections=1000, batch=8)).start()
    for number, site in enumerate(("one.example", "two.example")):
        await put(queue, lane(tenant="acme", site=site), 64, 2 * number + 1)
        await put(queue, lane(tenant="bolt", site=site), 64, 2 * number + 2)
    for _ in range(8):
        await worker.take(16, 2)
    served = Counter(tuple(name.split("|")[2:4]) for _, name, _ in await queue.flight("w1"))
    assert len(served) == 4
    assert set(served.values()) == {32}, "each site gives each tenant its half"


async def test_a_campaign_that_waits_for_its_shelf_does_not_cost_its_tenant_the_turn(queue: Queue) -> None:
    await queue.put("acme:p", 1, [], packs=[(lane(campaign="a-dry"), 0, pack_of(5, 90))])
    await put(queue, lane(campaign="full"), 20, 1)
    worker = await Worker(queue, defaults=PathDefaults(connections=100, batch=8)).start()
    assert len(taken_items(await worker.take(8, 1))) == 8


async def test_tenants_that_wait_for_their_shelves_keep_nobody_else_waiting(queue: Queue) -> None:
    """Packs are not opened while memory is short; what stands in lanes goes on all the same."""
    for number in range(20):
        await queue.put(
            f"acme:p{number}", 1, [], packs=[(lane(tenant=f"dry{number:02}"), 0, pack_of(5, 90 + number))]
        )
    await put(queue, lane(tenant="full"), 20, 1)
    worker = await Worker(queue, defaults=PathDefaults(connections=100, batch=8)).start()
    found = []
    for _ in range(6):
        await queue.client.zadd(f"{queue.base}due:2", {"default|example.net": 0})
        found += taken_items(await worker.take(8, 1))
    assert len(found) == 20
