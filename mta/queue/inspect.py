"""Read-only questions about the lanes, for people who look. Nothing here changes a key.

Scans are bounded: on a queue larger than the caps an answer says that it is not complete. The answer is no
snapshot, since mail moves while it is counted.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mta.message import Class, Lane
from mta.queue import codec, packs
from mta.queue.keys import Keys
from mta.queue.link import Client

MAX_LANES = 50_000  # of a shard
MAX_ITEMS = 20_000  # scheduled or in flight, looked at in a shard
STEP = 500  # commands in one round trip


@dataclass(slots=True)
class LaneState:
    """What one lane holds; times in ms since 1970, 0 = none."""

    lane: Lane
    held: str = ""  # the closed scope that keeps it
    waiting: int = 0
    packed: int = 0  # of those waiting, how many are still in packs
    scheduled: int = 0
    in_flight: int = 0
    oldest: int = 0  # acceptance of its first waiting message
    next: int = 0  # when its path, or its next scheduled message, is due


@dataclass(slots=True)
class Survey:
    """The lanes that were asked for; `complete` is False when a cap cut the look."""

    lanes: list[LaneState]
    complete: bool = True


@dataclass(slots=True)
class Depth:
    """How many messages of a class are ready in lanes, packed on shelves, and scheduled for later."""

    ready: int = 0
    packed: int = 0
    scheduled: int = 0


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker by name: ms until its lease ends (negative: over) and what it holds."""

    name: str
    shard: int
    lease_ms: int
    in_flight: int


class Inspect:
    """Questions to every shard."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def now(self) -> int:
        """Return the server's time, ms since 1970: what all times in the queue are compared with."""
        seconds, micros = await self.client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def workers(self) -> list[WorkerState]:
        """Return the workers that have a lease, or had one and were not recovered yet."""
        now, found = await self.now(), []
        for shard in range(self.keys.shards):
            base = self.keys.base(shard)
            for name, ends in await self.client.zrange(f"{base}workers", 0, -1, withscores=True):
                held = int(await self.client.hlen(f"{base}flight:{name.decode()}"))
                found.append(WorkerState(name.decode(), shard, int(ends) - now, held))
        return found

    async def submitted(self) -> dict[str, int]:
        """Return how many submission entries wait to be taken in, by stream label."""
        out = {}
        for label in ("control", "urgent", "transactional", "bulk"):
            out[label] = int(await self.client.xlen(f"{self.keys.prefix}submit:{label}"))
        return out

    async def depth(self) -> list[Depth]:
        """Return how much of each class waits, over all shards: exact, at the same cost for one as for millions."""
        depths = [Depth() for _ in range(3)]
        for shard in range(self.keys.shards):
            base = self.keys.base(shard)
            for cls, count in (await self.client.hgetall(f"{base}ready")).items():
                depths[int(cls)].ready += int(count)
            for cls, count in (await self.client.hgetall(f"{base}later")).items():
                depths[int(cls)].scheduled += int(count)
            cursor = 0
            while True:
                cursor, page = await self.client.hscan(f"{base}shelved", cursor, count=STEP)
                for lane, rows in page.items():
                    depths[int(lane[:1])].packed += int(rows)
                if not cursor:
                    break
        return depths

    async def survey(self, match: Callable[[Lane], bool] | None = None) -> Survey:
        """Return every lane that holds something and that `match` wants (None: all)."""
        out = Survey([])
        for shard in range(self.keys.shards):
            known = _Known(self.keys.base(shard), match)
            await self._waiting(known)
            await self._scheduled(known)
            await self._in_flight(known)
            await self._gates(known)
            out.lanes += [
                one for one in known.lanes.values() if one.waiting or one.scheduled or one.in_flight
            ]
            out.complete = out.complete and known.complete
        return out

    async def _waiting(self, known: "_Known") -> None:
        base, names = known.base, list[str]()
        async for key in self.client.scan_iter(f"{base}lane:*", count=STEP):
            if len(names) == MAX_LANES:
                known.complete = False
                break
            name = key.decode().removeprefix(f"{base}lane:")
            if known.state(name):
                names.append(name)
        heads = await self._many(("LINDEX", f"{base}lane:{name}", "0") for name in names)
        lengths = await self._many(("LLEN", f"{base}lane:{name}") for name in names)
        for name, head, length in zip(names, heads, lengths, strict=True):
            state = known.lanes[name]
            state.waiting, state.oldest = length, _born(head, name)
        cursor = 0
        while True:
            cursor, page = await self.client.hscan(f"{base}shelved", cursor, count=STEP)
            for name, rows in page.items():
                packed = known.state(name.decode())
                if packed:
                    packed.packed = int(rows)
                    packed.waiting += int(rows)
            if not cursor:
                break
        states = list(known.lanes.values())
        calls = (("ZSCORE", f"{base}due:{one.lane.cls}", one.lane.path) for one in states)
        for state, due in zip(states, await self._many(calls), strict=True):
            state.next = int(float(due)) if due else 0

    async def _scheduled(self, known: "_Known") -> None:
        left = MAX_ITEMS
        for bucket in await self.client.zrange(f"{known.base}wheel", 0, -1):
            entries = await self.client.lrange(f"{known.base}wheel:{bucket.decode()}", 0, left)
            if len(entries) > left:
                known.complete = False
                return
            left -= len(entries)
            for entry in entries:
                name, _, payload = entry.partition(b"\n")
                state = known.state(name.decode().lstrip("+"))
                if state:
                    state.scheduled += packs.rows(payload) if name.startswith(b"+") else 1
                    state.next = min(state.next, int(bucket)) or int(bucket)

    async def _in_flight(self, known: "_Known") -> None:
        left = MAX_ITEMS
        for name in await self.client.zrange(f"{known.base}workers", 0, -1):
            key, cursor = f"{known.base}flight:{name.decode()}", 0
            while True:
                cursor, page = await self.client.hscan(key, cursor, count=STEP)
                left -= len(page)
                if left < 0:
                    known.complete = False
                    return
                for value in page.values():
                    state = known.state(value.partition(b"\n")[0].decode())
                    if state:
                        state.in_flight += 1
                if not cursor:
                    break

    async def _gates(self, known: "_Known") -> None:
        closed = {scope.decode() for scope in await self.client.hkeys(f"{known.base}gates")}
        for state in known.lanes.values():
            lane = state.lane
            bulk = f"b|{lane.tenant}" if lane.cls == Class.BULK else ""
            rest = f"k|{lane.tenant}|{lane.campaign}" if lane.site == "*" else ""
            scopes = (f"t|{lane.tenant}", bulk, f"c|{lane.tenant}|{lane.campaign}", rest, f"s|{lane.site}")
            state.held = next((scope for scope in scopes if scope in closed), "")

    async def _many(self, calls: Iterable[tuple[str, ...]]) -> list[Any]:
        every, out = list(calls), list[Any]()
        for start in range(0, len(every), STEP):
            pipe = self.client.pipeline(transaction=False)
            for call in every[start : start + STEP]:
                pipe.execute_command(*call)
            out += await pipe.execute()
        return out


class _Known:
    """The lanes of a shard as they come to light."""

    def __init__(self, base: str, match: Callable[[Lane], bool] | None) -> None:
        self.base = base
        self.match = match
        self.lanes: dict[str, LaneState] = {}
        self.complete = True

    def state(self, name: str) -> LaneState | None:
        found = self.lanes.get(name)
        if found is None:
            lane = Lane.parse(name)
            if self.match and not self.match(lane):
                return None
            found = self.lanes[name] = LaneState(lane)
        return found


def _born(head: bytes | None, name: str) -> int:
    try:
        return codec.decode(head, name).record.born if head else 0
    except ValueError:
        return 0  # an item of a newer engine: its age is its own affair
