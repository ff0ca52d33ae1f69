"""The whole engine at one glance, for `mta status`, `mta top` and the console: read-only, bounded, the same for all.

What a site waits for is asked of `mta.throttle.waiting` about one lane of it, the next of its highest class: the answer
that `mta why` gives for the first message there. The shares of all its mail take a look through the whole queue
(mta.queue.shares) and are for one site at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mta.message import Class, Lane
from mta.queue.campaigns import Campaigns
from mta.queue.control import Control, Gate
from mta.queue.history import History
from mta.queue.inspect import Inspect, WorkerState
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.nodes import each
from mta.queue.paths import Paths, PathState
from mta.queue.place import Place, Where
from mta.queue.progress import Progress
from mta.queue.rates import Interval, Rates
from mta.queue.roll import Present, Roll
from mta.queue.soundings import Soundings
from mta.queue.standing import Standing
from mta.throttle.waiting.answer import why

MOST_PARKED = 100  # orders that are looked at behind one closed scope
MOST_GATES = 200  # closed scopes that are looked behind
RECENT = 5_000  # events looked back over for errors
ERRORS = ("deferred", "bounced", "expired", "failed", "rejected")


@dataclass(slots=True)
class ClassDepth:
    """What waits of one class; `oldest` in seconds, of what is due."""

    label: str
    entries: int = 0
    ready: int = 0
    packed: int = 0
    scheduled: int = 0
    oldest: float = 0.0

    @property
    def messages(self) -> int:
        """All that waits."""
        return self.ready + self.packed + self.scheduled


@dataclass(slots=True)
class Glance:
    """How things stand; times in ms since 1970. `lags`: events that each group of readers is behind."""

    now: int
    classes: list[ClassDepth]
    status: dict[str, str]
    roll: list[Present]
    workers: list[WorkerState]
    intervals: list[Interval]
    gates: dict[str, Gate]
    lags: dict[str, int] = field(default_factory=dict)
    memory_used: int = 0
    memory_most: int = 0

    @property
    def in_flight(self) -> int:
        """Messages that workers hold."""
        return sum(one.in_flight for one in self.workers)

    @property
    def backlog(self) -> int:
        """Messages that could leave now, and entries not taken in."""
        return sum(one.ready + one.packed + one.entries for one in self.classes)


@dataclass(slots=True)
class SiteLine:
    """One path: its figures, and why its next mail waits, in words and as a code of docs/why.md."""

    path: PathState
    reason: str = ""
    text: str = ""


@dataclass(slots=True)
class CampaignLine:
    """One campaign with its totals by event and the closed scope that keeps it, if any."""

    tenant: str
    campaign: str
    cls: int
    created: int
    totals: dict[str, int]
    gate: Gate | None = None
    scope: str = ""  # the closed one: its own, or the tenant's


class Overview:
    """Looks; `standing` knows the limits of paths without their own."""

    def __init__(self, client: Client, keys: Keys, standing: Standing) -> None:
        self.client = client
        self.keys = keys
        self.standing = standing

    async def glance(self) -> Glance:
        """Return how things stand; raise QueueDown."""
        inspect, soundings = Inspect(self.client, self.keys), Soundings(self.client, self.keys)
        now, submitted = await inspect.now(), await inspect.submitted()
        oldest, _ = await soundings.due()
        classes = [
            ClassDepth(cls.label, submitted[cls.label], depth.ready, depth.packed, depth.scheduled, age)
            for cls, depth, age in zip(Class, await inspect.depth(), oldest, strict=True)
        ]
        raw = await self.client.hgetall(self.keys.status)
        used, most = await self._memory()
        return Glance(
            now, classes,
            {name.decode(): value.decode("utf-8", "replace") for name, value in raw.items()},
            await Roll(self.client, self.keys).read(),
            await inspect.workers(),
            await Rates(self.client, self.keys).read(),
            await Control(self.client, self.keys).gates(),
            await soundings.lags(), used, most,
        )  # fmt: skip

    async def sites(self, most: int = 20) -> list[SiteLine]:
        """Return the paths with most mail, the fullest first, and why it waits."""
        states = await Paths(self.client, self.keys).states()
        fullest = sorted(states, key=lambda one: (-one.ready - one.packed, -one.open, one.site))[:most]
        parked: dict[int, dict[str, Lane]] = {}
        out = []
        for one in fullest:
            line = SiteLine(one)
            if one.ready or one.packed:
                if one.shard not in parked:
                    parked[one.shard] = await self._parked(one.shard)
                lane = await self._next(one) or parked[one.shard].get(f"{one.pool}|{one.site}")
                if lane is not None:
                    where = Where.LANE if one.ready else Where.SHELF
                    answer = why(await self.standing.of(Place(where, one.shard, lane, "", "", 0, 0)))
                    line.reason, line.text = answer.reason, answer.text
            out.append(line)
        return out

    async def campaigns(self, most: int = 20) -> list[CampaignLine]:
        """Return the newest campaigns with what became of them so far."""
        campaigns, progress = Campaigns(self.client, self.keys), Progress(self.client, self.keys)
        gates = await Control(self.client, self.keys).gates()
        out = []
        for tenant, name in await campaigns.list(most):
            line = await self._campaign(campaigns, progress, gates, tenant, name)
            if line is not None:
                out.append(line)
        return out

    async def campaign(self, tenant: str, name: str) -> CampaignLine | None:
        """Return one campaign; None when there is no such."""
        gates = await Control(self.client, self.keys).gates()
        campaigns, progress = Campaigns(self.client, self.keys), Progress(self.client, self.keys)
        return await self._campaign(campaigns, progress, gates, tenant, name)

    async def errors(self, most: int = 20) -> list[dict[str, str]]:
        """Return the newest events that tell of something that did not go well, the newest first."""
        found: list[dict[str, str]] = []
        for kind in ERRORS:
            history = History(self.client, self.keys, looked_at=RECENT)
            found += await history.of("event", kind, most=most)
        found.sort(key=lambda one: int(one.get("ts", "0")), reverse=True)
        return found[:most]

    async def _campaign(
        self, campaigns: Campaigns, progress: Progress, gates: dict[str, Gate], tenant: str, name: str
    ) -> CampaignLine | None:
        key = self.keys.campaign(tenant, name)
        cls, created = await campaigns.client.hmget(key, ["cls", "created"])
        if cls is None:
            return None
        line = CampaignLine(tenant, name, int(cls), int(created), await progress.totals(tenant, name))
        own = f"{tenant}|{name}"
        bulk = f"b|{tenant}" if line.cls == Class.BULK else ""
        for scope in (f"c|{own}", f"t|{tenant}", bulk, f"k|{own}"):
            if scope in gates:
                return replace(line, gate=gates[scope], scope=scope)
        return line

    async def _memory(self) -> tuple[int, int]:
        """Return (used, most) of the fullest node, in bytes; 0 = no limit of its own."""
        found = []
        for node in await each(self.client):
            info = await node.info("memory")
            found.append((int(info["used_memory"]), int(info.get("maxmemory", 0))))
        return max(found, key=lambda pair: pair[0] / (pair[1] or 1 << 62), default=(0, 0))

    async def _next(self, path: PathState) -> Lane | None:
        """Return a lane that is next on a path, of its highest class."""
        base, name = self.keys.base(path.shard), f"{path.pool}|{path.site}"
        for cls in range(len(Class)):
            order = f"{cls}|{name}"
            for tenant in _texts(await self.client.zrange(f"{base}tenants:{order}", 0, 0)):
                for campaign in _texts(await self.client.zrange(f"{base}lanes:{order}|{tenant}", 0, 0)):
                    return Lane(cls, path.pool, path.site, tenant, campaign)
        return None

    async def _parked(self, shard: int) -> dict[str, Lane]:
        """Return a lane behind a closed scope for each path that has one."""
        base, found = self.keys.base(shard), dict[str, Lane]()
        scopes = sorted(_texts(await self.client.hkeys(f"{base}gates")))[:MOST_GATES]
        for scope in scopes:
            kind, *names = scope.split("|")
            tenant = names[0] if kind in "tbck" else ""
            campaign = names[1] if kind in "ck" and len(names) > 1 else ""
            orders = await self.client.srandmember(f"{base}parked:{scope}", MOST_PARKED)
            for order in _texts(orders):
                cls, pool, site, *_ = order.split("|")
                found.setdefault(f"{pool}|{site}", Lane(int(cls), pool, site, tenant, campaign))
        return found


def _texts(rows: Sequence[bytes]) -> list[str]:
    return [row.decode() for row in rows]
