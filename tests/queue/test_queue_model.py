"""Put, open, take, settle, recover, close, purge in any order, against a model, on a real server.

After every step each message is in exactly one place, every counter says what is there, and whatever waits can be
reached. At the end all is opened and drained: each message has had exactly one final event.
"""

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from lanework import LEASE, back, final, retry
from picture import Picture, faults, look

from mta.message import ID_BYTES, Flag, Lane, MessageId, Record
from mta.queue import codec, packs
from mta.queue.codec import Item
from mta.queue.control import Control, Gate, Scope
from mta.queue.keys import Keys
from mta.queue.lanes import PathDefaults, Queue, Report, Result
from mta.queue.link import Server, connect
from mta.queue.packs import Pack, PackRow
from mta.queue.scripts import LostLease
from mta.queue.shelves import Picked, Shelves
from mta.queue.sifting import Mark, Sifting
from mta.queue.terms import Terms, TermsBook

SITES = ("one.example", "two.example", "three.example")
TENANTS = ("acme", "bolt")
CAMPAIGNS = ("", "spring", "fall")
WORKERS = ("w1", "w2", "w3")
HOUR = 3_600_000
EVENT = {"event": "purged", "eid": "p"}

tenants, campaigns, sites = st.sampled_from(TENANTS), st.sampled_from(CAMPAIGNS), st.sampled_from(SITES)
classes, workers = st.integers(0, 2), st.sampled_from(WORKERS)
defaults = st.sampled_from(
    [
        PathDefaults(connections=1000, batch=5),
        PathDefaults(rate=2.0, burst=2),
        PathDefaults(connections=2, batch=2),
    ]
)


class Lanes(RuleBasedStateMachine):
    """The model: which messages there are, whose they are, who holds them, which are final."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.client = self.run(self.connected())
        self.keys = Keys()
        self.base = self.keys.base(0)
        self.queue, self.gates = Queue(self.client, self.keys), Control(self.client, self.keys)
        self.shelves = Shelves(self.client, self.client, self.keys)
        self.sifting, self.terms = Sifting(self.client, self.keys), TermsBook(self.client, self.keys)
        self.entries = self.turned = 0
        self.messages: dict[bytes, tuple[str, str]] = {}  # id -> lane as accepted, recipient
        self.names: dict[bytes, str] = {}
        self.final: dict[bytes, str] = {}
        self.held: dict[str, dict[bytes, Item]] = {name: {} for name in WORKERS}
        self.epochs: dict[str, int] = {}
        self.stale: list[tuple[str, int]] = []
        self.told: list[tuple[str, int, Result]] = []
        self.closed: set[str] = set()
        self.paused: set[str] = set()
        self.marked: set[bytes] = set()  # possibly sent, since a worker died with them
        for name in WORKERS:
            self.epochs[name], _ = self.run(self.queue.register(name, LEASE))

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    async def connected(self) -> Any:
        client = connect(Server(self.url))
        await client.flushall()
        return client

    def look(self) -> Picture:
        return self.run(look(self.client, self.base))  # type: ignore[no-any-return]

    # mail in

    def entry(self) -> int:
        self.entries += 1
        return self.entries

    def known(self, lane: str, entry: int, row: int, site: str, name: str) -> bytes:
        message_id = MessageId(0, entry, row).pack()
        self.messages[message_id] = (lane, f"u{row}@{site}")
        self.names[message_id] = name
        return message_id

    @rule(
        cls=classes,
        tenant=tenants,
        campaign=campaigns,
        site=sites,
        count=st.integers(1, 6),
        ahead=st.sampled_from([0, 0, 0, HOUR]),
    )
    def put_a_few(self, cls: int, tenant: str, campaign: str, site: str, count: int, ahead: int) -> None:
        entry, lane = self.entry(), str(Lane(cls, "default", site, tenant, campaign))
        items = []
        for row in range(count):
            name = f"m.{entry}.{row}"
            record = Record(name, f"u{row}@{site}", born=1, expires=2**41)
            items.append(codec.encode(self.known(lane, entry, row, site, name), record))
        at = self.now() + ahead if ahead else 0
        groups = [[lane, at, *items]]
        assert self.run(self.queue.put(f"{tenant}:k{entry}", 1, groups))
        assert not self.run(self.queue.put(f"{tenant}:k{entry}", 1, groups)), "a chunk put twice is put once"

    @rule(
        cls=classes,
        tenant=tenants,
        campaign=campaigns,
        domains=st.lists(sites, min_size=1, max_size=8),
        ahead=st.sampled_from([0, 0, HOUR]),
    )
    def put_a_pack(self, cls: int, tenant: str, campaign: str, domains: list[str], ahead: int) -> None:
        entry, lane = self.entry(), str(Lane(cls, "default", "*", tenant, campaign))
        rows = [PackRow(row, f"u{row}@{site}", []) for row, site in enumerate(domains)]
        for row, site in zip(rows, domains, strict=True):
            self.known(lane, entry, row.number, site, f"s{entry}.{row.number}")
        pack = Pack(os.urandom(ID_BYTES), entry, f"s{entry}", 1, 2**41, "", rows)
        at = self.now() + ahead if ahead else 0
        packed = [(lane, at, packs.encode(pack))]
        assert self.run(self.queue.put(f"{tenant}:k{entry}", 1, [], packs=packed))

    # packs into lanes

    @rule(most=st.integers(1, 3), ready=st.sampled_from([0, 1000]), full=st.sets(sites), dies=st.booleans())
    def open_packs(self, most: int, ready: int, full: set[str], dies: bool) -> None:
        picked = self.run(self.shelves.pick(most, 60_000, ready))
        assert len(picked) <= most
        for one in picked if not dies else ():
            assert self.run(self.expand(one, full))
            assert not self.run(self.expand(one, full)), "a pack is opened once"

    async def expand(self, picked: Picked, full: set[str]) -> bool:
        pack, lane = packs.decode(picked.pack), Lane.parse(picked.lane)
        lanes: dict[str, list[PackRow]] = {}
        for row in pack.rows:
            site = row.rcpt.partition("@")[2]
            lanes.setdefault(str(Lane(lane.cls, lane.pool, site, lane.tenant, lane.campaign)), []).append(row)
        groups, again = list[list[Any]](), []
        for name, rows in lanes.items():
            if Lane.parse(name).site in full and name != picked.lane:
                shelved = Pack(os.urandom(ID_BYTES), pack.entry, pack.stem, 1, 2**41, "", rows)
                again.append((name, 0, packs.encode(shelved)))
                continue
            records = [Record(f"{pack.stem}.{row.number}", row.rcpt, 1, 2**41) for row in rows]
            ids = [MessageId(0, pack.entry, row.number).pack() for row in rows]
            groups.append(
                [name, 0, *(codec.encode(one, record) for one, record in zip(ids, records, strict=True))]
            )
        return await self.shelves.expand(picked.id, groups, packs=again)

    @rule()
    def claims_end(self) -> None:
        self.run(self.no_wait("expandings"))

    # workers

    @rule(worker=workers)
    def register(self, worker: str) -> None:
        if worker in self.epochs:
            self.stale.append((worker, self.epochs[worker]))
        self.epochs[worker], left = self.run(self.queue.register(worker, LEASE))
        assert left == len(self.held[worker])

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def an_earlier_life_writes_nothing(self, data: st.DataObject) -> None:
        worker, epoch = data.draw(st.sampled_from(self.stale))
        before = self.run(self.everything())
        results = [final(one) for one in self.held[worker].values()]
        with pytest.raises(LostLease):
            self.run(self.queue.settle(worker, epoch, LEASE, results, [("default|one.example", 1000)]))
        with pytest.raises(LostLease):
            self.run(self.take(worker, epoch, 5, PathDefaults()))
        assert self.run(self.everything()) == before

    @precondition(lambda self: self.epochs)
    @rule(
        data=st.data(),
        want=st.integers(0, 20),
        high=st.sampled_from([0, 0, 4]),
        limits=defaults,
        idle=st.booleans(),
    )
    def take_some(self, data: st.DataObject, want: int, high: int, limits: PathDefaults, idle: bool) -> None:
        worker = data.draw(st.sampled_from(sorted(self.epochs)))
        reports = [Report(f"default|{site}", 0, 0, limits.batch) for site in SITES] if idle else []
        self.take_and_check(worker, want, limits, reports=reports, high=high)

    @precondition(lambda self: self.epochs)
    @rule(data=st.data())
    def take_all(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.epochs)))
        self.take_and_check(worker, 256, PathDefaults(connections=1000))

    def take_and_check(
        self, worker: str, want: int, limits: PathDefaults, high: int = 0, reports: Sequence[Report] = ()
    ) -> None:
        taken = self.run(self.take(worker, self.epochs[worker], want, limits, reports=reports, high=high))
        found = [one for batch in taken.batches for one in batch.items]
        assert not taken.unreadable
        assert len(found) <= want + high
        assert sum(one.lane[0] == "2" for one in found) <= want
        for batch in taken.batches:
            assert batch.path not in self.paused
            assert batch.items
        for one in found:
            lane, rcpt = self.messages[one.id]
            cls, pool, _, tenant, campaign = lane.split("|")
            site = rcpt.partition("@")[2]
            assert one.lane == f"{cls}|{pool}|{site}|{tenant}|{campaign}"
            assert (one.record.rcpt, one.record.name) == (rcpt, self.names[one.id])
            assert not self.scopes(one.id) & self.closed, "what is closed is not sent"
            assert bool(one.record.flags & Flag.MAYBE_SENT) == (one.id in self.marked)
            self.held[worker][one.id] = one

    async def take(self, worker: str, epoch: int, want: int, limits: PathDefaults, **more: Any) -> Any:
        return await self.queue.take(
            worker, epoch, want=want, most=10, lease_ms=LEASE, defaults=limits, **more
        )

    @precondition(lambda self: any(self.held[name] for name in self.epochs))
    @rule(
        data=st.data(),
        op=st.sampled_from(["final", "final", "retry", "later", "moved", "back"]),
        count=st.integers(1, 9),
    )
    def settle(self, data: st.DataObject, op: str, count: int) -> None:
        worker = data.draw(st.sampled_from(sorted(name for name in self.epochs if self.held[name])))
        epoch, results = self.epochs[worker], []
        for one in list(self.held[worker].values())[:count]:
            del self.held[worker][one.id]
            match op:
                case "final":
                    results.append(final(one))
                    self.final[one.id] = "delivered"
                case "back":
                    results.append(back(one))
                case _:
                    results.append(retry(one, HOUR if op == "later" else 1))
        assert self.run(self.queue.settle(worker, epoch, LEASE, results)) == 0
        self.told += [(worker, epoch, result) for result in results]

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def settle_again(self, data: st.DataObject) -> None:
        worker, epoch, result = data.draw(st.sampled_from(self.told))
        if self.epochs.get(worker) == epoch and result.id not in self.held[worker]:
            before = self.run(self.everything())
            assert self.run(self.queue.settle(worker, epoch, LEASE, [result])) == 1
            assert self.run(self.everything()) == before

    @precondition(lambda self: self.epochs)
    @rule(data=st.data())
    def a_worker_dies(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.epochs)))
        assert self.run(self.queue.recover(worker, 0)) == 0, "a live lease is left alone"
        self.run(self.client.zadd(f"{self.base}workers", {worker: 1}))
        assert self.run(self.queue.recover(worker, 0)) == len(self.held[worker])
        self.marked.update(self.held[worker])
        self.held[worker].clear()
        self.stale.append((worker, self.epochs.pop(worker)))

    @precondition(lambda self: self.epochs)
    @rule(site=sites)
    def pause(self, site: str) -> None:
        worker, epoch = next(iter(self.epochs.items()))
        self.run(self.queue.settle(worker, epoch, LEASE, [], [(f"default|{site}", HOUR)]))
        self.paused.add(f"default|{site}")

    # control

    def scopes(self, message_id: bytes) -> set[str]:
        lane, rcpt = self.messages[message_id]
        _, _, _, tenant, campaign = lane.split("|")
        domain = rcpt.partition("@")[2]
        return {
            f"t|{tenant}", f"c|{tenant}|{campaign}", f"s|{domain}", f"d|{domain}", f"r|{rcpt}",
            f"m|{tenant}|{self.names[message_id]}",
        }  # fmt: skip

    @precondition(lambda self: self.messages)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(sorted(self.messages)))
        scope = data.draw(st.sampled_from(sorted(self.scopes(one))))
        fresh = self.run(self.gates.close(Scope(scope), Gate("suspended"), {"event": "suspended"}))
        assert fresh == (scope not in self.closed)
        self.closed.add(scope)

    @precondition(lambda self: self.closed)
    @rule(data=st.data())
    def open(self, data: st.DataObject) -> None:
        scope = data.draw(st.sampled_from(sorted(self.closed)))
        assert self.run(self.gates.open(Scope(scope), {"event": "resumed"}))
        self.closed.remove(scope)

    @rule(
        tenant=tenants,
        campaign=campaigns,
        whole=st.booleans(),
        rate=st.sampled_from([0.0, 3.0]),
        day=st.sampled_from([0, 2, 50]),
    )
    def bound(self, tenant: str, campaign: str, whole: bool, rate: float, day: int) -> None:
        scope = f"t|{tenant}" if whole else f"c|{tenant}|{campaign}"
        self.run(self.terms.set(scope, Terms(2.0, rate, day)))

    def gone(self, meant: set[bytes], told: int) -> None:
        assert told == len(meant)
        self.final |= dict.fromkeys(meant, "purged")

    def waiting(self) -> set[bytes]:
        """The ids of what waits: neither final nor in flight."""
        flying = {one for held in self.held.values() for one in held}
        return set(self.messages) - set(self.final) - flying

    @rule(tenant=tenants, campaign=campaigns)
    def purge(self, tenant: str, campaign: str) -> None:
        sieved = self.look().sieved
        scope = f"c|{tenant}|{campaign}"
        meant = {one for one in self.waiting() if scope in self.scopes(one)}
        told = self.run(self.gates.purge(tenant, campaign, EVENT))
        self.gone(meant - set(sieved), told)
        told = self.run(self.sifting.sieved(Mark("campaign", campaign, tenant), EVENT))
        self.gone(meant & set(sieved), told)

    @precondition(lambda self: self.messages)
    @rule(data=st.data(), of_tenant=st.booleans())
    def sift(self, data: st.DataObject, of_tenant: bool) -> None:
        for one in self.look().keys.get("expandings", []):  # what is being opened is waited for
            lane, _, pack = self.run(self.client.hget(f"{self.base}expanding", one)).partition(b"\n")
            self.run(self.expand(Picked(one, lane.decode(), pack), set()))
        one = data.draw(st.sampled_from(sorted(self.messages)))
        scope = data.draw(st.sampled_from(sorted(s for s in self.scopes(one) if s[0] in "sdrm")))
        kind = {"s": "site", "d": "domain", "r": "recipient", "m": "message"}[scope[0]]
        tenant = self.messages[one][0].split("|")[3]
        if kind in ("site", "domain") or (kind == "recipient" and not of_tenant):
            tenant = ""
        meant = {
            one for one in self.waiting()
            if scope in self.scopes(one) and tenant in ("", self.messages[one][0].split("|")[3])
        }  # fmt: skip
        if kind == "site":  # nobody has looked yet where the rows in a store go
            stores = [ids for lane, ids in self.look().shelves.items() if Lane.parse(lane).site == "*"]
            later = [one for lane, one in self.look().wheel if Lane.parse(lane).site == "*"]
            meant -= {one for ids in stores for one in ids} | set(later)
        self.gone(meant, self.run(self.sifting.purge(Mark(kind, scope.split("|")[-1], tenant), EVENT)))

    # time

    def now(self) -> int:
        seconds, _ = self.run(self.client.time())
        return int(seconds) * 1000

    async def no_wait(self, name: str) -> None:
        """What stands in a timetable is due now."""
        members = await self.client.zrange(f"{self.base}{name}", 0, -1)
        if members:
            await self.client.zadd(f"{self.base}{name}", dict.fromkeys(members, 0))

    @rule()
    def an_hour_passes(self) -> None:
        self.run(self.wheel_turns())
        self.run(self.no_wait("timed"))

    async def wheel_turns(self) -> None:
        """All that waits for a time waits in buckets of the past, one after the other."""
        for bucket in await self.client.zrange(f"{self.base}wheel", 0, -1):
            if int(bucket) > self.turned:
                self.turned += 1
                await self.client.rename(
                    f"{self.base}wheel:{bucket.decode()}", f"{self.base}wheel:{self.turned}"
                )
                await self.client.zrem(f"{self.base}wheel", bucket)
                await self.client.zadd(f"{self.base}wheel", {str(self.turned): self.turned})

    @rule()
    def paths_are_due(self) -> None:
        self.run(self.paths_free())
        self.paused.clear()

    async def paths_free(self) -> None:
        for cls in range(3):
            await self.no_wait(f"due:{cls}")
        for site in SITES:
            await self.client.hdel(f"{self.base}path:default|{site}", "pause", "tat")

    # what holds

    async def everything(self) -> dict[bytes, bytes]:
        # A call that is refused for anything but its lease has renewed that.
        # Bells and hints run out by themselves, between two looks, too.
        named = sorted(name for name in await self.client.keys("*") if not name.endswith(b":workers"))
        names = [name for name in named if not 0 < await self.client.pttl(name) <= 60_000]
        pipe = self.client.pipeline(transaction=True)
        for name in names:
            pipe.dump(name)
        return dict(zip(names, await pipe.execute(), strict=True))

    @invariant()
    def ledger(self) -> None:
        picture = self.look()
        places = sorted(picture.everywhere())
        assert places == sorted(set(self.messages) - set(self.final)), "each message is in one place"
        for worker, held in self.held.items():
            assert picture.flight.get(worker, set()) == set(held)
        named = {self.names[one] for one, kind in self.final.items() if kind == "delivered"}
        purged = {self.names[one] for one, kind in self.final.items() if kind == "purged"}
        assert all(count == 1 for count in picture.finals.values()), "one final event for each"
        assert named <= set(picture.finals) <= named | purged
        assert picture.purged + len(set(picture.finals) - named) == len(purged)
        for one, name in picture.names.items():
            assert name == self.names[one]
            assert bool(picture.flags[one] & Flag.MAYBE_SENT) == (one in self.marked)
        for one, scope in picture.sieved.items():
            assert scope in self.scopes(one)
            assert scope in self.closed
        assert faults(picture) == []

    def teardown(self) -> None:
        try:
            self.run(self.drain())
            picture = self.look()
            assert not picture.everywhere()
            assert not picture.lanes
            assert not [
                key
                for key in picture.keys
                if key.partition(":")[0] in ("lanes", "tenants", "due", "of", "stores")
            ]
            assert sum(picture.finals.values()) + picture.purged == len(self.messages)
        finally:
            self.run(self.client.aclose())
            self.runner.close()

    async def drain(self) -> None:
        """Open and lift everything, and deliver what there is: nothing is out of reach."""
        for scope in sorted(self.closed):
            await self.gates.open(Scope(scope), {})
        for tenant in TENANTS:
            await self.terms.set(f"t|{tenant}", Terms())
            for campaign in CAMPAIGNS:
                await self.terms.set(f"c|{tenant}|{campaign}", Terms())
        for worker in WORKERS:
            epoch, _ = await self.queue.register(worker, LEASE)
            held = [final(one) for one in self.held[worker].values()]
            assert await self.queue.settle(worker, epoch, LEASE, held) == 0
        await self.wheel_turns()
        for name in ("timed", "expandings"):
            await self.no_wait(name)
        idle = 0
        while idle < 3:
            await self.paths_free()
            epoch, _ = await self.queue.register("w1", LEASE)
            taken = await self.take("w1", epoch, 256, PathDefaults(connections=1000))
            found = [one for batch in taken.batches for one in batch.items]
            await self.queue.settle("w1", epoch, LEASE, [final(one) for one in found])
            picked = await self.shelves.pick(4, 60_000, 1000)
            for one in picked:
                await self.expand(one, set())
            idle = 0 if found or picked else idle + 1


def test_every_message_is_in_one_place_and_in_reach_whatever_happens(redis_url: str) -> None:
    machine = type("Machine", (Lanes,), {"url": redis_url})
    # No shrinking: it takes minutes, and what failed is told either way.
    wanted = settings(
        max_examples=50, stateful_step_count=40, deadline=None, database=None, phases=[Phase.generate]
    )
    for attempt in range(5):
        try:
            run_state_machine_as_test(machine, settings=wanted)
            return
        except FlakyStrategyDefinition:
            # The server's clock and its random members can't be repeated; where a choice hung on them, begin anew.
            if attempt == 4:
                raise
