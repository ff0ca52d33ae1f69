"""Settings to plain values and doors: the one place that knows both sides."""

import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mta.bounce import classify
from mta.config import egress
from mta.config.sending import Schedule as ScheduleSettings
from mta.config.settings import Settings
from mta.config.shaping import load_shaping, shaping_file
from mta.daemon import secrets
from mta.daemon.assemble_tls import TRUST
from mta.daemon.exits import UNAVAILABLE, Stop
from mta.keeper.warmup import Plan as WarmUpPlan
from mta.net.connect import Dialling, Timeouts
from mta.net.resolver import Memory, Resolver, asker, nameservers
from mta.queue.keys import Keys
from mta.queue.lanes import PathDefaults
from mta.queue.link import Client, QueueDown, Server, UnsafeServer, connect, read_password
from mta.queue.nodes import check_all
from mta.queue.suppression import Suppressions
from mta.queue.terms import SiteLimits
from mta.reply import Reply
from mta.throttle.limits import Limits
from mta.throttle.pools import Pools
from mta.throttle.retry import Schedule
from mta.throttle.shaping import Shaping
from mta.verdict import Stage
from mta.workers.contents import HostNames
from mta.workers.outcome import Judged
from mta.workers.plan import Doors, Plan
from mta.workers.stops import Stops


@dataclass(slots=True)
class Queueing:
    """A role's way to Redis: a client for calls, one for blocking reads, the key names, the engine's secrets."""

    client: Client
    blocking: Client
    keys: Keys
    secrets: secrets.Secrets
    server: Server

    def connect_blocking(self) -> Client:
        """Return one more client for blocking reads; it is the caller's to close."""
        return connect(self.server, blocking=True)

    async def close(self) -> None:
        """Close both connections."""
        await self.client.aclose()
        await self.blocking.aclose()


async def queueing(settings: Settings, url: str) -> Queueing:
    """Connect to a server that has been found safe; raise Stop(69) when it can't be reached or is unsafe."""
    redis = settings.redis
    try:
        server = Server(url, read_password(redis.password_file), redis.tls_ca, redis.replicas)
    except OSError as error:
        raise Stop(UNAVAILABLE, f"redis.password_file can't be read: {error}") from error
    try:
        client = connect(server)
    except ValueError as error:
        raise Stop(UNAVAILABLE, f"redis.url {server} can't be used: {error}") from error
    try:
        await check_all(client, server, durability=redis.durability)
    except (QueueDown, UnsafeServer) as error:
        if isinstance(error, QueueDown) or not redis.accept_unsafe:
            await client.aclose()
            raise Stop(UNAVAILABLE, str(error)) from error
    keys = Keys(settings.queue.prefix, settings.queue.shards)
    return Queueing(
        client, connect(server, blocking=True), keys, secrets.load(settings.tracking_keys), server
    )


def suppressions(settings: Settings, queueing: Queueing) -> Suppressions:
    """Return the suppression lists under the engine's secret."""
    sealing = settings.suppression.keep_addresses
    return Suppressions(queueing.client, queueing.keys, queueing.secrets.suppression, sealing=sealing)


def hosts(settings: Settings) -> HostNames:
    """Return the settings' part of tenants' host names."""
    return HostNames(
        settings.tenants.bounce_domain,
        settings.tenants.track_host,
        settings.tracking.scheme,
        settings.tracking.base.rstrip("/"),
    )


def shaping(settings: Settings) -> Shaping:
    """Return the limits per site; raise ConfigError when the file that says them is wrong."""
    given = settings.limits
    base = Limits(
        rate=given.rate,
        burst=given.burst or max(1, int(given.rate)),
        connections=given.connections,
        messages=settings.workers.messages_per_connection,
    )
    return load_shaping(shaping_file(given.shaping), base)


def site_limits(shaping: Shaping) -> dict[str, SiteLimits]:
    """Return the limits of sites that have their own, as the queue keeps them."""
    return {
        site: SiteLimits(limits.rate, limits.permitted_burst, limits.connections)
        for site, limits in shaping.own.items()
    }


def pools(settings: Settings) -> Pools:
    """Return the sources and pools."""
    return egress.pools(settings.sources, settings.pools)


def warming(settings: Settings) -> WarmUpPlan:
    """Return the sources that are warmed up, and the providers that have a ladder of their own with each."""
    rules = shaping(settings)
    return WarmUpPlan(pools(settings).warming, sorted({*rules.providers, *rules.own}))


def stops(settings: Settings, lists: Suppressions) -> Stops | None:
    """Return what looks lists up before each attempt; None: they are read at submission alone."""
    return Stops(lists) if settings.suppression.check_before_attempt else None


def follow(doors: Doors, settings: Settings) -> None:
    """Have a running worker's doors keep to other settings."""
    doors.contents.hosts, doors.contents.signed_only = hosts(settings), settings.dkim.require
    doors.stops = stops(settings, doors.suppressions)
    doors.suppressions.sealing = settings.suppression.keep_addresses


def resolver(settings: Settings) -> Resolver:
    """Return a resolver with a memory of its own."""
    dns, net = settings.dns, settings.net
    servers = nameservers(list(net.resolver), timeout=dns.timeout, lifetime=dns.lifetime)
    memory = Memory(
        dns.cache, dns.least_ttl, dns.most_ttl, dns.negative_ttl, stale=dns.stale, failure_ttl=dns.failure_ttl
    )
    ask = asker(servers, TRUST[net.trusted_resolver])
    return Resolver(ask, net.ipv6, net.allow_private, memory, parallel=dns.parallel)


def plan(settings: Settings, name: str, *, courier: bool = False) -> Plan:
    """Return a worker's plan; raise ConfigError when the shaping file is wrong."""
    limits, workers, net = settings.limits, settings.workers, settings.net
    rules = shaping(settings)
    times = net.timeouts
    return Plan(
        name=name,
        lease_ms=int(settings.queue.lease * 1000),
        sessions=workers.sessions,
        opening=workers.opening,
        in_flight=settings.queue.in_flight_most,
        courier=courier,
        idle_seconds=workers.idle,
        age_seconds=workers.connection_age,
        batch_most=limits.batch,
        floor=settings.queue.floor,
        shaping=rules,
        defaults=PathDefaults(
            rate=rules.default.rate,
            burst=rules.default.permitted_burst,
            connections=rules.default.connections,
            batch=min(8, limits.batch),
        ),
        dialling=Dialling(
            port=net.smtp_port,
            helo=net.helo or socket.getfqdn(),
            source=net.source,
            tls=net.tls,
            timeouts=Timeouts(
                times.connect, times.greeting, times.ehlo, times.mail, times.rcpt,
                times.data, times.body, times.dot, times.quit, times.deadline, times.least_rate,
            ),
        ),
        schedules=(
            _schedule(settings.retry.urgent),
            _schedule(settings.retry.transactional),
            _schedule(settings.retry.bulk),
        ),
        pools=pools(settings),
        signature_seconds=int(settings.dkim.expire) or None,
        unreachable_pause_ms=int(limits.unreachable * 1000),
    )  # fmt: skip


def _schedule(given: ScheduleSettings) -> Schedule:
    return Schedule(given.first, given.factor, given.most, given.lifetime, given.jitter)


@cache
def classifier() -> classify.Rules:
    """Return the shipped classification rules, read from the package once."""
    return classify.load((Path(classify.__file__).parent / "rules.toml").read_text())


def classify_reply(rules: classify.Rules, reply: Reply, stage: Stage) -> Judged:
    """Return what a refusing reply means at its stage."""
    found = classify.classify(reply.code, reply.enhanced, reply.text, rules, stage=stage)
    return Judged(found.cls, found.disposition, found.suppress)
