"""Rates, quotas and connections: what the scripts allow is what the plain arithmetic allows, by the server's clock."""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanework import Worker, back, lane, put, taken_items

from mta.queue.codec import Item
from mta.queue.keys import Keys
from mta.queue.lanes import PathDefaults, Queue, Report, Taken
from mta.queue.link import Client, Server, connect
from mta.queue.terms import SiteLimits, Terms, TermsBook
from mta.throttle.gcra import Bucket

SITE = "example.net"
PATH = f"default|{SITE}"
ROOMY = PathDefaults(connections=1000, batch=256)
DAY = 86_400_000


@pytest.fixture
def book(client: Client, keys: Keys) -> TermsBook:
    return TermsBook(client, keys)


def owners(taken: Taken, part: int = 3) -> Counter[str]:
    return Counter(one.lane.split("|")[part] for one in taken_items(taken))


def alone(url: str, work: Callable[[Queue, TermsBook], Awaitable[None]]) -> None:
    """Run work on an empty server."""

    async def run() -> None:
        client = connect(Server(url))
        try:
            await client.flushall()
            await work(Queue(client, Keys()), TermsBook(client, Keys()))
        finally:
            await client.aclose()

    asyncio.run(run())


async def all_due(queue: Queue) -> None:
    """What is to be looked at again later is looked at now."""
    for cls in range(3):
        for path in await queue.client.zrange(f"{queue.base}due:{cls}", 0, -1):
            await queue.client.zadd(f"{queue.base}due:{cls}", {path: 0})
    for scope in await queue.client.zrange(f"{queue.base}timed", 0, -1):
        await queue.client.zadd(f"{queue.base}timed", {scope: 0})


# the oracle

rates = st.floats(0.01, 5000.0, allow_nan=False)
bursts = st.integers(1, 300)
arrivals = st.lists(
    st.tuples(st.floats(-3.0, 1.0), st.integers(1, 40)), min_size=1, max_size=12
)  # how far tat is from now, in bursts; messages wanted


@settings(max_examples=40, deadline=None, database=None)
@given(rate=rates, burst=bursts, arrivals=arrivals)
def test_a_path_gives_what_its_bucket_gives(
    redis_url: str, rate: float, burst: int, arrivals: list[tuple[float, int]]
) -> None:
    limits = PathDefaults(rate=rate, burst=burst, connections=1000, batch=256)
    interval, tolerance, *_ = limits.wire()
    bucket, key = Bucket(interval, tolerance), "path:" + PATH

    async def work(queue: Queue, _: TermsBook) -> None:
        await put(queue, lane(), 500, 1)
        worker = await Worker(queue, defaults=limits).start()
        now = (await worker.take(0, 0)).now
        for ahead, want in arrivals:
            tat = now + ahead * (tolerance + interval)
            await queue.client.hset(queue.base + key, "tat", f"{tat:.3f}")
            await all_due(queue)
            taken = await worker.take(want, 1)
            now = taken.now
            granted, after = bucket.take(now, round(tat, 3), want)
            # At an edge a thousandth of a ms, which is what the server keeps, decides.
            near = {bucket.take(now + slip, round(tat, 3), want)[0] for slip in (-0.002, 0.002)}
            assert len(taken_items(taken)) in {granted, *near}
            if len(taken_items(taken)) == granted > 0:
                assert float(await queue.client.hget(queue.base + key, "tat")) == pytest.approx(
                    after, abs=0.01
                )
            if not taken_items(taken):
                due = float(await queue.client.zscore(f"{queue.base}due:2", PATH))
                assert due - now == pytest.approx(min(bucket.wait(now, tat), 1000), abs=1.1), "in time"

    alone(redis_url, work)


@settings(max_examples=40, deadline=None, database=None)
@given(tenant=rates, campaign=rates, arrivals=arrivals)
def test_a_tenant_and_its_campaign_each_give_what_their_buckets_give(
    redis_url: str, tenant: float, campaign: float, arrivals: list[tuple[float, int]]
) -> None:
    scopes = {"t|acme": Terms(rate=tenant), "c|acme|spring": Terms(rate=campaign)}
    buckets = {
        scope: Bucket(*(float(part) for part in one.wire(1).split()[1:3])) for scope, one in scopes.items()
    }

    async def work(queue: Queue, book: TermsBook) -> None:
        await put(queue, lane(), 500, 1)
        for scope, terms in scopes.items():
            await book.set(scope, terms)
        worker = await Worker(queue, defaults=ROOMY).start()
        now = (await worker.take(0, 0)).now
        for ahead, want in arrivals:
            tats = {}
            for scope, bucket in buckets.items():
                tats[scope] = round(now + ahead * (bucket.tolerance + bucket.interval), 3)
                await queue.client.hset(f"{queue.base}pace", scope, f"{tats[scope]:.3f}")
            await all_due(queue)
            taken = await worker.take(want, 1)
            now = taken.now
            near = set()
            for slip in (-0.005, 0.0, 0.005):  # what rounding to 0.001 ms comes to over a burst
                near.add(min(one.take(now + slip, tats[scope], want)[0] for scope, one in buckets.items()))
            got = len(taken_items(taken))
            assert got in near
            for scope, bucket in buckets.items():
                after = max(tats[scope], now) + got * bucket.interval if got else tats[scope]
                assert float(await queue.client.hget(f"{queue.base}pace", scope)) == pytest.approx(
                    after, abs=0.01
                )

    alone(redis_url, work)


async def test_in_no_span_of_time_more_goes_than_the_rate_and_its_burst(queue: Queue) -> None:
    limits = PathDefaults(rate=200.0, burst=10, connections=1000, batch=256)
    interval, tolerance, *_ = limits.wire()
    await put(queue, lane(), 1000, 1)
    workers = [await Worker(queue, f"w{n}", limits).start() for n in range(4)]
    went: list[tuple[int, int]] = []
    while not went or went[-1][0] - went[0][0] < 400:
        for worker in workers:
            taken = await worker.take(50)
            if count := len(taken_items(taken)):
                went.append((taken.now, count))
    for first in range(len(went)):
        for last in range(first, len(went)):
            span = went[last][0] - went[first][0] + 1  # the clock shows whole ms
            assert sum(count for _, count in went[first : last + 1]) <= 1 + (tolerance + span) / interval


# sites


async def test_a_sites_own_limits_go_before_the_defaults(queue: Queue, book: TermsBook) -> None:
    await put(queue, lane(), 100, 1)
    await put(queue, lane(site="other.example"), 100, 2)
    await book.replace_sites({SITE: SiteLimits(rate=0.01, burst=7, connections=2)})
    worker = await Worker(queue, defaults=PathDefaults(connections=10, batch=2)).start()
    assert owners(await worker.take(256, 100), 2) == {SITE: 4, "other.example": 18}, "nine of ten are bulk's"
    await worker.take(0, 0, reports=[Report(PATH, 0, 0, 2)])
    await all_due(queue)
    assert owners(await worker.take(256, 100), 2)[SITE] == 3, "what was left of the burst"


async def test_an_order_about_a_site_goes_before_the_file_and_ends(queue: Queue, book: TermsBook) -> None:
    await put(queue, lane(), 100, 1)
    await book.replace_sites({SITE: SiteLimits(connections=1)})
    worker = await Worker(queue, defaults=PathDefaults(connections=10, batch=1)).start()
    now = (await worker.take(0, 0)).now
    await book.limit_site(SITE, SiteLimits(connections=3), now + 60_000)
    assert len((await worker.take()).batches) == 3
    await book.limit_site(SITE, SiteLimits(connections=5), now - 1)
    await worker.take(0, 0, reports=[Report(PATH, 0, 0, 1)])
    assert len((await worker.take()).batches) == 1, "its time is over: the file's holds again"
    await book.replace_sites({})
    await worker.take(0, 0, reports=[Report(PATH, 0, 0, 1)])
    assert len((await worker.take()).batches) == 9, "and without one the default, of which bulk has nine"


async def test_an_order_about_connections_leaves_the_rate_alone(queue: Queue, book: TermsBook) -> None:
    await put(queue, lane(), 100, 1)
    await book.replace_sites({SITE: SiteLimits(rate=0.01, burst=4)})
    await book.limit_site(SITE, SiteLimits(connections=2), 0)
    worker = await Worker(queue, defaults=ROOMY).start()
    assert len(taken_items(await worker.take())) == 4


async def test_a_reload_leaves_orders_in_force_and_takes_what_the_file_no_longer_names(
    queue: Queue, book: TermsBook
) -> None:
    await book.replace_sites({"a.example": SiteLimits(connections=1), "b.example": SiteLimits(connections=2)})
    await book.limit_site("a.example", SiteLimits(connections=9), 0)
    await book.replace_sites({"b.example": SiteLimits(connections=3)})
    left = {name.decode() for name in await queue.client.hkeys(f"{queue.base}limits")}
    assert left == {"!a.example", "b.example"}


async def test_a_rate_holds_for_every_class_and_every_way(queue: Queue) -> None:
    worker = await Worker(queue, defaults=PathDefaults(rate=0.001, burst=6, connections=1, batch=4)).start()
    for cls in range(3):
        await put(queue, lane(cls), 20, cls + 1)
    found = []
    for _ in range(5):
        found += taken_items(await worker.take())
        await all_due(queue)
    assert len(found) == 6


# tenants and campaigns


async def test_a_tenant_at_its_rate_steps_aside_for_the_others_of_its_sites(
    queue: Queue, book: TermsBook
) -> None:
    await book.set("t|acme", Terms(rate=2.0))
    for entry, tenant in enumerate(("acme", "bolt", "corp")):
        await put(queue, lane(tenant=tenant), 20, entry + 1)
    worker = await Worker(queue, defaults=ROOMY).start()
    found = await worker.take(60, 10)
    assert owners(found) == {"acme": 2, "bolt": 20, "corp": 20}
    assert await queue.client.zscore(f"{queue.base}timed", "t|acme") >= found.now + 200
    later = await worker.take(60, 10)
    assert 0 < later.next <= 1000, "it says when to come back"
    while not (found := taken_items(await worker.take(60, 10))):
        await asyncio.sleep(0.01)
    assert {one.lane.split("|")[3] for one in found} == {"acme"}


async def test_a_campaign_at_its_rate_steps_aside_for_its_tenants_others(
    queue: Queue, book: TermsBook
) -> None:
    await book.set("c|acme|slow", Terms(rate=1.0))
    await put(queue, lane(campaign="slow"), 20, 1)
    await put(queue, lane(campaign="quick"), 20, 2)
    worker = await Worker(queue, defaults=ROOMY).start()
    assert owners(await worker.take(60, 10), 4) == {"slow": 1, "quick": 20}


async def test_a_daily_quota_is_kept_over_sites_and_campaigns_until_midnight(
    queue: Queue, book: TermsBook
) -> None:
    await book.set("t|acme", Terms(per_day=7))
    for entry in range(4):
        await put(queue, lane(site=f"d{entry % 2}.example", campaign=f"c{entry}"), 5, entry + 1)
    await put(queue, lane(tenant="bolt"), 5, 9)
    worker = await Worker(queue, defaults=ROOMY).start()
    found = Counter[str]()
    for _ in range(4):
        taken = await worker.take()
        found += owners(taken)
    assert found == {"acme": 7, "bolt": 5}
    midnight = await queue.client.zscore(f"{queue.base}timed", "t|acme")
    assert midnight == math.ceil(taken.now / DAY) * DAY
    await queue.client.rename(f"{queue.base}day:{taken.now // DAY}", f"{queue.base}day:0")  # the next day
    await all_due(queue)
    found = owners(await worker.take()) + owners(await worker.take())
    assert found == {"acme": 7}


async def test_a_campaigns_daily_quota_is_its_own(queue: Queue, book: TermsBook) -> None:
    await book.set("c|acme|small", Terms(per_day=3))
    await put(queue, lane(campaign="small"), 10, 1)
    await put(queue, lane(campaign="big"), 10, 2)
    worker = await Worker(queue, defaults=ROOMY).start()
    assert owners(await worker.take(), 4) == {"small": 3, "big": 10}


async def test_an_urgent_quota_bounds_urgent_mail_alone(queue: Queue, book: TermsBook) -> None:
    await book.set("t|acme", Terms(urgent_per_day=4))
    for cls in range(3):
        await put(queue, lane(cls), 10, cls + 1)
    worker = await Worker(queue, defaults=ROOMY).start()
    found = owners(await worker.take(), 0) + owners(await worker.take(), 0)
    assert found == {"0": 4, "1": 10, "2": 10}


async def test_what_is_given_back_does_not_come_again_before_the_rate_allows(
    queue: Queue, book: TermsBook
) -> None:
    await book.set("t|acme", Terms(per_day=5))
    await put(queue, lane(), 10, 1)
    worker = await Worker(queue, defaults=ROOMY).start()
    found = taken_items(await worker.take())
    await worker.settle(*(back(one) for one in found))
    assert taken_items(await worker.take()) == [], "it was spent"


@pytest.mark.parametrize("after", [Terms(), Terms(per_day=100), Terms(rate=1000.0)])
@pytest.mark.parametrize("before", [Terms(per_day=5), Terms(rate=0.001)])
async def test_a_bound_that_is_lifted_is_lifted_now(
    queue: Queue, book: TermsBook, before: Terms, after: Terms
) -> None:
    await book.set("t|acme", before)
    await put(queue, lane(), 50, 1)
    worker = await Worker(queue, defaults=ROOMY).start()
    first = len(taken_items(await worker.take()))
    assert first in (1, 5)
    assert taken_items(await worker.take()) == []
    await book.set("t|acme", after)
    # Not at midnight, and not when the old rate would have let it: the test's own time would be over.
    while not taken_items(await worker.take()):
        await asyncio.sleep(0.01)


async def test_a_sites_bound_that_is_lifted_is_lifted_now(queue: Queue, book: TermsBook) -> None:
    await book.limit_site(SITE, SiteLimits(rate=0.001), 0)
    await put(queue, lane(), 50, 1)
    worker = await Worker(queue, defaults=ROOMY).start()
    assert len(taken_items(await worker.take())) == 1
    later = await worker.take()
    assert (taken_items(later), 0 < later.next <= 1000) == ([], True), "it is looked at within a second"
    await book.limit_site(SITE, SiteLimits(rate=1000.0, burst=20), 0)
    found: list[Item] = []
    while len(found) < 20:
        found += taken_items(await worker.take())
        await asyncio.sleep(0.01)


async def test_terms_for_a_time_give_way_to_what_held_before(queue: Queue, book: TermsBook) -> None:
    await book.set("t|acme", Terms(weight=3.0, rate=50.0))
    await book.set_for("t|acme", Terms(weight=3.0, rate=5.0), 1000)
    await book.set_for("t|acme", Terms(weight=3.0, rate=1.0), 2000)
    assert await book.end_due(1999) == []
    assert await book.get("t|acme") == Terms(weight=3.0, rate=1.0)
    assert await book.end_due(2000) == ["t|acme"]
    assert await book.get("t|acme") == Terms(weight=3.0, rate=50.0), "not the limit in between"
    await book.set_for("c|acme|x", Terms(rate=1.0), 1000)
    assert await book.end_due(1000) == ["c|acme|x"]
    assert await book.get("c|acme|x") is None
    assert await book.end_due(10**15) == []


@pytest.mark.parametrize("shards", [1, 3])
def test_shards_together_give_no_more_than_the_whole(shards: int) -> None:
    terms = Terms(rate=9.0, per_day=10, urgent_per_day=2)
    _, interval, tolerance, day, urgent = (float(part) for part in terms.wire(shards).split())
    assert shards * 1000 / interval == pytest.approx(9.0)
    assert tolerance >= 0
    assert (day, urgent) == (math.ceil(10 / shards), math.ceil(2 / shards))


async def test_equal_terms_are_read_as_they_were_written(book: TermsBook) -> None:
    for terms in (Terms(2.5, 40.0, 1000, 20), Terms(per_day=7), Terms(rate=0.5)):
        await book.set("t|acme", terms)
        assert await book.get("t|acme") == terms
    await book.set("t|acme", Terms())
    assert await book.get("t|acme") is None
