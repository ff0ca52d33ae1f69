"""Duties that belong to nobody else: archive, totals, finished campaigns, gates that end, trims, health.

One keeper per engine is enough; two do no harm, since each duty's last step is idempotent.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from mta import __version__
from mta.archive.archive import Archive, Entry
from mta.event import event
from mta.keeper.canaries import CanaryWatch
from mta.keeper.erasures import Erasures
from mta.keeper.found import Found
from mta.keeper.guard import Guard
from mta.keeper.notifier import Notifier
from mta.keeper.rejected import Rejected
from mta.keeper.strikes import Strikes
from mta.keeper.ticker import Ticker
from mta.keeper.warmup import WarmUp
from mta.queue.audit import AuditLog
from mta.queue.campaigns import Campaigns
from mta.queue.control import Control, Scope
from mta.queue.keys import Keys
from mta.queue.link import QueueDown, QueueFull
from mta.queue.progress import Progress
from mta.queue.rates import EVERY_SECONDS, Rates
from mta.queue.review import Review
from mta.queue.roll import Roll
from mta.queue.terms import SiteLimits, TermsBook
from mta.queue.upkeep import PROTOCOL, Upkeep


@dataclass(frozen=True, slots=True)
class Settings:
    """What the keeper must know."""

    keys: Keys
    durability: str = "always"
    submit_limit: int = 100_000
    events_max_bytes: int = 1 << 30
    memory_stop_percent: int = 85  # above it no new mail is accepted: results must still have room
    keep_entries_s: float = 30 * 86400.0
    keep_events_s: float = 400 * 86400.0
    keep_audit_s: float = 400 * 86400.0
    audit_most: int = 1_000_000
    sites: Mapping[str, SiteLimits] = field(default_factory=dict)  # limits of the shaping file


@dataclass(slots=True)
class Doors:
    """What the keeper works with."""

    upkeep: Upkeep
    progress: Progress
    campaigns: Campaigns
    control: Control
    archive: Archive
    terms: TermsBook
    guard: Guard | None = None  # None: nothing is counted, nobody is held
    notifier: Notifier | None = None
    strikes: Strikes | None = None
    erasures: Erasures | None = None
    warmup: WarmUp | None = None  # None: no caps are kept


FULL_SCAN = 50  # entries, and
FULL_READ = 1000  # events in one look, above which there are likely more
LONGEST_PAUSE = 1.0  # seconds between two looks of a duty that finds nothing


def _uncounted(*_: object, **__: object) -> None:
    return None


class Keeper:
    """Runs the duties until `drain`."""

    def __init__(self, settings: Settings, doors: Doors) -> None:
        self.settings = settings
        self.doors = doors
        self.counted: Callable[..., None] = _uncounted  # told (metric, n=)
        self.review = Review(doors.campaigns.client, doors.campaigns.keys)
        self.canaries = CanaryWatch(self.review)
        self.ticker = Ticker(Rates(doors.campaigns.client, doors.campaigns.keys))
        self.roll = Roll(doors.campaigns.client, doors.campaigns.keys)
        self.memory_percent = 0
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """Do each duty once more, then return from `run`."""
        self._draining.set()

    async def run(self) -> None:
        """Keep house."""
        duties: list[tuple[Callable[[], Awaitable[Found]], float]] = [
            (self.archive_entries, 0.5),
            (self.archive_events, 0.8),
            (self.publish_totals, 0.4),
            (self.open_gates, 1.0),
            (self.canaries.judge, 0.5),
            (Rejected(self.doors.control, self.doors.progress).drop, 2.0),
            (self.say_status, 1.0),
            (self.watch_over, 2.0),
            (self.warm_up, 2.0),
            (self.trim, 5.0),
            (self.ticker.tell, EVERY_SECONDS),
            (self.prune, 3600.0),
        ]
        if self.doors.erasures is not None:
            duties.append((self.doors.erasures.carry_out, 1.0))
        await self._ready()
        # Whatever an earlier keeper was about to say is looked at once more.
        await self.doors.progress.again(await self.doors.campaigns.list())
        async with asyncio.TaskGroup() as group:
            for duty, every in duties:
                group.create_task(self._repeat(duty, every))
        for duty, _ in duties[:3]:
            await duty()

    async def _ready(self) -> None:
        while not self._draining.is_set():
            try:
                await self.write_limits()
                return
            except (QueueDown, QueueFull, OSError):
                await asyncio.sleep(0.5)

    async def write_limits(self) -> None:
        """Write the limits of the shaping file where every take reads them."""
        await self.doors.terms.replace_sites(self.settings.sites)

    async def reshape(self, sites: Mapping[str, SiteLimits]) -> None:
        """Use another shaping file's limits from now on."""
        self.settings = replace(self.settings, sites=sites)
        await self.write_limits()

    async def _repeat(self, duty: Callable[[], Awaitable[Found]], every: float) -> None:
        pause = every
        while not self._draining.is_set():
            found = Found.NOTHING
            try:
                found = await duty()
            except (QueueDown, QueueFull, OSError):
                pass  # Redis is away or full: the duty waits, and those that make room go on
            if found is Found.MORE:
                continue
            # An engine without work looks less often, and never less than once a second.
            pause = every if found else min(pause * 2, max(every, LONGEST_PAUSE))
            try:
                async with asyncio.timeout(pause):
                    await self._draining.wait()
            except TimeoutError:
                pass

    async def archive_entries(self) -> Found:
        """Move accepted submission entries to the archive; only then does Redis forget them."""
        found = await self.doors.upkeep.entries()
        if not found:
            return Found.NOTHING
        entries = [
            Entry(number, ts, -1 if cls is None else cls, kind, tenant, key, campaign, data)
            for number, (ts, cls, kind, tenant, key, campaign, data) in found.items()
        ]
        await asyncio.to_thread(self.doors.archive.add_entries, entries)
        await self.doors.upkeep.archived(list(found))
        return Found.MORE if len(found) >= FULL_SCAN else Found.SOMETHING

    async def archive_events(self) -> Found:
        """Move events to the archive; only then are they acknowledged in its group."""
        rows = await self.doors.upkeep.events("keeper")
        if not rows:
            return Found.NOTHING
        await asyncio.to_thread(self._write_events, [fields for _, _, fields in rows])
        await self.canaries.tally([fields for _, _, fields in rows])
        if self.doors.strikes is not None:
            await self.doors.strikes.tally([fields for _, _, fields in rows])
        if self.doors.notifier is not None:
            await self.doors.notifier.tell([fields for _, _, fields in rows])
        if self.doors.guard is None:
            await self.doors.upkeep.acknowledge(rows)
        else:
            await self.doors.guard.doors.book.count(rows)
        for kind, count in Counter(fields.get("event", "") for _, _, fields in rows).items():
            self.counted("events_total", kind, n=count)
        self.ticker.saw([fields for _, _, fields in rows])
        return Found.MORE if len(rows) >= FULL_READ else Found.SOMETHING

    def _write_events(self, events: list[dict[str, str]]) -> None:
        self.doors.archive.add_events(events)
        self.doors.archive.sync()

    async def publish_totals(self) -> Found:
        """Bring the public totals of changed campaigns up to date, and say which are finished."""
        dirty = await self.doors.progress.dirty()
        scopes = sorted(scope for scope in dirty if scope[1])
        if not scopes:
            return Found.NOTHING
        try:
            for (tenant, campaign), (totals, closed) in zip(
                scopes, await self.doors.progress.publish(scopes), strict=True
            ):
                if closed and totals["queued"] == 0:
                    await self._finish(tenant, campaign, totals)
        except BaseException:
            await self.doors.progress.again(scopes)
            raise
        return Found.SOMETHING

    async def _finish(self, tenant: str, campaign: str, totals: dict[str, int]) -> None:
        now = int(time.time() * 1000)
        counted = {name: str(n) for name, n in totals.items() if name != "queued"}
        told = event("finished", f"{tenant}/{campaign}/finished", now, tenant=tenant, campaign=campaign)
        await self.doors.progress.finish(tenant, campaign, told | counted)
        await self.review.tidy(tenant, campaign)

    async def open_gates(self) -> Found:
        """Open scopes whose time is over, and finish what a dead process began to open."""
        for scope in await self.doors.control.half_open():
            await self.doors.control.open(scope, {})
        now = int(time.time() * 1000)
        await self.doors.terms.end_due(now)
        for name, gate in (await self.doors.control.gates()).items():
            if gate.until and gate.until <= now:
                told = event(
                    "resumed",
                    f"{name}/{gate.until}/resumed",
                    now,
                    scope=name,
                    reason="its time is over",
                    by="engine",
                )
                await self.doors.control.resume(Scope(name), told)
        return Found.NOTHING

    async def watch_over(self) -> Found:
        """Hold what does harm."""
        found = await self.doors.guard.look() if self.doors.guard else 0
        return Found.SOMETHING if found else Found.NOTHING

    async def warm_up(self) -> Found:
        """Let sources that receivers do not know yet send more from day to day."""
        return await self.doors.warmup.look() if self.doors.warmup else Found.NOTHING

    async def say_status(self) -> Found:
        """Tell producers how the engine is."""
        percent = self.memory_percent = await self.doors.upkeep.memory_percent()
        full = percent >= self.settings.memory_stop_percent
        await self.doors.upkeep.status(
            {
                "proto_min": PROTOCOL,
                "proto_max": PROTOCOL,
                "shards": self.settings.keys.shards,
                "accepting": 0 if full else 1,
                "why": f"Redis uses {percent} % of its memory" if full else "",
                "durability": self.settings.durability,
                "memory_pct": percent,
                "submit_limit": self.settings.submit_limit,
                "engine": __version__,
                "beat": int(time.time() * 1000),
            }
        )
        return Found.NOTHING

    async def trim(self) -> Found:
        """Remove events that everybody has read, and dead letters past their time."""
        await self.doors.upkeep.trim_dead(int(time.time() * 1000))
        for shard in range(self.settings.keys.shards):
            trimmed = await self.doors.upkeep.trim(shard, self.settings.events_max_bytes)
            if trimmed.unread:
                self.counted("events_trimmed_total", n=trimmed.unread)
        return Found.NOTHING

    async def prune(self) -> Found:
        """Remove archive files that are past their time, and campaigns that nobody can ask the archive for any more."""
        if self.doors.notifier is not None:
            await self.doors.notifier.book.sweep(int(time.time() * 1000))
        if self.doors.strikes is not None:
            await self.doors.strikes.book.sweep(int(time.time() * 1000))
        await self.roll.forget(int(time.time() * 1000))
        archive, settings = self.doors.archive, self.settings
        await asyncio.to_thread(archive.prune, time.time(), settings.keep_entries_s, settings.keep_events_s)
        doors = self.doors
        audit = AuditLog(doors.campaigns.client, doors.campaigns.keys)
        await audit.trim(int((time.time() - settings.keep_audit_s) * 1000), settings.audit_most)
        before = int((time.time() - settings.keep_entries_s) * 1000)
        for tenant, campaign in await self.doors.campaigns.older(before):
            if (await self.doors.progress.totals(tenant, campaign))["queued"] == 0:
                await self.doors.control.open(Scope.of_campaign(tenant, campaign), {})
                await self.doors.control.open(Scope.of_rest(tenant, campaign), {})
                await self.canaries.canaries.forget(tenant, campaign)
                await self.doors.campaigns.forget(tenant, campaign)
        return Found.NOTHING
