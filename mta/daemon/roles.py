"""The roles a process can have: built here from settings, run until drained."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from mta.archive.archive import Archive
from mta.config.settings import Settings
from mta.daemon import assemble
from mta.daemon.assemble import Queueing
from mta.daemon.feedback_roles import inbound, web
from mta.daemon.ingest_role import express, ingest
from mta.daemon.watch import Watch
from mta.keeper.keeper import Doors as KeeperDoors
from mta.keeper.keeper import Keeper
from mta.keeper.keeper import Settings as KeeperSettings
from mta.maillog import MailLog
from mta.metrics.meter import Meter
from mta.net.connect import opportunistic_context
from mta.queue.campaigns import Campaigns
from mta.queue.control import Control
from mta.queue.intake import Intake
from mta.queue.lanes import Queue
from mta.queue.progress import Progress
from mta.queue.suppression import Suppressions
from mta.queue.terms import TermsBook
from mta.queue.upkeep import Upkeep
from mta.queue.wake import Bell
from mta.workers.contents import Contents
from mta.workers.journal import Journal
from mta.workers.keyring import Keyring
from mta.workers.plan import Doors
from mta.workers.worker import Worker

LOG_SECONDS = 0.5
ROLES = ("keeper", "ingest", "express", "worker", "courier", "inbound", "web")


class Role(Protocol):
    """What a process does."""

    async def run(self) -> None:
        """Work until drained."""

    def drain(self) -> None:
        """Begin to stop."""

    def reload(self, settings: Settings | None) -> None:
        """Use new settings, and read keys again."""

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
        "worker": _worker,
        "courier": partial(_worker, courier=True),
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

    def __init__(self, works: Keeper, queueing: Queueing, counted: Callable[[], dict[str, Any]]) -> None:
        self.works = works
        self.queueing = queueing
        self.snapshot = counted

    async def run(self) -> None:
        await self.works.run()

    def drain(self) -> None:
        self.works.drain()

    def reload(self, settings: Settings | None) -> None:
        """Write the limits of the shaping file anew; nothing else of this role changes while it runs."""
        if settings is not None:
            sites = assemble.site_limits(assemble.shaping(settings))
            self._task = asyncio.ensure_future(self.works.reshape(sites))

    async def close(self) -> None:
        await self.queueing.close()


async def _keeper(settings: Settings, name: str, queueing: Queueing) -> Role:
    client, keys = queueing.client, queueing.keys
    await Intake(client, queueing.blocking, keys, name).prepare()
    doors = KeeperDoors(
        Upkeep(client, keys),
        Progress(client, keys),
        Campaigns(client, keys),
        Control(client, keys),
        Archive(settings.paths.archive),
        TermsBook(client, keys),
    )
    told = KeeperSettings(
        keys=keys,
        durability=settings.redis.durability,
        submit_limit=settings.queue.submit_limit,
        events_max_bytes=settings.events.max_bytes,
        memory_stop_percent=settings.queue.memory_stop,
        keep_entries_s=settings.archive.keep_entries,
        keep_events_s=settings.archive.keep_events,
        sites=assemble.site_limits(assemble.shaping(settings)),
    )
    meter = Meter(time.time())
    keeper = Keeper(told, doors)
    keeper.counted = meter.count
    lags = partial(_gauges, meter, keeper)
    return _Keeping(keeper, queueing, lags)


def _gauges(meter: Meter, keeper: Keeper) -> dict[str, Any]:
    meter.gauge("redis_memory_ratio", keeper.memory_percent / 100)
    return meter.snapshot()


class _Workers:
    """The worker of each shard, in one process."""

    def __init__(
        self,
        workers: list[Worker],
        journals: list[Journal],
        keyring: Keyring,
        queueing: Queueing,
        watch: Watch,
    ) -> None:
        self.workers = workers
        self.watch = watch
        self.journals = journals
        self.keyring = keyring
        self.queueing = queueing

    async def run(self) -> None:
        logging = asyncio.create_task(self._flush())
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self.workers:
                    group.create_task(worker.run())
        finally:
            logging.cancel()

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(LOG_SECONDS)
            self.watch.log.flush()

    def drain(self) -> None:
        for worker in self.workers:
            worker.drain()

    def reload(self, settings: Settings | None) -> None:
        self.keyring.forget()
        self.watch.log.reopen()  # a rotation may have moved the file away
        if settings is not None:
            for worker in self.workers:
                worker.replan(assemble.plan(settings, worker.plan.name, courier=worker.plan.courier))

    def snapshot(self) -> dict[str, Any]:
        meter = self.watch.meter
        meter.gauge("in_flight_messages", sum(len(worker.delivery.flying) for worker in self.workers))
        open_now: Counter[tuple[str, ...]] = Counter()
        for worker in self.workers:
            for session in worker.delivery.dispatch.sessions:
                open_now[(session.path.partition("|")[2],)] += 1
        meter.gauges("smtp_connections", dict(open_now))
        return meter.snapshot()

    async def close(self) -> None:
        self.watch.log.close()
        for journal in self.journals:
            journal.close()
        await self.queueing.close()


async def _worker(settings: Settings, name: str, queueing: Queueing, *, courier: bool = False) -> Role:
    client, keys, net = queueing.client, queueing.keys, settings.net
    keyring = Keyring(settings.dkim_keys)
    suppressions = Suppressions(client, keys, queueing.secrets.suppression)
    resolver = assemble.resolver(settings)
    log = MailLog(
        settings.mail_log,
        form=settings.log.mail_format,
        redact=settings.log.redact,
        key=queueing.secrets.suppression,
    )
    watch = Watch(Meter(time.time()), log)
    rules = assemble.classifier()
    tls = opportunistic_context() if net.tls == "opportunistic" else None
    workers, journals = [], []
    for shard in range(keys.shards):
        queue = Queue(client, keys, shard)
        # Two hosts may share a Redis: the host's name keeps their workers apart, and is as stable as the role's.
        here = f"{socket.gethostname()}.{name}" + (f".{shard}" if keys.shards > 1 else "")
        journal = Journal(settings.paths.journal / here)
        journals.append(journal)
        contents = Contents(
            Campaigns(client, keys),
            queue,
            keyring,
            assemble.hosts(settings),
            time.monotonic,
            signed_only=settings.dkim.require,
        )
        doors = Doors(
            queue=queue,
            bell=Bell(queueing.blocking, keys, shard, here),
            suppressions=suppressions,
            resolver=resolver,
            contents=contents,
            tokens=queueing.secrets.tokens,
            journal=journal,
            tls=tls,
            classify=partial(assemble.classify_reply, rules),
            told=watch.told,
        )
        workers.append(Worker(assemble.plan(settings, here, courier=courier), doors))
    return _Workers(workers, journals, keyring, queueing, watch)
