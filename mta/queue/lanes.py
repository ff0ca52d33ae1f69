"""Put, take, settle, recover: thin callers of the scripts, which hold the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from mta.queue import codec, scripts
from mta.queue.codec import Item
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.opening import AlreadyOpen, Opening
from mta.throttle.reactions import Rule

FLOOR = 0.05  # of what is taken, for a lower class while higher ones wait too
MOST = 256  # records a call: what keeps a script's time on the server within about 2 ms


@dataclass(frozen=True, slots=True)
class PathDefaults:
    """The limits of a path that has none of its own."""

    rate: float = 0.0  # messages per second; 0 = no limit
    burst: float = 1  # messages that may go at once after a pause
    connections: int = 20
    batch: int = 64  # messages a session takes at once

    def wire(self) -> list[float]:
        """As take.lua wants them: interval and tolerance in ms, connections, batch."""
        interval = 1000.0 / self.rate if self.rate else 0
        return [interval, interval * max(self.burst - 1, 0), self.connections, self.batch]


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's sessions on one path: open in all, idle among them, and the batch size its pace allows."""

    path: str
    open: int
    idle: int
    batch: int


class Way(IntEnum):
    """On which session a batch may go."""

    IDLE = 0  # one that waits
    FRESH = 1  # a new one may be opened
    AHEAD = 2  # one that is sending: ahead of what it has not begun


@dataclass(slots=True)
class Batch:
    """Messages of one path under one lease, and the session they may use."""

    path: str
    way: Way
    items: list[Item] = field(default_factory=list)
    tight: bool = False  # the path has used up half of its burst: what is late comes on top of what follows

    def __repr__(self) -> str:
        return f"<Batch {self.path} {len(self.items)} {self.way.name.lower()}>"


@dataclass(slots=True)
class Taken:
    """What a take gave: the server's time, ms until more may be due (-1: nothing waits), the batches.

    `shed`: paths on which others wait for a connection that this worker keeps idle.
    """

    now: int
    next: int
    batches: list[Batch]
    shed: list[str] = field(default_factory=list)
    unreadable: list[tuple[bytes, str, str]] = field(default_factory=list)  # id, lane, why


OP_FINAL, OP_RETRY, OP_BACK = 1, 2, 3


@dataclass(slots=True)
class Result:
    """One verdict on its way back; `event` is the flat field, value list of its event, if it has one."""

    op: int
    id: bytes
    lane: str
    scope: str  # "<tenant>|<campaign>"
    kind: str = ""  # the total to count in
    item: bytes = b""
    wait: int = 0  # ms until the retry
    body: str = ""  # the content to release with a final verdict
    event: list[str] = field(default_factory=list)
    warmed: Sequence[
        str | int
    ] = ()  # of a source that warms up: its name, site, when it was taken (ms), what it tells

    def wire(self) -> list[Any]:
        """As settle.lua wants it."""
        head = [self.op, self.id, self.lane, self.item, self.wait, self.scope, self.kind, self.body]
        return head + self.event


@dataclass(frozen=True, slots=True)
class Slow:
    """A path whose receiver said "too fast": the share of a worker's attempts since `age` ms, and how many a second.

    One refusal is no share yet: of n attempts with r refused it is (r - 1) / n.
    """

    path: str
    share: float
    age: int
    own: float


@dataclass(slots=True)
class Counted:
    """Answers of a class that a rule counts, on a path."""

    path: str
    rule: Rule
    cls: str
    n: int

    def wire(self) -> list[Any]:
        """As react.lua wants it: what to count, what to do, the event to tell."""
        rule = self.rule
        fields = []
        if rule.alarm or rule.suspend:
            kind = "suspended" if rule.suspend else "warned"
            pool, _, site = self.path.partition("|")
            fields = [
                "v",
                "1",
                "event",
                kind,
                "scope",
                f"site:{site}",
                "reason",
                rule.why(self.cls),
                "by",
                "engine",
            ]
            if pool.startswith("@"):
                fields += ["source", pool[1:]]
        return [
            self.path, rule.name, self.n, rule.count, rule.within, rule.suspend, rule.slow, rule.lasts, fields,
        ]  # fmt: skip


class Queue:
    """The lanes of one shard."""

    def __init__(self, client: Client, keys: Keys, shard: int = 0) -> None:
        self.client = client
        self.keys = keys
        self.shard = shard
        self.base = keys.base(shard)

    def __repr__(self) -> str:
        return f"<Queue {self.base}>"

    async def register(self, worker: str, lease_ms: int) -> tuple[int, int]:
        """Take the worker's name; return its epoch and how many items it left in flight before."""
        epoch, left = await scripts.run(self.client, "register", self.base, [worker, lease_ms])
        return int(epoch), int(left)

    async def put(
        self,
        seen: str,
        chunk: int,
        groups: Sequence[Sequence[Any]],
        events: Sequence[Sequence[str]] = (),
        counts: Sequence[tuple[str, str, int]] = (),
        bodies: Sequence[tuple[str, bytes, int]] = (),
        packs: Sequence[tuple[str, int, bytes]] = (),
        drawn: Sequence[tuple[str, str, int]] = (),
        opening: Opening | None = None,
    ) -> bool:
        """Put one chunk of an entry, at most MOST items; False when it had been put before.

        `opening` opens the entry in the same step; AlreadyOpen when it is known: then nothing changes.

        `groups` are [lane, not-before ms or 0, item, ...], `packs` (lane, not-before ms or 0, pack), `drawn` (scope,
        field, n) of a canary. Raises QueueFull when Redis has no room.
        """
        arguments: list[Any] = [seen, chunk, groups, events, counts, bodies, packs]
        if drawn or opening:
            arguments.append(drawn)
        if opening:
            arguments.append(list(opening))
        done = await scripts.run(self.client, "put", self.base, arguments)
        if done < 0:
            raise AlreadyOpen(seen)
        return bool(done)

    async def agree(self, seen: str, chunk: int, decision: bytes) -> bytes:
        """Return the decision on a chunk of an entry that came first, which may be this one; kept for a day."""
        name = f"{self.base}seen:{seen}"
        pipe = self.client.pipeline(transaction=True)
        pipe.hsetnx(name, f"plan{chunk}", decision)
        pipe.expire(name, 86400)
        pipe.hget(name, f"plan{chunk}")
        decided = (await pipe.execute())[-1]
        assert isinstance(decided, bytes)
        return decided

    async def forget(self, seen: str) -> None:
        """Forget an entry that is done for good: nobody can put a part of it any more."""
        await self.client.delete(f"{self.base}seen:{seen}")

    async def take(
        self,
        worker: str,
        epoch: int,
        *,
        want: int,
        most: int,
        lease_ms: int,
        defaults: PathDefaults,
        reports: Sequence[Report] = (),
        high: int = 0,
        floor: float = FLOOR,
        courier: bool = False,
        pools: Mapping[str, object] | None = None,
    ) -> Taken:
        """Return batches this worker may send now; raise LostLease when its lease is gone.

        At most `want` messages, and `high` more of the classes above bulk. `floor` is the share of what is taken
        that a lower class gets while higher ones wait too. A `courier` takes the higher classes alone, and is asked
        first. `pools`: the sources of each pool (mta.throttle.pools), None where none are named.
        """
        told = [[one.path, one.open, one.idle, one.batch] for one in reports]
        arguments = [
            worker, epoch, min(want, MOST), high, most, lease_ms, defaults.wire(), floor, told,
            int(courier),
        ]  # fmt: skip
        if pools is not None:
            arguments.append(pools)
        now, soonest, shed, *rows = await scripts.run(self.client, "take", self.base, arguments)
        taken = Taken(now, soonest, [], [path.decode() for path in shed])
        for path, way, tight, *parts in rows:
            batch = Batch(path.decode(), Way(way), tight=bool(tight))
            for lane_name, *raws in parts:
                lane = lane_name.decode()
                for raw in raws:
                    try:
                        batch.items.append(codec.decode(raw, lane))
                    except codec.NewerFormat:
                        continue  # stays in flight until an engine that can read it takes over
                    except ValueError as error:
                        taken.unreadable.append((raw[2 : codec.HEAD], lane, str(error)))
            taken.batches.append(batch)
        return taken

    async def settle(
        self,
        worker: str,
        epoch: int,
        lease_ms: int,
        results: Sequence[Result],
        pauses: Sequence[tuple[str, int]] = (),
        slows: Sequence[Slow] = (),
        fews: Sequence[tuple[str, int]] = (),
        counted: Sequence[Counted] = (),
        interval: float = 0.0,
    ) -> int:
        """Write up to MOST results back at once; return how many this worker no longer owned.

        `slows`, `fews` (path, connections) and `counted` are what receivers' answers do to paths; `interval` is that
        of a path without limits of its own, ms.
        """
        wire = [result.wire() for result in results]
        arguments: list[Any] = [worker, epoch, lease_ms, wire, pauses]
        warmed = {number: one.warmed for number, one in enumerate(results, 1) if one.warmed}
        if slows or fews or counted or warmed:
            told = [[one.path, one.share, one.age, interval, one.own] for one in slows]
            arguments += [told, list(fews), [one.wire() for one in counted]]
        if warmed:
            arguments.append(warmed)
        return int(await scripts.run(self.client, "settle", self.base, arguments))

    async def flight(self, worker: str) -> list[tuple[bytes, str, bytes]]:
        """Return (id, lane, item) of all a worker has in flight."""
        held = await self.client.hgetall(f"{self.base}flight:{worker}")
        out = []
        for message_id, value in held.items():
            lane, _, raw = value.partition(b"\n")
            out.append((message_id, lane.decode(), raw))
        return out

    async def workers(self) -> dict[str, int]:
        """Return each worker's lease end in ms since 1970."""
        rows = await self.client.zrange(f"{self.base}workers", 0, -1, withscores=True)
        return {name.decode(): int(ends) for name, ends in rows}

    async def recover(self, worker: str, grace_ms: int) -> int:
        """Return a dead worker's items to their lanes; return how many. A live lease is left alone."""
        moved_in_all = 0
        while True:
            moved, left = await scripts.run(self.client, "recover", self.base, [worker, grace_ms])
            moved_in_all += int(moved)
            if left <= 0:
                return moved_in_all

    async def body(self, suffix: str) -> bytes | None:
        """Return the content document of a `message`, or None when it is gone."""
        document: bytes | None = await self.client.hget(f"{self.base}body:{suffix}", "document")
        return document
