"""The two roles that hear back: inbound by SMTP, web by HTTP."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from mta.archive.archive import Archive, Recipient
from mta.config.settings import Settings
from mta.daemon import assemble, assemble_tls, listening
from mta.daemon.assemble import Queueing
from mta.daemon.exits import UNAVAILABLE, Stop
from mta.daemon.viewing import Viewing
from mta.inbound.doors import Doors as InboundDoors
from mta.inbound.gate import Caps
from mta.inbound.listener import Listener
from mta.inbound.listener import Settings as InboundSettings
from mta.inbound.spool import Spool
from mta.metrics.exposition import Exposition
from mta.metrics.merged import Merged
from mta.metrics.meter import Meter
from mta.queue.campaigns import Campaigns
from mta.queue.feedback import Feedback
from mta.queue.profiles import Profiles
from mta.queue.upkeep import Upkeep
from mta.tenancy import Profile
from mta.web.app import OUTBOX, Rules, make_app, serve, use
from mta.web.doors import Doors as WebDoors

DAY = 86400


class Serving:
    """A role that listens from `run` to `drain`."""

    def __init__(
        self,
        queueing: Queueing,
        meter: Meter,
        stop: Callable[[], Awaitable[None]],
        reload: Callable[[Settings], None],
        dropped: Callable[[], int] = lambda: 0,
    ) -> None:
        self.queueing = queueing
        self.reload = reload
        self._dropped = dropped
        self._counted = 0
        self.meter = meter
        self._stop = stop
        self._draining = asyncio.Event()

    async def run(self) -> None:
        await self._draining.wait()
        await self._stop()

    def drain(self) -> None:
        self._draining.set()

    def snapshot(self) -> dict[str, Any]:
        dropped = self._dropped()
        if dropped > self._counted:
            self.meter.count("web_events_dropped_total", n=dropped - self._counted)
            self._counted = dropped
        return self.meter.snapshot()

    async def close(self) -> None:
        await self.queueing.close()


async def inbound(settings: Settings, name: str, queueing: Queueing) -> Serving:
    """Return the inbound role, listening; raise Stop when its port can't be had."""
    viewing, meter, given = _viewing(settings, queueing), Meter(time.time()), settings.inbound
    suppressions = assemble.suppressions(settings, queueing)
    doors = InboundDoors(
        tokens=queueing.secrets.tokens,
        lookup=viewing.lookup,
        rules=assemble.classifier(),
        feedback=Feedback(queueing.client, queueing.keys),
        suppressions=suppressions,
        counted=meter.count,
    )
    spool = Spool(settings.paths.spool / "reports", given.keep_unparsed)
    listener = Listener(doors, spool, _hearing(settings))

    def reload(fresh: Settings) -> None:
        listener.use(_hearing(fresh))
        spool.keep = fresh.inbound.keep_unparsed
        suppressions.sealing = fresh.suppression.keep_addresses

    try:
        await listener.start(listening.sockets("inbound"))
    except OSError as error:
        raise _taken("inbound.listen", given.listen, error) from error
    return Serving(queueing, meter, listener.stop, reload)


def _hearing(settings: Settings) -> InboundSettings:
    given = settings.inbound
    host, port = _address(given.listen)
    caps = Caps(
        connections=given.connections,
        per_ip=given.connections_per_ip,
        max_size=given.max_size,
        timeout=given.timeout,
        session=given.session,
        max_days=int(given.max_age // DAY),
    )
    hostname = given.hostname or settings.net.helo or socket.getfqdn()
    return InboundSettings(host, port, hostname, caps, assemble_tls.receiving(given.certificate))


async def web(settings: Settings, name: str, queueing: Queueing) -> Serving:
    """Return the web role, listening; raise Stop when its port can't be had."""
    viewing, meter, given = _viewing(settings, queueing), Meter(time.time()), settings.web
    profiles = Profiles(viewing.campaigns, strangers=True)
    suppressions = assemble.suppressions(settings, queueing)
    named = Named(settings)
    own, merged = Exposition(lambda: merged.totals(), sites=settings.metrics.sites), Merged()

    def page() -> bytes:
        merged.update(name, meter.snapshot())
        return own.page()

    doors = WebDoors(
        tokens=queueing.secrets.tokens,
        lookup=viewing.lookup,
        link_target=viewing.link_target,
        render=viewing.render,
        feedback=Feedback(queueing.client, queueing.keys),
        suppressions=suppressions,
        campaigns=viewing.campaigns,
        profile=lambda tenant: profiles.known(tenant) or profiles.find(tenant),
        own_host=partial(_own_host, named, profiles),
        ready=partial(_ready, queueing),
        metrics=page if given.metrics else None,
        counted=partial(meter.count, "web_requests_total"),
    )
    host, port = _address(given.listen)
    tls = assemble_tls.receiving(given.certificate, "web.certificate")
    app = make_app(doors, _rules(settings, name))

    def reload(fresh: Settings) -> None:
        if tls is not None:
            # What can't be used is found here, by a context that nobody has seen.
            assemble_tls.receiving(fresh.web.certificate, "web.certificate")
            assemble_tls.show(tls, fresh.web.certificate, "web.certificate")
        use(app, _rules(fresh, name))
        named.settings = fresh
        suppressions.sealing = fresh.suppression.keep_addresses
        own.show_sites(fresh.metrics.sites)

    try:
        runner = await serve(app, host, port, listening.sockets("web"), tls)
    except OSError as error:
        raise _taken("web.listen", given.listen, error) from error
    return Serving(queueing, meter, runner.cleanup, reload, lambda: app[OUTBOX].dropped)


def _rules(settings: Settings, name: str) -> Rules:
    spool, web = settings.paths.spool / f"{name}.events", settings.web
    return Rules(spool, web.spool, web.trusted_hops, int(settings.tracking.max_age // DAY))


def _viewing(settings: Settings, queueing: Queueing) -> Viewing:
    client, keys = queueing.client, queueing.keys
    return Viewing(Archive(settings.paths.archive), Upkeep(client, keys), Campaigns(client, keys))


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def _taken(setting: str, listen: str, error: OSError) -> Stop:
    return Stop(UNAVAILABLE, f"{setting} {listen} can't be used: {error.strerror or error}")


@dataclass(slots=True)
class Named:
    """The settings that say by which host names we are called; a reload puts others in."""

    settings: Settings


def _own_host(named: Named, profiles: Profiles, host: str, recipient: Recipient) -> bool | Awaitable[bool]:
    """Whether a host name is one that this recipient's tenant uses in links."""
    settings = named.settings

    def owns(profile: Profile | None) -> bool:
        if profile is not None and profile.track_host:
            return host == profile.track_host
        return not settings.tenants.track_host or host == settings.tenants.track_host

    async def asked() -> bool:
        return owns(await profiles.find(recipient.tenant))

    if settings.tracking.base:
        return True
    known = profiles.known(recipient.tenant)
    return owns(known) if known is not None else asked()


async def _ready(queueing: Queueing) -> str:
    try:
        await queueing.client.ping()
    except OSError as error:
        return f"Redis does not answer: {error}"
    except Exception as error:
        return f"Redis does not answer: {type(error).__name__}"
    return ""
