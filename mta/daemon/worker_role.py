"""The roles that send: the worker of each shard in one process, and the courier, a worker for the higher classes."""

import asyncio
import logging
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mta.config.settings import Settings
from mta.daemon import assemble, assemble_tls
from mta.daemon.assemble import Queueing
from mta.daemon.presence import LOOK_SECONDS, Presence
from mta.daemon.watch import Watch
from mta.dkim.multibuffer import LANES
from mta.maillog import MailLog
from mta.metrics.meter import Meter
from mta.net.mtasts import StsPolicies
from mta.net.resolver import Ask, Resolver
from mta.policy.tlsrpt import Counts
from mta.queue.campaigns import Campaigns
from mta.queue.control import Control
from mta.queue.lanes import Queue
from mta.queue.link import QueueDown, QueueFull
from mta.queue.tlsbook import ReportBook
from mta.queue.wake import Bell
from mta.workers import library
from mta.workers.contents import Contents
from mta.workers.journal import Journal
from mta.workers.keyring import Keyring
from mta.workers.plan import Doors
from mta.workers.scopes import parse as parse_scopes
from mta.workers.sources import Sources
from mta.workers.transcript import Transcript
from mta.workers.worker import Worker

LOG_SECONDS = 0.5
REPORT_SECONDS = 30.0  # between two additions to the counts of TLS reports
_log = logging.getLogger("mta")


class Working:
    """The worker of each shard, their log, and the policies they share."""

    def __init__(
        self,
        workers: list[Worker],
        journals: list[Journal],
        keyring: Keyring,
        queueing: Queueing,
        watch: Watch,
        sts: StsPolicies,
    ) -> None:
        self.workers = workers
        self.watch = watch
        self.journals = journals
        self.keyring = keyring
        self.queueing = queueing
        self.sts = sts
        self.book = ReportBook(queueing.client, queueing.keys)
        self.tls_counts = Counts()
        self.transcript: Transcript | None = None
        self.presence = Presence()
        self.counted_ask: Callable[[Ask], Ask] = _uncounted

    async def run(self) -> None:
        """Work until drained."""
        aside = [asyncio.create_task(one()) for one in (self._flush, self._report, self._look)]
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self.workers:
                    group.create_task(worker.run())
        finally:
            for task in aside:
                task.cancel()

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(LOG_SECONDS)
            self.watch.log.flush()
            if self.transcript is not None:
                self._write_down(self.transcript)

    def _write_down(self, transcript: Transcript) -> None:
        before = transcript.fault
        transcript.flush()
        if transcript.fault and transcript.fault != before:
            _log.warning("the SMTP transcript is not written: %s", transcript.fault)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            await self._add_counts()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            pools = self.workers[0].plan.pools
            if pools.sources and self.presence.look(pools):
                self.leave_out()

    def leave_out(self) -> None:
        """Let the workers send from those sources alone that this host has."""
        for worker in self.workers:
            worker.replan(replace(worker.plan, pools=worker.plan.pools.without(self.presence.absent)))

    async def _add_counts(self) -> None:
        rows, lost = self.tls_counts.drain(), self.tls_counts.lost
        self.tls_counts.lost = 0
        try:
            lost += await self.book.add(rows)
        except (QueueDown, QueueFull, OSError):
            for row, count in rows:  # what was not tried
                self.tls_counts.add(row, count)
        if lost:
            _log.warning(
                "%d sessions are missing in the TLS reports: too many ways in which they ended", lost
            )

    def use(self, settings: Settings, resolver: Resolver) -> None:
        """Keep to what the settings say of policies, routes and signing; raise Stop when they can't be used."""
        found = assemble_tls.secured(settings, resolver, self.sts)
        signing = library.load(Path(sys.prefix, "lib")) if settings.dkim.multibuffer else None
        for worker in self.workers:
            found.into(worker.doors)
            # A courier's messages are alone on their sessions.
            worker.doors.multibuffer = None if worker.plan.courier else signing
            worker.doors.tls_counts = self.tls_counts if settings.tls_reports.sender else None
        if signing is not None:
            _log.info("RSA signatures are made up to %d in one call", LANES)
        self._transcribe(settings)

    def _transcribe(self, settings: Settings) -> None:
        """Write down what the settings name from the next session on."""
        if self.transcript is not None:
            self.transcript.reopen()
        log = settings.log
        scopes = parse_scopes(log.transcript)
        self.transcript = None
        if scopes:
            self.transcript = Transcript(
                settings.transcript, scopes, most_bytes=log.transcript_limit, redact=log.redact,
                key=self.queueing.secrets.suppression,
            )  # fmt: skip
        for worker in self.workers:
            worker.doors.transcript = self.transcript

    def drain(self) -> None:
        """Take nothing more, and finish what is under way."""
        for worker in self.workers:
            worker.drain()

    def reload(self, settings: Settings) -> None:
        """Use new settings, and read keys again; raise Stop or ConfigError and change nothing when they are no good.

        Sessions that are open end after their batch.
        """
        plans = [
            assemble.plan(settings, worker.plan.name, courier=worker.plan.courier) for worker in self.workers
        ]
        self.use(settings, self.sts.resolver)
        self.sts.resolver.become(assemble.resolver(settings))
        self.sts.resolver.ask = self.counted_ask(self.sts.resolver.ask)
        self.watch.log.change(form=settings.log.mail_format, redact=settings.log.redact)
        self.watch.log.reopen()  # a rotation may have moved the file away
        self.keyring.read_again(settings.dkim_keys)
        for worker, plan in zip(self.workers, plans, strict=True):
            assemble.follow(worker.doors, settings)
            worker.replan(plan)
            worker.delivery.dispatch.renew()
        self.presence.look(plans[0].pools)
        self.leave_out()

    @property
    def faults(self) -> list[str]:
        """What is wrong and does not stop the role: said on the roll."""
        return [f"{path} can't be used: {why}" for path, why in sorted(self.keyring.faults.items())]

    def snapshot(self) -> dict[str, Any]:
        """Return the metrics so far."""
        meter = self.watch.meter
        meter.gauge("in_flight_messages", sum(len(worker.delivery.flying) for worker in self.workers))
        open_now: Counter[tuple[str, ...]] = Counter()
        for worker in self.workers:
            for session in worker.delivery.dispatch.sessions:
                open_now[(session.path.partition("|")[2],)] += 1
        meter.gauges("smtp_connections", dict(open_now))
        return meter.snapshot()

    async def close(self) -> None:
        """Close every door."""
        await self._add_counts()
        self.watch.log.close()
        if self.transcript is not None:
            self.transcript.reopen()
        for journal in self.journals:
            journal.close()
        await self.queueing.close()


def _uncounted(ask: Ask) -> Ask:
    return ask


async def worker(settings: Settings, name: str, queueing: Queueing, *, courier: bool = False) -> Working:
    """Return the role that sends; raise Stop or ConfigError when the settings can't be used."""
    client, keys = queueing.client, queueing.keys
    keyring = Keyring(settings.dkim_keys)
    suppressions = assemble.suppressions(settings, queueing)
    resolver = assemble.resolver(settings)
    log = MailLog(
        settings.mail_log,
        form=settings.log.mail_format,
        redact=settings.log.redact,
        key=queueing.secrets.suppression,
    )
    watch = Watch(Meter(time.time()), log)
    rules = assemble.classifier()
    sts = assemble_tls.sts_policies(settings, resolver, client, keys)
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
            tls=None,  # `use` says
            classify=partial(assemble.classify_reply, rules),
            told=watch.told,
            stops=assemble.stops(settings, suppressions),
            sources=Sources(Control(client, keys)),
        )
        workers.append(Worker(assemble.plan(settings, here, courier=courier), doors))
    role = Working(workers, journals, keyring, queueing, watch, sts)
    role.use(settings, resolver)
    role.presence.look(workers[0].plan.pools)
    role.leave_out()
    return role
