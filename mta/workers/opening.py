"""A session for a domain: where it goes, what TLS it must have there, and what came of that.

Policies are looked at per domain and per session, never per message: `key` names all that sessions must have in common
to be shared, so a session stands for what its first domain's policy asked.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from mta.net.connect import CannotBind, CannotConnect, Opened, Way, open_session
from mta.net.login import LoginError, read_login
from mta.net.resolver import Host, Unroutable
from mta.policy.routes import Route
from mta.policy.tls import TlsNeed
from mta.policy.tlsrpt import row
from mta.reply import Reply
from mta.verdict import Deferred, Stage, Verdict, judge
from mta.workers.plan import Doors, Plan

FULL_SESSIONS = 2  # hosts that may refuse a conversation before mail waits (Postfix: smtp_mx_session_limit)
LEARN_SECONDS = 1.0  # for which a batch waits for policies; mail to those not known by then goes last
_log = logging.getLogger("mta.workers")


@dataclass(frozen=True, slots=True)
class Reached:
    """An open session, and the key of what it may be used for."""

    key: str
    opened: Opened


@dataclass(frozen=True, slots=True)
class NotReached:
    """No session: what that means for the mail, and whether hosts were tried in vain.

    `unbound`: our own address is not on this host, so no attempt was made.
    """

    verdict: Verdict
    tried: bool
    unbound: bool = False


class Opening:
    """Opens sessions with the doors' resolver, policies and routes as they are at the time."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors

    def __repr__(self) -> str:
        return f"<Opening {self.doors.policies!r} {self.doors.routes!r}>"

    def key(self, path: str, domain: str) -> str:
        """Return what domains of a path must have in common to share a session: hosts, route, policy. Without I/O."""
        route = self.doors.routes.find(domain)
        if route is not None:
            return _route_key(route)
        policies = self.doors.policies
        tag = "" if policies is None else policies.tag(domain)
        if tag is None:
            tag = f" {domain} ?"  # not known yet: it shares with nobody
        if domain == path.partition("|")[2]:
            return domain + tag
        known = self.doors.resolver.known(domain)
        if known is None:
            return domain + tag
        # Where the MX is not validated TLSA records are not asked for, so its sessions prove less.
        secure = " +" if known.secure and policies is not None and policies.dane else ""
        return " ".join(known.names) + secure + tag

    def unknown(self, domains: Iterable[str]) -> set[str]:
        """Return the domains whose policy has to be asked for before `key` can tell."""
        policies, routes = self.doors.policies, self.doors.routes
        if policies is None or policies.sts is None:
            return set()
        return {one for one in domains if policies.tag(one) is None and routes.find(one) is None}

    async def learn(self, domains: Iterable[str]) -> None:
        """Ask for policies, LEARN_SECONDS at most; what takes longer goes on by itself. Never raises."""
        policies = self.doors.policies
        asked = [] if policies is None else [asyncio.ensure_future(policies.learn(one)) for one in domains]
        if not asked:
            return
        try:
            _, late = await asyncio.wait(asked, timeout=LEARN_SECONDS)
        finally:
            for one in asked:
                one.cancel()  # the question itself is shared and goes on
        await asyncio.gather(*late, return_exceptions=True)

    async def foresee(self, domain: str) -> None:
        """Have the resolver look a domain's hosts up, for `open` to find them; raise what it raises."""
        if self.doors.routes.find(domain) is None:
            await self.doors.resolver.hosts(domain)

    async def open(self, path: str, domain: str, plan: Plan) -> Reached | NotReached:
        """Return a session for a domain's mail; raise nothing that a peer, the DNS or a policy causes."""
        route = self.doors.routes.find(domain)
        try:
            if route is not None:
                hosts = await self.doors.resolver.addresses(route.host)
                way = _way(route)
            else:
                hosts = await self.doors.resolver.hosts(domain)
                way = None
        except Unroutable as error:
            return NotReached(judge(Stage.CONNECT, error.reply), tried=False)
        except LoginError as error:
            _log.error("the route to %s can't be used: %s", route.host if route else "", error)
            reply = Reply(451, ("4.3.5 the password of its route can't be read",), local=True)
            return NotReached(judge(Stage.CONNECT, reply), tried=False)
        if route is None and self.doors.policies is not None:
            await self.doors.policies.learn(domain)
        # Before policies are asked: should one change meanwhile, the session has more than its key says.
        key = self.key(path, domain)
        refused = 0
        dialling = plan.way_out(plan.pools.source_of(path))
        verdict: Verdict = Deferred(Reply(451, ("4.4.1 no host",), local=True), Stage.CONNECT)
        if dialling.source or dialling.source6:
            reachable = [host for host in hosts if dialling.local(host.address) is not None]
            if hosts and not reachable:
                text = f"4.4.1 {hosts[0].name}: our source has no address of its kind of IP"
                verdict = Deferred(Reply(451, (text,), local=True), Stage.CONNECT)
            hosts = reachable
        for host in hosts:
            need = await self._need(route, domain, host, plan)
            try:
                opened = await open_session(host, dialling, self.doors.tls, need, way)
            except CannotBind as error:
                return NotReached(judge(error.stage, error.reply), tried=False, unbound=True)
            except CannotConnect as error:
                verdict = judge(error.stage, error.reply)
                self.doors.counted("sessions_failed_total", path.partition("|")[2], error.stage.value)
                if error.fault:
                    self._fell_short(need, error.fault, domain, host, dialling.local(host.address) or "")
                # A host that policy rules out was not spoken to: the next may be the right one.
                refused += error.stage is not Stage.CONNECT and not (need is not None and need.refuse)
                if refused >= FULL_SESSIONS:
                    break
                continue
            return Reached(key, self._opened(path, domain, need, opened))
        return NotReached(verdict, tried=True)

    async def _need(self, route: Route | None, domain: str, host: Host, plan: Plan) -> TlsNeed | None:
        if route is not None:
            return route.need
        if self.doors.policies is None:
            return None
        return await self.doors.policies.need(domain, host, plan.dialling.port)

    def _opened(self, path: str, domain: str, need: TlsNeed | None, opened: Opened) -> Opened:
        """Count a session, and write into `tls` that the server proved who it is."""
        version = opened.tls.partition(" ")[0] or "none"
        if opened.security in ("verified", "dane"):
            opened = replace(opened, tls=f"{opened.tls} {opened.security}")
            version = f"{version} {opened.security}"
        self.doors.counted("sessions_opened_total", path.partition("|")[2], version)
        local = opened.transport.get_extra_info("sockname")
        source = str(local[0]) if local and opened.fault else ""
        self._fell_short(need, opened.fault, domain, opened.host, source)
        return opened

    def _fell_short(self, need: TlsNeed | None, fault: str, domain: str, host: Host, source: str) -> None:
        """Note how a session's TLS came out; `fault` empty: as policy asks."""
        if fault:
            # What policy does not forgive stands in the mail's events; the rest only here.
            _log.info("TLS of %s [%s] for %s: %s", host.name, host.address, domain, fault)
        if need is None or self.doors.tls_counts is None:
            return
        # That a session fell short of our operator's rule is nobody else's matter.
        if need.by != "domain" or need.published.kind != "no-policy-found":
            day = time.strftime("%Y-%m-%d", time.gmtime())
            self.doors.tls_counts.add(row(need, fault, day, domain, host.name, host.address, source))


def _route_key(route: Route) -> str:
    # No host is called so: a route's session is shared with no MX's.
    names = " ".join(route.names)
    return f">{route.host} {route.port} {route.level} {route.implicit} {route.user} {route.password_file} {names}"


def _way(route: Route) -> Way:
    login = read_login(route.user, route.password_file) if route.user else None
    return Way(route.port, route.implicit, login)
