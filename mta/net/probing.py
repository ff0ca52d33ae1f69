"""All that decides where a domain's mail goes and how, asked anew: DNS, policies, and a look at each host.

The questions are those of a delivery, put to the same resolver and policies, so that what is told is what would happen.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from mta.net.glimpse import Decision, Glimpse, decision, glimpse
from mta.net.login import LoginError, read_login
from mta.net.policies import Policies
from mta.net.question import Unroutable
from mta.net.resolver import Host, Resolver
from mta.net.terms import Contexts, Dialling, Way
from mta.policy import mtasts
from mta.policy.routes import Route, Routes
from mta.policy.tls import Rule, TlsNeed

MOST_MX = 16  # whose addresses are shown


@dataclass(frozen=True, slots=True)
class Exchanger:
    """One MX host: its addresses, whether the DNS answers were validated, or why it has none."""

    preference: int
    name: str
    addresses: tuple[str, ...] = ()
    secure: bool = False
    fault: str = ""


@dataclass(slots=True)
class Names:
    """What the DNS says of a domain; `fault` in words where it can't be sent to, `code` 4xx for now, 5xx for good."""

    exchangers: list[Exchanger] = field(default_factory=list)
    implicit: bool = False  # no MX: the domain is its own host
    null_mx: bool = False
    secure: bool = False  # the MX answer was validated (AD, of a resolver that is believed)
    fault: str = ""
    code: int = 0


@dataclass(frozen=True, slots=True)
class Visit:
    """One address of one host: what it must show, what it shows, and whether mail would go."""

    host: Host
    need: TlsNeed
    seen: Glimpse
    decided: Decision


@dataclass(slots=True)
class Probe:
    """All of it. `announced` is the id of an MTA-STS policy in the DNS, `sts` the policy that binds."""

    domain: str
    names: Names
    route: Route | None = None
    rule: Rule | None = None  # the operator's for this domain
    announced: str = ""
    sts: mtasts.Policy | None = None
    sts_fault: str = ""
    visits: list[Visit] = field(default_factory=list)
    fault: str = ""  # why no host is tried
    code: int = 0  # 4xx or 5xx beside it

    @property
    def deliverable(self) -> bool:
        """Whether mail could go to one of the hosts now, under policy."""
        return any(visit.decided.good for visit in self.visits)


@dataclass
class Prober:
    """Asks; `seconds` for one host, whatever it does."""

    resolver: Resolver
    policies: Policies
    routes: Routes
    tls: Contexts
    dialling: Dialling
    seconds: float = 30.0

    async def probe(self, domain: str) -> Probe:
        """Return all that was found of a domain (lower case, A-labels); never raises what DNS or peers cause."""
        out = Probe(
            domain, await self._names(domain), self.routes.find(domain), self.policies.rules.find(domain)
        )
        await self._policy(out)
        way: Way | None = None
        try:
            if out.route is not None:
                hosts = await self.resolver.addresses(out.route.host)
                way = _way(out.route)
            else:
                hosts = await self.resolver.hosts(domain)
        except Unroutable as error:
            out.fault, out.code = error.reply.text, error.reply.code
            return out
        except LoginError as error:
            out.fault, out.code = str(error), 451
            return out
        out.visits = list(await asyncio.gather(*(self._visit(out, host, way) for host in hosts)))
        return out

    async def _names(self, domain: str) -> Names:
        out = Names()
        try:
            answer = await self.resolver.lookup(domain, "MX")
        except Unroutable as error:
            out.fault, out.code = error.reply.text, error.reply.code
            return out
        out.secure = answer.secure
        out.null_mx = bool(answer.values) and all(name in ("", ".") for _, name in answer.values)
        try:
            out.implicit = (await self.resolver.exchangers(domain)).implicit
        except Unroutable as error:
            out.fault, out.code = error.reply.text, error.reply.code
            return out
        pairs: Sequence[tuple[int, str]] = sorted(answer.values) or [(0, domain)]
        named = [pair for pair in pairs if pair[1] not in ("", ".")][:MOST_MX]
        out.exchangers = list(await asyncio.gather(*(self._exchanger(*pair) for pair in named)))
        return out

    async def _exchanger(self, preference: int, name: str) -> Exchanger:
        found, secure, fault = list[str](), True, ""
        for kind in ("AAAA", "A") if self.resolver.ipv6 else ("A",):
            try:
                answer = await self.resolver.lookup(name, kind)
            except Unroutable as error:
                fault = error.reply.text
                continue
            found += [value for _, value in answer.values]
            secure = secure and answer.secure
        return Exchanger(preference, name, tuple(found), secure and bool(found), "" if found else fault)

    async def _policy(self, out: Probe) -> None:
        sts = self.policies.sts
        if sts is None:
            return
        try:
            answer = await self.resolver.lookup(f"_mta-sts.{out.domain}", "TXT")
            out.announced = mtasts.announced([text for _, text in answer.values])
        except Unroutable as error:
            out.sts_fault = error.reply.text
        out.sts = await sts.policy(out.domain)
        out.sts_fault = out.sts_fault or sts.fault(out.domain)

    async def _visit(self, out: Probe, host: Host, way: Way | None) -> Visit:
        if out.route is not None:
            need = out.route.need
        else:
            need = await self.policies.need(out.domain, host, self.dialling.port)
        seen = Glimpse(fault="took too long")
        decided = Decision(False, f"no answer within {self.seconds:g} s")
        try:
            async with asyncio.timeout(self.seconds):
                seen = await glimpse(host, self.dialling, self.tls, way)
                decided = await decision(host, self.dialling, self.tls, need, way)
        except TimeoutError:
            pass  # what was found until then stands
        return Visit(host, need, seen, decided)


def _way(route: Route) -> Way:
    login = read_login(route.user, route.password_file) if route.user else None
    return Way(route.port, route.implicit, login)
