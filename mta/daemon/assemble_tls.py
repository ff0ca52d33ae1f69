"""Where mail goes, what TLS it must have there, and who reports about it: settings to routes, policies, contexts."""

import socket
import ssl
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

from mta.address import AddressError, parse
from mta.config import ways
from mta.config.settings import Settings
from mta.daemon.exits import CONFIG, Stop
from mta.keeper.tls_reports import Doors as ReportDoors
from mta.keeper.tls_reports import Settings as Reporting
from mta.keeper.tls_reports import TlsReports
from mta.net.connect import Contexts, contexts
from mta.net.https import PolicyFetch
from mta.net.mtasts import StsPolicies
from mta.net.policies import Policies
from mta.net.report import ReportPost
from mta.net.resolver import Resolver
from mta.policy.routes import Routes
from mta.policy.tls import Level, Rule
from mta.policy.tlsrpt import Sender
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.producer import Producer
from mta.queue.tlsbook import ReportBook, StsCache
from mta.workers.plan import Doors

TRUST: Final = {"auto": None, "yes": True, "no": False}
FETCH_SECONDS: Final = 20.0
"""For a policy file: mail to its domain waits for it, so less than the minute that RFC 8461 section 3.3 allows."""
SPREAD_SECONDS: Final = 4 * 3600
"""Over which reports of a day are sent (RFC 8460 section 4.1)."""


@dataclass(frozen=True, slots=True)
class Secured:
    """What the settings say of TLS and of routes."""

    tls: Contexts
    policies: Policies
    routes: Routes

    def into(self, doors: Doors) -> None:
        """Have sessions that are opened from now on keep to it."""
        doors.tls, doors.policies, doors.routes = self.tls, self.policies, self.routes


def secured(settings: Settings, resolver: Resolver, sts: StsPolicies) -> Secured:
    """Return what the settings say; raise Stop(CONFIG) when the file of authorities can't be used."""
    net = settings.net
    off = net.tls == "off"
    return Secured(
        _contexts(settings),
        Policies(
            resolver,
            default=Rule(Level.NONE if off else Level.MAY),
            rules=ways.rules(settings.tls),
            sts=sts if net.mta_sts and not off else None,
            dane=net.dane,
        ),
        ways.routes(settings.routes),
    )


def sts_policies(settings: Settings, resolver: Resolver, client: Client, keys: Keys) -> StsPolicies:
    """Return what knows MTA-STS policies, sharing them with all workers; raise Stop as `secured` does."""
    return StsPolicies(
        resolver, PolicyFetch(resolver, web_context(settings), FETCH_SECONDS), StsCache(client, keys)
    )


def reporting(settings: Settings) -> Reporting | None:
    """Return who sends TLS reports, None when nobody does; raise Stop(CONFIG) when that can't be."""
    given = settings.tls_reports
    if not given.sender:
        return None
    try:
        address = parse(given.sender)
    except AddressError as error:
        raise Stop(
            CONFIG, f"`tls_reports.sender` {given.sender!r} is no address for mail: {error}"
        ) from error
    who = Sender(given.organization or address.domain, address.domain, given.contact or str(address))
    # The same hour each day, and another one for each sender: reports of the world don't come all at once.
    share = int.from_bytes(sha256(address.domain.encode()).digest()[:4], "big") / 2**32
    return Reporting(who, str(address), given.tenant, timedelta(seconds=int(share * SPREAD_SECONDS)))


def reports(settings: Settings, name: str, resolver: Resolver, client: Client, keys: Keys) -> TlsReports:
    """Return what sends TLS reports, of this host's keeper; raise Stop as `reporting` does."""

    async def texts(name: str) -> list[str]:
        return [text for _, text in (await resolver.lookup(name, "TXT")).values]

    producer = Producer(client, keys, settings.queue.submit_limit)
    doors = ReportDoors(ReportBook(client, keys), producer, texts, ReportPost(resolver))
    return TlsReports(f"{socket.gethostname()}.{name}", reporting(settings), doors)


def authorities(settings: Settings) -> None:
    """Look whether the file of authorities can be used; raise Stop as `secured` does."""
    _contexts(settings)


def web_context(settings: Settings) -> ssl.SSLContext:
    """Return the context of HTTPS to receiving domains' web servers; raise Stop as `secured` does."""
    try:
        return ssl.create_default_context(cafile=settings.net.tls_authorities or None)
    except OSError as error:
        raise _unusable(settings, error) from error


def _contexts(settings: Settings) -> Contexts:
    try:
        return contexts(settings.net.tls_minimum, settings.net.tls_authorities)
    except OSError as error:  # ssl.SSLError is one
        raise _unusable(settings, error) from error


def _unusable(settings: Settings, error: OSError) -> Stop:
    path = settings.net.tls_authorities
    why = "holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
    return Stop(CONFIG, f"`net.tls_authorities` {path} can't be used: {why}; name a PEM file of authorities")


def receiving(certificate: str, setting: str = "inbound.certificate") -> ssl.SSLContext | None:
    """Return the context of a listener of ours, None without a file; raise Stop(CONFIG) for a bad one."""
    if not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    show(context, certificate, setting)
    return context


def show(context: ssl.SSLContext, certificate: str, setting: str) -> None:
    """Have a listener's context show this certificate from its next handshake on; raise Stop as `receiving` does."""
    try:
        context.load_cert_chain(certificate)
    except OSError as error:  # ssl.SSLError is one
        why = (
            "holds no private key with its certificate" if isinstance(error, ssl.SSLError) else error.strerror
        )
        raise Stop(CONFIG, f"`{setting}` {certificate} {why}; give a PEM file of both") from error
