"""Packs opened into lanes: once, where there is room, whoever dies and whatever is closed."""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zlib import crc32

import pytest

from mta.ingest import expander as expander_module
from mta.ingest.expander import Expander, Room
from mta.ingest.routing import Found, Routing
from mta.ingest.sorter import Sorter
from mta.message import ID_BYTES, Lane, MessageId
from mta.queue import codec, packs
from mta.queue.control import Control, Gate, Scope
from mta.queue.keys import Keys
from mta.queue.lanes import OP_FINAL, PathDefaults, Queue, Result
from mta.queue.link import Client, QueueFull
from mta.queue.packs import Pack, PackRow
from mta.queue.shelves import STORE, Shelves
from mta.queue.suppression import Suppressions
from mta.queue.terms import SiteLimits, TermsBook
from mta.throttle.window import Window

FAST, SLOW = "fast.example", "slow.example"
ALL_DAYS = frozenset(range(7))


def lane(site: str, tenant: str = "acme") -> str:
    return str(Lane(2, "default", site, tenant, "spring"))


def pack(entry: int, domains: Sequence[str], zones: Sequence[str] = ()) -> bytes:
    rows = [
        PackRow(row, f"u{row}@{domain}", ["Jo"], ref=f"r{row}", tz=zones[row] if zones else "")
        for row, domain in enumerate(domains)
    ]
    stem = f"spring.{entry}"
    return packs.encode(Pack(entry.to_bytes(ID_BYTES, "big"), entry, stem, 1, 2**41, "news", rows))


class Stage:
    """A queue of so many shards, and expanders for its home shard."""

    def __init__(self, client: Client, shards: int = 1) -> None:
        self.client, self.keys = client, Keys(shards=shards)
        self.queues = [Queue(client, self.keys, shard) for shard in range(shards)]
        self.queue = self.queues[0]
        self.shelves = Shelves(client, client, self.keys)
        self.suppressions = Suppressions(client, self.keys, b"secret")
        self.window: Window | None = None
        self.asked: Counter[str] = Counter()
        self.sites: dict[str, str] = {}
        self.entries = 0

    def expander(self, room: Room | None = None, shard: int = 0) -> Expander:
        async def lookup(domain: str) -> Found:
            return Found(self.sites.get(domain, domain), 0.0)

        async def window(tenant: str, campaign: str) -> Window | None:
            self.asked[f"{tenant}|{campaign}"] += 1
            return self.window

        sorter = Sorter(self.suppressions, Routing(None, lookup), len(self.queues))
        return Expander(self.shelves, self.queues, shard, sorter, window, room)

    async def store(self, domains: Sequence[str], zones: Sequence[str] = ()) -> int:
        self.entries += 1
        packed = [(lane(STORE), 0, pack(self.entries, domains, zones))]
        assert await self.queue.put(f"acme:k{self.entries}", 1, [], packs=packed)
        return self.entries

    async def held(self, shard: int = 0) -> dict[str, tuple[int, int]]:
        """Site to messages in lanes and on shelves."""
        base, found = self.keys.base(shard), dict[str, tuple[int, int]]()
        for key in await self.client.keys(f"{base}lane:*"):
            site = key.decode().split("|")[2]
            found[site] = (await self.client.llen(key), 0)
        for name, rows in (await self.client.hgetall(f"{base}shelved")).items():
            site = name.decode().split("|")[2]
            found[site] = (found.get(site, (0, 0))[0], int(rows))
        return found

    async def claims_end(self) -> None:
        for claim in await self.client.zrange(f"{self.queue.base}expandings", 0, -1):
            await self.client.zadd(f"{self.queue.base}expandings", {claim: 0})

    async def take_all(self, shard: int = 0) -> list[codec.Item]:
        queue = self.queues[shard]
        epoch, _ = await queue.register("w1", 30_000)
        taken = await queue.take(
            "w1", epoch, want=256, most=100, lease_ms=30_000, defaults=PathDefaults(connections=99, batch=256)
        )
        found = [one for batch in taken.batches for one in batch.items]
        results = [Result(OP_FINAL, one.id, one.lane, "acme|spring", "delivered") for one in found]
        await queue.settle("w1", epoch, 30_000, results)
        return found


@pytest.fixture
def stage(client: Client) -> Stage:
    return Stage(client)


async def test_rows_become_the_messages_that_were_submitted(stage: Stage) -> None:
    entry = await stage.store([FAST, SLOW, FAST])
    assert await stage.expander().step() == 1
    found = {one.record.rcpt: one for one in await stage.take_all()}
    assert len(found) == 3
    for row, domain in enumerate((FAST, SLOW, FAST)):
        one = found[f"u{row}@{domain}"]
        assert (one.id, one.lane) == (MessageId(0, entry, row).pack(), lane(domain))
        assert (one.record.name, one.record.ref, one.record.values) == (
            f"spring.{entry}.{row}",
            f"r{row}",
            ["Jo"],
        )
    assert await stage.held() == {}


async def test_domains_of_one_provider_share_a_lane(stage: Stage) -> None:
    stage.sites = {FAST: "big", SLOW: "big"}
    await stage.store([FAST, SLOW, "own.example"])
    await stage.expander().step()
    assert await stage.held() == {"big": (2, 0), "own.example": (1, 0)}


async def test_the_suppressed_are_told_and_counted_and_go_nowhere(stage: Stage) -> None:
    await stage.suppressions.add("acme", "news", [f"u1@{FAST}"], "unsubscribed", "web", 1)
    await stage.suppressions.add("bolt", "news", [f"u0@{FAST}"], "unsubscribed", "web", 1)
    await stage.store([FAST] * 3)
    await stage.expander().step()
    assert await stage.held() == {FAST: (2, 0)}
    [(_, told)] = await stage.client.xrange(f"{stage.queue.base}events")
    assert (told[b"event"], told[b"rcpt"], told[b"list"]) == (b"suppressed", f"u1@{FAST}".encode(), b"news")
    assert await stage.client.hgetall(f"{stage.queue.base}count:acme|spring") == {b"suppressed": b"1"}


async def test_a_full_site_keeps_its_rows_on_its_own_shelf_and_the_others_go_on(stage: Stage) -> None:
    room = Room(path=3)
    await stage.store([SLOW, FAST] * 10)
    await stage.expander(room).step()
    assert await stage.held() == {SLOW: (3, 7), FAST: (3, 7)}
    assert {one.lane.split("|")[2] for one in await stage.take_all()} == {SLOW, FAST}
    assert await stage.held() == {SLOW: (0, 7), FAST: (0, 7)}
    await stage.expander(room).step()
    assert await stage.held() == {SLOW: (7, 0), FAST: (7, 0)}, "they were asked for"


async def test_room_is_what_the_site_sends_within_the_window(stage: Stage) -> None:
    book = TermsBook(stage.client, stage.keys)
    await book.replace_sites({SLOW: SiteLimits(rate=5.0), FAST: SiteLimits(connections=2)})
    await stage.store([SLOW] * 200)
    await stage.store([FAST] * 200)
    expander = stage.expander(Room(seconds=20.0, interval=10.0))
    await expander.step()
    assert await stage.held() == {SLOW: (100, 100), FAST: (200, 0)}
    await book.limit_site(FAST, SiteLimits(rate=0.1), 0)
    await stage.store([FAST] * 100)
    await expander.step()
    assert (await stage.held())[FAST] == (200, 100), "an order's limit counts, too"


@pytest.mark.parametrize("closed", [True, False])
async def test_a_closed_or_paused_site_is_not_opened(stage: Stage, closed: bool) -> None:
    gates = Control(stage.client, stage.keys)
    if closed:
        await gates.close(Scope.of_site(SLOW), Gate("suspended"), {})
    else:
        await stage.client.hset(f"{stage.queue.base}path:default|{SLOW}", "pause", 2**41)
    for _ in range(3):
        await stage.store([SLOW] * 20 + [FAST])
    expander = stage.expander()
    while await expander.step():
        pass
    assert await stage.held() == {SLOW: (0, 60), FAST: (3, 0)}
    assert len(await stage.take_all()) == 3
    assert await stage.held() == {SLOW: (0, 60)}
    if closed:
        await gates.open(Scope.of_site(SLOW), {})
    else:
        await stage.client.hdel(f"{stage.queue.base}path:default|{SLOW}", "pause")
        await stage.client.zadd(f"{stage.queue.base}due:2", {f"default|{SLOW}": 0})
    got = 0
    while got < 60:
        got += len(await stage.take_all())
        await expander.step()
    assert await stage.held() == {}


async def test_packs_of_a_closed_campaign_stay_as_they_are(stage: Stage) -> None:
    gates = Control(stage.client, stage.keys)
    await gates.close(Scope.of_campaign("acme", "spring"), Gate("held"), {})
    await stage.store([FAST] * 5)
    expander = stage.expander()
    assert await expander.step() == 0
    assert await stage.held() == {STORE: (0, 5)}
    await gates.open(Scope.of_campaign("acme", "spring"), {})
    assert await expander.step() == 1


async def test_rows_whose_window_is_closed_wait_for_it_by_their_own_clock(stage: Stage) -> None:
    now = datetime.now(UTC)
    shut = (now + timedelta(hours=3)).replace(minute=0)
    open_ = (now - timedelta(hours=1)).replace(minute=0)
    minutes = [at.hour * 60 for at in (open_, shut)]
    # Open in UTC now for some hours; where clocks are twelve hours ahead or behind it is not.
    stage.window = Window(ALL_DAYS, minutes[0], minutes[1], True, "UTC")
    await stage.store([FAST, FAST, FAST], ["UTC", "Etc/GMT+12", "nonsense"])
    await stage.expander().step()
    assert await stage.held() == {FAST: (2, 0)}
    [bucket] = await stage.client.zrange(f"{stage.queue.base}wheel", 0, -1)
    assert now.timestamp() * 1000 < int(bucket) < (now + timedelta(hours=24)).timestamp() * 1000
    assert await stage.client.hgetall(f"{stage.queue.base}later") == {b"2": b"1"}


async def test_a_pack_whose_window_is_closed_for_all_is_put_off_whole(stage: Stage) -> None:
    now = datetime.now(UTC)
    hour = (now.hour + 5) % 24 * 60
    stage.window = Window(ALL_DAYS, hour, (hour + 60) % 1440, False, "UTC")
    await stage.store([FAST, SLOW])
    expander = stage.expander()
    await expander.step()
    assert await stage.held() == {}
    assert await stage.client.hgetall(f"{stage.queue.base}later") == {b"2": b"2"}
    await stage.store([FAST])
    await expander.step()
    assert stage.asked == {"acme|spring": 1}, "a campaign's window is remembered for a while"


# deaths


async def test_what_a_dead_expander_claimed_another_opens_once_its_claim_has_ended(stage: Stage) -> None:
    await stage.store([FAST] * 4)
    assert len(await stage.shelves.pick(4, expander_module.CLAIM_MS, 1000)) == 1
    expander = stage.expander()
    assert await expander.step() == 0, "it may be alive"
    await stage.claims_end()
    assert await expander.step() == 1
    assert await stage.held() == {FAST: (4, 0)}
    assert await stage.client.exists(f"{stage.queue.base}expanding", f"{stage.queue.base}expandings") == 0


async def test_two_that_open_the_same_pack_put_it_once(stage: Stage) -> None:
    await stage.store([FAST] * 4)
    [picked] = await stage.shelves.pick(4, 1, 1000)
    await stage.claims_end()
    one, two = stage.expander(), stage.expander()
    await one.step()
    await two.expand(picked)
    assert await stage.held() == {FAST: (4, 0)}
    assert len(await stage.take_all()) == 4


async def test_a_pack_over_several_shards_opened_twice_is_put_once(client: Client) -> None:
    stage = Stage(client, shards=3)
    domains = [f"d{number}.example" for number in range(12)]
    await stage.store(domains)
    [picked] = await stage.shelves.pick(4, 1, 1000)

    class Dies(Shelves):
        async def expand(self, *_: object, **__: object) -> bool:
            raise QueueFull("no room: as if it had died before the last step")

    stage.shelves, shelves = Dies(client, client, stage.keys), stage.shelves
    with pytest.raises(QueueFull):
        await stage.expander().expand(picked)
    assert await stage.held() == {}
    others = [await stage.held(shard) for shard in (1, 2)]
    assert all(others), "the other shards have theirs"
    stage.shelves = shelves
    await stage.claims_end()
    assert await stage.expander().step() == 1
    assert [await stage.held(shard) for shard in (1, 2)] == others
    rcpts = []
    for shard in range(3):
        taken = await stage.take_all(shard)
        assert all(MessageId.unpack(one.id).shard == shard for one in taken)
        rcpts += [one.record.rcpt for one in taken]
    assert sorted(rcpts) == sorted(f"u{n}@{domain}" for n, domain in enumerate(domains))


async def test_a_domain_that_moves_to_another_shard_between_two_openings_is_put_once(client: Client) -> None:
    stage = Stage(client, shards=2)
    there = next(f"s{n}" for n in range(99) if _shard(f"s{n}", 2) == 1)
    here = next(f"s{n}" for n in range(99) if _shard(f"s{n}", 2) == 0)
    stage.sites = {FAST: there}
    await stage.store([FAST])
    [picked] = await stage.shelves.pick(4, 1, 1000)
    expander = stage.expander()
    shelves, expander.shelves = expander.shelves, None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        await expander.expand(picked)
    expander.shelves = shelves
    stage.sites = {FAST: here}
    await stage.claims_end()
    await stage.expander().step()
    assert len(await stage.take_all(0)) + len(await stage.take_all(1)) == 1


def _shard(site: str, shards: int) -> int:
    return crc32(site.encode()) % shards


async def test_a_full_server_loses_nothing(stage: Stage) -> None:
    await stage.store([FAST] * 4)
    [picked] = await stage.shelves.pick(4, 1, 1000)
    used = (await stage.client.info("memory"))["used_memory"]
    await stage.client.config_set("maxmemory", used // 2)
    try:
        with pytest.raises(QueueFull):
            await stage.expander().expand(picked)
        with pytest.raises(QueueFull):
            await stage.expander().step()
    finally:
        await stage.client.config_set("maxmemory", 0)
    await stage.claims_end()
    assert await stage.expander().step() == 1
    assert await stage.held() == {FAST: (4, 0)}


# packs that can't be read


async def test_a_broken_pack_is_set_aside_with_its_recipients_counted(stage: Stage) -> None:
    raw = bytearray(pack(7, [FAST] * 9))
    raw[30] ^= 255
    await stage.queue.put("acme:k", 1, [], packs=[(lane(STORE), 0, bytes(raw))])
    await stage.expander().step()
    assert await stage.held() == {}
    [(_, told)] = await stage.client.xrange(f"{stage.queue.base}events")
    assert (told[b"event"], told[b"count"], told[b"campaign"]) == (b"failed", b"9", b"spring")
    assert await stage.client.hget(f"{stage.queue.base}count:acme|spring", "failed") == b"9"
    assert await stage.client.exists(f"{stage.queue.base}expanding") == 0


async def test_a_newer_engines_pack_is_left_for_it(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    raw = bytearray(pack(7, [FAST] * 9))
    raw[0] += 1
    await stage.queue.put("acme:k", 1, [], packs=[(lane(STORE), 0, bytes(raw))])
    with caplog.at_level(logging.WARNING):
        await stage.expander().step()
    assert "stays" in caplog.text
    [held] = (await stage.client.hgetall(f"{stage.queue.base}expanding")).values()
    assert held == lane(STORE).encode() + b"\n" + bytes(raw)
    assert await stage.client.xlen(f"{stage.queue.base}events") == 0
