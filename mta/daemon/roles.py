"""The roles a process can have: built here from settings, run until drained."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from mta.archive.archive import Archive
from mta.config.settings import Settings
from mta.daemon import assemble, assemble_erasure, assemble_guard, assemble_tls
from mta.daemon.assemble import Queueing
from mta.daemon.feedback_roles import inbound, web
from mta.daemon.ingest_role import express, ingest
from mta.daemon.worker_role import worker
from mta.keeper.erasures import Erasures
from mta.keeper.keeper import Doors as KeeperDoors
from mta.keeper.keeper import Keeper
from mta.keeper.keeper import Settings as KeeperSettings
from mta.keeper.notifier import Notifier
from mta.keeper.strikes import Strikes
from mta.keeper.tls_reports import TlsReports
from mta.keeper.warmup import WarmUp
from mta.metrics.meter import Meter
from mta.net.resolver import Resolver
from mta.queue.audit import AuditLog
from mta.queue.campaigns import Campaigns
from mta.queue.control import Control
from mta.queue.erasurebook import ErasureBook
from mta.queue.intake import Intake
from mta.queue.notifybook import NotifyBook
from mta.queue.producer import Producer
from mta.queue.progress import Progress
from mta.queue.strikebook import StrikeBook
from mta.queue.terms import TermsBook
from mta.queue.upkeep import Upkeep
from mta.queue.warmbook import WarmBook

ROLES = ("keeper", "ingest", "express", "worker", "courier", "inbound", "web")


class Role(Protocol):
    """What a process does."""

    async def run(self) -> None:
        """Work until drained."""

    def drain(self) -> None:
        """Begin to stop."""

    def reload(self, settings: Settings) -> None:
        """Use new settings, and read keys again; raise and change nothing when they are no good."""

    def snapshot(self) -> dict[str, Any]:
        """Return the metrics so far."""

    async def close(self) -> None:
        """Close every door."""


async def build(settings: Settings, role: str, name: str, url: str) -> Role:
    """Return a role ready to run; raise Stop when it can't be."""
    queueing = await assemble.queueing(settings, url)
    builders: dict[str, Callable[[Settings, str, Queueing], Awaitable[Role]]] = {
        "ingest": ingest,
        "express": express,
        "worker": worker,
        "courier": partial(worker, courier=True),
        "keeper": _keeper,
        "inbound": inbound,
        "web": web,
    }
    try:
        return await builders[role](settings, name, queueing)
    except BaseException:
        await queueing.close()
        raise


class _Keeping:
    """The keeper's role."""

    def __init__(
        self, works: Keeper, reports: TlsReports, queueing: Queueing, counted: Callable[[], dict[str, Any]],
        resolver: Resolver,
    ) -> None:  # fmt: skip
        self.works = works
        self.reports = reports
        self.queueing = queueing
        self.resolver = resolver
        self.snapshot = counted

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.works.run())
            group.create_task(self.reports.run())

    def drain(self) -> None:
        self.reports.drain()
        self.works.drain()

    def reload(self, settings: Settings) -> None:
        """Write the shaping file's limits anew; keep, trim, guard and report as the settings say."""
        told, reporting = _told(settings, self.queueing), assemble_tls.reporting(settings)
        doors = self.works.doors
        self.reports.settings = reporting
        self.resolver.become(assemble.resolver(settings))
        assemble_guard.reload(self.works, settings)
        if doors.warmup is not None:
            doors.warmup.use(assemble.warming(settings))
        if doors.strikes is not None:
            doors.strikes.suppressions.sealing = settings.suppression.keep_addresses
        self.works.settings = told
        self._task = asyncio.ensure_future(self.works.reshape(told.sites))

    async def close(self) -> None:
        await self.queueing.close()


async def _keeper(settings: Settings, name: str, queueing: Queueing) -> Role:
    client, keys = queueing.client, queueing.keys
    await Intake(client, queueing.blocking, keys, name).prepare()
    suppressions = assemble.suppressions(settings, queueing)
    archive = Archive(settings.paths.archive)
    doors = KeeperDoors(
        Upkeep(client, keys),
        Progress(client, keys),
        Campaigns(client, keys),
        Control(client, keys),
        archive,
        TermsBook(client, keys),
        assemble_guard.guard(settings, client, keys),
        Notifier(
            NotifyBook(client, keys),
            Producer(client, keys, settings.queue.submit_limit),
            settings.net.helo or socket.getfqdn(),
        ),
        Strikes(StrikeBook(client, keys), suppressions),
        Erasures(
            ErasureBook(client, keys),
            assemble_erasure.erasure(settings, client, keys, suppressions, archive),
            AuditLog(client, keys),
        ),
        WarmUp(assemble.warming(settings), WarmBook(client, keys)),
    )
    meter = Meter(time.time())
    keeper = Keeper(_told(settings, queueing), doors)
    keeper.counted = meter.count
    if doors.guard is not None:
        doors.guard.counted = meter.count
    lags = partial(_gauges, meter, keeper)
    resolver = assemble.resolver(settings)
    reports = assemble_tls.reports(settings, name, resolver, client, keys)
    return _Keeping(keeper, reports, queueing, lags, resolver)


def _told(settings: Settings, queueing: Queueing) -> KeeperSettings:
    return KeeperSettings(
        keys=queueing.keys,
        durability=settings.redis.durability,
        submit_limit=settings.queue.submit_limit,
        events_max_bytes=settings.events.max_bytes,
        memory_stop_percent=settings.queue.memory_stop,
        keep_entries_s=settings.archive.keep_entries,
        keep_events_s=settings.archive.keep_events,
        keep_audit_s=settings.audit.keep,
        audit_most=settings.audit.most,
        sites=assemble.site_limits(assemble.shaping(settings)),
    )


def _gauges(meter: Meter, keeper: Keeper) -> dict[str, Any]:
    meter.gauge("redis_memory_ratio", keeper.memory_percent / 100)
    if keeper.doors.guard is not None:
        meter.gauges("guard_held", {(kind,): n for kind, n in keeper.doors.guard.held.items()})
    if keeper.doors.warmup is not None:
        today = keeper.doors.warmup.today
        meter.gauges("source_warmup_cap_messages", {rung: cap for rung, (cap, _) in today.items()})
        meter.gauges("source_warmup_used_messages", {rung: used for rung, (_, used) in today.items()})
    return meter.snapshot()
