"""The simulated month of bench.warmup: receivers, mail, and the days."""

import random
from collections import Counter
from dataclasses import dataclass, field

from bench.calendar import Calendar
from mta.keeper.warmup import Plan, WarmUp
from mta.message import Lane, MessageId, Record
from mta.queue import codec
from mta.queue.keys import Keys
from mta.queue.lanes import OP_FINAL, OP_RETRY, PathDefaults, Queue, Report, Result
from mta.queue.link import Client
from mta.queue.warmbook import REST, WarmBook
from mta.throttle.pools import Source, pools_of
from mta.throttle.warmup import Position, day_of

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
LADDER = tuple(round(200 * 1.2**rung) for rung in range(30))
LEASE_MS = 30_000
STRICT, MOODY = "strict", "moody"
TAIL = 200  # small sites


@dataclass(frozen=True, slots=True)
class Options:
    """What is sent a day, and how long."""

    days: int = 30
    scale: float = 1.0  # of all numbers of messages
    strict: int = 30_000  # messages a day
    moody: int = 12_000
    tail: int = 3_000  # to many small sites together
    first: int = day_of("2026-11-23")
    moods: tuple[tuple[int, float], ...] = ((6, 0.12), (7, 0.08), (13, 0.03), (14, 0.03), (15, 0.0))
    """Days on which the moody receiver defers such a share whatever comes."""
    seed: int = 1

    @property
    def ladder(self) -> tuple[int, ...]:
        """The rungs."""
        return tuple(max(number + 1, round(most * self.scale)) for number, most in enumerate(LADDER))

    def messages(self, provider: str) -> int:
        """Return how many a day go to a provider."""
        return round({STRICT: self.strict, MOODY: self.moody, REST: self.tail}[provider] * self.scale)


@dataclass(slots=True)
class Seen:
    """What a receiver saw of the new source on a day, and how many it took from the old one."""

    delivered: int = 0
    deferred: int = 0
    bounced: int = 0
    by_old: int = 0

    @property
    def attempts(self) -> int:
        """Messages that were offered."""
        return self.delivered + self.deferred + self.bounced


@dataclass(slots=True)
class Receiver:
    """Takes `times` the most it ever took in a day from an address, and at least `stranger`."""

    stranger: float
    times: float = 1.5
    most: float = 0.0
    today: int = 0
    refused: int = 0

    def takes(self) -> float:
        """Return how many it takes today."""
        return max(self.stranger, self.times * self.most)

    def night(self) -> None:
        """Think about the day: who had much deferred is trusted less."""
        offered = self.today + self.refused
        if self.refused > 0.2 * offered:
            self.most /= 2
        else:
            self.most = max(self.most, self.today)
        self.today = self.refused = 0

    def asked(self, chance: float, mood: float) -> bool:
        """Whether it takes one more."""
        good = self.today < self.takes() and chance >= mood
        self.today += good
        self.refused += not good
        return good


@dataclass
class Month:
    """Runs the days; what was seen is kept by day and provider."""

    options: Options
    client: Client
    keys: Keys
    calendar: Calendar
    chance: random.Random
    ladder: bool = True
    receivers: dict[str, Receiver] = field(default_factory=dict)
    seen: list[dict[str, Seen]] = field(default_factory=list)
    positions: list[dict[str, Position]] = field(default_factory=list)
    ages: dict[str, list[int]] = field(default_factory=lambda: {"new": [], "old": []})
    left: int = 0  # messages that were not delivered on their day

    def __post_init__(self) -> None:
        options = self.options
        new = Source("new", "192.0.2.1", warm=not self.ladder, ladder=options.ladder)
        self.pools = pools_of(
            {"new": new, "old": Source("old", "192.0.2.2")}, {"default": {"new": 2.0, "old": 1.0}}
        )
        self.providers = (STRICT, MOODY, REST)
        self.first = options.first
        self.queue = Queue(self.client, self.keys)
        self.book = WarmBook(self.client, self.keys)
        self.keeper = WarmUp(Plan(self.pools.warming, (STRICT, MOODY)), self.book, self.calendar.now)
        self.receivers = {name: Receiver(250 * options.scale) for name in (STRICT, MOODY)}
        self.attempts: Counter[bytes] = Counter()
        self.entry = 0

    async def run(self) -> None:
        """Live through all days."""
        for number in range(self.options.days):
            await self._day(number)

    async def _day(self, number: int) -> None:
        start = (self.first + number) * DAY_MS
        self.seen.append({name: Seen() for name in self.providers})
        for minute in (0, 3):  # before the last verdicts of yesterday are in, and after
            await self.calendar.set(start + minute * 60_000)
            await self.keeper.look()
        positions = await self.book.positions()
        self.positions.append({name: positions.get(("new", name), Position(0)) for name in self.providers})
        waiting = 0
        for hour in range(1, 24):
            await self.calendar.set(start + hour * HOUR_MS)
            if hour <= 20:
                waiting += await self._put(hour)
            waiting -= await self._send(number, start + (hour + 1) * HOUR_MS - 1)
        self.left += waiting
        for one in self.receivers.values():
            one.night()

    async def _put(self, hour: int) -> int:
        self.entry += 1
        lanes: dict[str, list[bytes]] = {}
        row = 0
        for provider in self.providers:
            for _ in range(self.options.messages(provider) // 20):
                site = provider if provider != REST else f"d{self.chance.randrange(TAIL)}.example"
                age = min(int(self.chance.expovariate(1 / 60)), 400)
                record = Record(
                    f"m{self.entry}.{row}", f"u{row}@{site}.test", 1, 2**41,
                    engaged=self.calendar.at // DAY_MS - age,
                )  # fmt: skip
                lane = str(Lane(2, "default", site, "acme", "month"))
                lanes.setdefault(lane, []).append(codec.encode(MessageId(0, self.entry, row).pack(), record))
                row += 1
        groups = [
            [lane, 0, *items[start : start + 256]]
            for lane, items in lanes.items()
            for start in range(0, len(items), 256)
        ]
        for chunk, group in enumerate(groups, 1):
            assert await self.queue.put(f"acme:k{self.entry}", chunk, [group])
        return row

    async def _send(self, number: int, until: int) -> int:
        """Take what may be sent before `until`, and have it judged; return how many were delivered."""
        epoch, _ = await self.queue.register("w", LEASE_MS)
        delivered, reports = 0, list[Report]()
        while True:
            taken = await self.queue.take(
                "w", epoch, want=256, most=100, lease_ms=LEASE_MS, reports=reports,
                defaults=PathDefaults(connections=100, batch=32), pools=self.pools.wire,
            )  # fmt: skip
            reports = [Report(path, 0, 0, 32) for path in {batch.path for batch in taken.batches}]
            if not taken.batches:
                later = self.calendar.at + taken.next + 1
                if taken.next < 0 or later > until:
                    return delivered
                await self.calendar.set(later)
                continue
            results = []
            for batch in taken.batches:
                source, _, site = batch.path[1:].partition("|")
                for item in batch.items:
                    kind = self._judge(number, source, site, item)
                    delivered += kind == "delivered"
                    results.append(self._result(item, kind))
                    if source == "new" and self.ladder:
                        results[-1].warmed = [source, site, taken.now, kind]
            await self.queue.settle("w", epoch, LEASE_MS, results)

    def _judge(self, number: int, source: str, site: str, item: codec.Item) -> str:
        provider = site if site in self.receivers else REST
        seen = self.seen[number][provider]
        self.ages[source].append(self.calendar.at // DAY_MS - item.record.engaged)
        if source == "old":
            seen.by_old += 1
            return "delivered"
        mood = dict(self.options.moods).get(number, 0.0) if provider == MOODY else 0.0
        if provider == REST or self.receivers[provider].asked(self.chance.random(), mood):
            seen.delivered += 1
            return "delivered"
        seen.deferred += 1
        return "deferred"

    def _result(self, item: codec.Item, kind: str) -> Result:
        if kind == "deferred":
            item.record.attempts += 1
            return Result(OP_RETRY, item.id, item.lane, "acme|month", kind, item.encode(), HOUR_MS // 2)
        event = ["event", kind, "eid", item.record.name, "id", item.record.name]
        return Result(OP_FINAL, item.id, item.lane, "acme|month", kind, event=event)
