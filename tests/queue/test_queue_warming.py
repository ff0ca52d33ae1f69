"""Sources that warm up: caps of a day, whose turn it is within them, and what becomes of the rest."""

from collections.abc import AsyncIterator, Sequence

import pytest
from lanework import Worker, back, final, lane, put, taken_items

from bench.calendar import Calendar, by_calendar
from mta.message import MessageId, Record, engaged_day
from mta.queue import codec
from mta.queue.keys import Keys
from mta.queue.lanes import OP_BACK, PathDefaults, Queue, Result, Way
from mta.queue.link import Client
from mta.queue.warmbook import REST, WarmBook
from mta.throttle.warmup import Counts, Position, day_of

COLD = {"default": [["new", 1.0, 1, 1]]}
MIXED = {"default": [["new", 1.0, 1, 1], ["old", 1.0, 0, 1]]}
DAY_MS = 86_400_000
TODAY = day_of("2026-11-23")
NOON = TODAY * DAY_MS + DAY_MS // 2


@pytest.fixture
async def calendar(client: Client, keys: Keys) -> AsyncIterator[Calendar]:
    found = Calendar(client, keys, NOON)
    await found.set(NOON)
    with by_calendar():
        yield found


@pytest.fixture
def book(client: Client, keys: Keys) -> WarmBook:
    return WarmBook(client, keys)


async def sent(worker: Worker, calendar: Calendar, **more: object) -> dict[str, int]:
    """Take until nothing more may be sent within minutes, deliver it, and return how many went by which source."""
    found: dict[str, int] = {}
    while True:
        taken = await worker.take(**more)
        if not taken.batches:
            if not 0 <= taken.next < 60_000:
                return found
            await calendar.set(calendar.at + taken.next + 1)
        for batch in taken.batches:
            source = batch.path.partition("|")[0]
            found[source] = found.get(source, 0) + len(batch.items)
        await worker.settle(*(final(one) for one in taken_items(taken)))
        await worker.idle(taken)


async def engaged(queue: Queue, days: Sequence[int], entry: int = 1) -> None:
    """Put a message for each of these days of a last click, in this order; 0 = nobody says."""
    every = [
        codec.encode(
            MessageId(0, entry, row).pack(),
            Record(f"m{entry}.{row}", f"u{row}@example.net", 1, 2**41, engaged=one),
        )
        for row, one in enumerate(days)
    ]
    for chunk, start in enumerate(range(0, len(every), 256), 1):
        assert await queue.put(f"acme:k{entry}", chunk, [[lane(), 0, *every[start : start + 256]]])


async def test_a_cap_holds_for_a_day_and_the_next_day_has_its_own(
    queue: Queue, calendar: Calendar, book: WarmBook
) -> None:
    await book.allow({("new", "example.net"): (200, 30)})
    await put(queue, lane(), 1000, 1)
    worker = await Worker(queue, defaults=PathDefaults(connections=9, batch=64)).start()
    assert await sent(worker, calendar, pools=COLD) == {"@new": 200}
    taken = await worker.take(pools=COLD)
    assert (taken.batches, taken.next) == ([], (TODAY + 1) * DAY_MS - calendar.at), "it waits for midnight"
    assert (await book.counts(TODAY))["new", "example.net"].taken == 200
    await calendar.set(NOON + DAY_MS)
    worker = await worker.start()
    assert await sent(worker, calendar, pools=COLD) == {"@new": 200}


async def test_the_rest_flows_over_to_the_warm_sources(
    queue: Queue, calendar: Calendar, book: WarmBook
) -> None:
    await book.allow({("new", "example.net"): (50, 30)})
    await put(queue, lane(), 1000, 1)
    worker = await Worker(queue, defaults=PathDefaults(connections=9, batch=16)).start()
    assert await sent(worker, calendar, pools=MIXED) == {"@new": 50, "@old": 950}


async def test_a_cap_that_grows_is_used_at_once(queue: Queue, calendar: Calendar, book: WarmBook) -> None:
    await put(queue, lane(), 100, 1)
    worker = await Worker(queue).start()
    assert await sent(worker, calendar, pools=COLD) == {}, "before anybody said how much, nothing goes"
    assert await book.allow({("new", "example.net"): (30, 30)})
    assert await sent(worker, calendar, pools=COLD) == {"@new": 30}
    assert not await book.allow({("new", "example.net"): (30, 30)}), "nothing changes"
    await book.allow({("new", "example.net"): (-1, 0)})
    assert await sent(worker, calendar, pools=COLD) == {"@new": 70}
    await book.allow({})
    await put(queue, lane(), 5, 2)
    assert await sent(worker, calendar, pools=COLD) == {}, "what is not named sends nothing"


async def test_sites_without_a_ladder_of_their_own_share_one(
    queue: Queue, calendar: Calendar, book: WarmBook
) -> None:
    await book.allow({("new", "google"): (40, 30), ("new", REST): (10, 30)})
    await put(queue, lane(site="google"), 60, 1)
    for number in range(30):
        await put(queue, lane(site=f"d{number}.test"), 2, 2 + number)
    worker = await Worker(queue, defaults=PathDefaults(connections=9, batch=4)).start()
    assert await sent(worker, calendar, pools=COLD) == {"@new": 50}
    counts = await book.counts(TODAY)
    assert (counts["new", "google"].taken, counts["new", REST].taken) == (40, 10)


async def test_what_was_not_sent_does_not_count_and_verdicts_count_on_the_day_of_the_take(
    queue: Queue, calendar: Calendar, book: WarmBook
) -> None:
    await book.allow({("new", "example.net"): (20, 30)})
    await put(queue, lane(), 100, 1)
    worker = await Worker(queue, defaults=PathDefaults(connections=9, batch=20)).start()
    taken = await worker.take(pools=COLD)
    items = taken_items(taken)
    assert len(items) == 20
    results: list[Result] = []
    for number, one in enumerate(items):
        kind = ("delivered", "deferred", "bounced", "", "back")[number % 5]
        result = back(one) if kind == "back" else final(one)
        result.warmed = ["new", "example.net", taken.now, kind]
        results.append(result)
    await calendar.set(NOON + DAY_MS)
    await worker.settle(*results)
    await worker.settle(*results)  # told twice, it counts once
    assert (await book.counts(TODAY))["new", "example.net"] == Counts(16, 4, 4, 4)
    assert ("new", "example.net") not in await book.counts(TODAY + 1)
    assert results[4].op == OP_BACK


async def test_those_who_showed_themselves_last_go_first(
    queue: Queue, calendar: Calendar, book: WarmBook
) -> None:
    await book.allow({("new", "example.net"): (6, 30)})
    await engaged(queue, [TODAY - ago for ago in (400, 9, 3, 200, 1, 40, 2, 8, 7)])
    worker = await Worker(queue, defaults=PathDefaults(connections=9, batch=4)).start()
    order: list[int] = []
    while batches := (await worker.take(pools=COLD)).batches:
        order += [TODAY - one.record.engaged for batch in batches for one in batch.items]
        await worker.settle(*(final(one) for batch in batches for one in batch.items))
    assert order == [1, 2, 3, 7, 8, 9]


async def test_with_warm_sources_beside_it_others_than_those_are_left_to_them(
    queue: Queue, calendar: Calendar, book: WarmBook
) -> None:
    await book.allow({("new", "example.net"): (100, 30)})
    old, never = TODAY - 45, engaged_day(0)
    await engaged(queue, [old, TODAY - 3, never, 0] * 20)
    worker = await Worker(queue, defaults=PathDefaults(connections=99, batch=4)).start()
    by: dict[str, list[int]] = {"@new": [], "@old": []}
    while batches := (await worker.take(pools=MIXED)).batches:
        for batch in batches:
            by[batch.path.partition("|")[0]] += [one.record.engaged for one in batch.items]
            assert batch.way is Way.FRESH
        await worker.settle(*(final(one) for batch in batches for one in batch.items))
    assert len(by["@new"]) + len(by["@old"]) == 80, "all of it goes, by one or the other"
    assert set(by["@new"]) == {TODAY - 3, 0}
    assert by["@old"].count(old) == by["@old"].count(never) == 20


async def test_a_lane_in_which_nobody_suits_it_does_not_stand_in_the_way(
    queue: Queue, calendar: Calendar, book: WarmBook
) -> None:
    await book.allow({("new", "example.net"): (100, 30)})
    await engaged(queue, [TODAY - 300] * 50)
    worker = await Worker(queue, defaults=PathDefaults(connections=9, batch=8)).start()
    first = await worker.take(want=16, pools=MIXED)
    assert len(taken_items(first)) == 16
    assert {batch.path for batch in first.batches} == {"@old|example.net"}


async def test_positions_are_kept(book: WarmBook) -> None:
    at = Position(TODAY, 3, TODAY - 2, "deferrals rose", 0.01)
    await book.move({("new", "google"): at, ("new", REST): Position(TODAY)})
    assert await book.positions() == {("new", "google"): at, ("new", REST): Position(TODAY)}
    assert await WarmBook(book.client, book.keys).now() > 0


def test_a_cap_for_all_other_sites_is_shared_out_among_the_shards(client: Client) -> None:
    book = WarmBook(client, Keys("mta:", 4))
    assert book.share(("new", REST), 202) == 50
    assert book.share(("new", "google"), 202) == 202
    assert book.share(("new", REST), -1) == -1
