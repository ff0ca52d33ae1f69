"""The ingest roles: `ingest` takes in every stream and opens packs, `express` only what must not wait behind bulk."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mta.config.settings import Settings
from mta.daemon import assemble
from mta.daemon.assemble import Queueing
from mta.ingest.expander import Expander, Room
from mta.ingest.ingest import Ingest
from mta.ingest.mailroom import Mailroom, Rules
from mta.ingest.office import Office
from mta.ingest.orders import Orders
from mta.ingest.putter import Putter
from mta.ingest.routing import Found, Routing
from mta.ingest.sorter import Sorter
from mta.metrics.meter import Meter
from mta.net.resolver import Resolver, Unroutable
from mta.queue.audit import AuditLog
from mta.queue.campaigns import Campaigns
from mta.queue.control import Control
from mta.queue.intake import Intake
from mta.queue.lanes import Queue
from mta.queue.shelves import Shelves
from mta.queue.sifting import Sifting
from mta.queue.sites import Sites
from mta.queue.terms import TermsBook
from mta.throttle.pools import Pools
from mta.throttle.shaping import Shaping

RULED_SECONDS = 300.0


@dataclass(slots=True)
class Rulebook:
    """The site rules, sources and pools in force, and who knows where domains are; a reload puts others in."""

    shaping: Shaping
    pools: Pools
    resolver: Resolver


class Taking:
    """A process that takes submissions in, and opens packs where it has expanders."""

    def __init__(
        self,
        ingest: Ingest,
        expanders: Sequence[Expander],
        rules: Rulebook,
        queueing: Queueing,
        meter: Meter,
    ) -> None:
        self.ingest = ingest
        self.expanders = expanders
        self.rules = rules
        self.queueing = queueing
        self.meter = meter

    async def run(self) -> None:
        """Work until drained."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.ingest.run())
            for expander in self.expanders:
                group.create_task(expander.run())

    def drain(self) -> None:
        """Finish what is under way."""
        self.ingest.drain()
        for expander in self.expanders:
            expander.drain()

    def reload(self, settings: Settings) -> None:
        """Route, admit and open packs as the settings say, from the next entry on."""
        shaping, pools, rules = assemble.shaping(settings), assemble.pools(settings), self.rules
        rules.shaping, rules.pools = shaping, pools
        rules.resolver.become(assemble.resolver(settings))
        mailroom = self.ingest.mailroom
        mailroom.rules = _admitting(settings)
        mailroom.admission.review_first = settings.tenants.review_first
        mailroom.putter.sorter.suppressions.sealing = settings.suppression.keep_addresses
        for expander in self.expanders:
            expander.room = _room(settings, shaping)

    def snapshot(self) -> dict[str, Any]:
        """Return the metrics so far."""
        return self.meter.snapshot()

    async def close(self) -> None:
        """Close every door."""
        for expander in self.expanders:
            await expander.shelves.blocking.aclose()
        await self.queueing.close()


async def ingest(settings: Settings, name: str, queueing: Queueing) -> Taking:
    """Return the role that takes in every stream."""
    return _taking(settings, name, queueing, express=False)


async def express(settings: Settings, name: str, queueing: Queueing) -> Taking:
    """Return the role that takes in control, urgent and transactional entries alone."""
    return _taking(settings, name, queueing, express=True)


def _taking(settings: Settings, name: str, queueing: Queueing, *, express: bool) -> Taking:
    client, keys = queueing.client, queueing.keys
    intake = Intake(client, queueing.blocking, keys, name, bulk=not express)
    campaigns = Campaigns(client, keys)
    suppressions = assemble.suppressions(settings, queueing)
    control, terms = Control(client, keys), TermsBook(client, keys)
    queues = [Queue(client, keys, shard) for shard in range(keys.shards)]
    rules = Rulebook(assemble.shaping(settings), assemble.pools(settings), assemble.resolver(settings))
    routing = Routing(Sites(client, keys), partial(_look_up, rules))
    sorter = Sorter(suppressions, routing, keys.shards)
    mailroom = Mailroom(
        intake,
        campaigns,
        Putter(queues, sorter),
        control,
        terms,
        _admitting(settings),
    )
    orders = Orders(campaigns, control, Sifting(client, keys), terms, lambda: rules.pools)
    office = Office(campaigns, orders, suppressions, terms, AuditLog(client, keys))
    taking = Ingest(intake, mailroom, office)
    meter = Meter(time.time())
    taking.counted = partial(meter.count, "messages_accepted_total")
    taking.refused_with = partial(meter.count, "ingress_rejected_total")
    shelves = (
        []
        if express
        else [Shelves(client, queueing.connect_blocking(), keys, shard) for shard in range(keys.shards)]
    )
    room = _room(settings, rules.shaping)
    expanders = [
        Expander(one, queues, shard, sorter, campaigns.window, room) for shard, one in enumerate(shelves)
    ]
    return Taking(taking, expanders, rules, queueing, meter)


def _admitting(settings: Settings) -> Rules:
    retry = settings.retry
    urgent, transactional, bulk = (
        int(one.lifetime * 1000) for one in (retry.urgent, retry.transactional, retry.bulk)
    )
    return Rules(settings.tenants.open, (urgent, transactional, bulk), settings.tenants.review_first)


def _room(settings: Settings, shaping: Shaping) -> Room:
    return Room(ready=settings.queue.ready, interval=shaping.default.interval)


async def _look_up(rules: Rulebook, domain: str) -> Found | None:
    ruled = rules.shaping.domains.get(domain)
    if ruled is not None:
        return Found(ruled, RULED_SECONDS)  # the file says where it belongs: nothing to look up
    try:
        found = await rules.resolver.exchangers(domain)
    except Unroutable:
        return None
    return Found(rules.shaping.site(domain, found.names), found.ttl)
