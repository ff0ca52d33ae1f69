"""What TLS a host needs: the facts gathered from DNS, MTA-STS and the operator's table, decided in `mta.policy.tls`."""

from dataclasses import dataclass, field
from typing import Protocol

from mta.net.question import Unroutable
from mta.net.resolver import Host, Resolver
from mta.net.tls import HAS_CHAIN
from mta.policy import dane
from mta.policy.mtasts import Policy
from mta.policy.patterns import Patterns
from mta.policy.tls import Facts, Level, Rule, Signed, TlsNeed, Wish, decide


class Sts(Protocol):
    """Who knows MTA-STS policies (mta.net.mtasts.StsPolicies)."""

    async def policy(self, domain: str) -> Policy | None:
        """Return the policy that binds for a domain now."""

    def mode(self, domain: str) -> str | None:
        """Return the mode of the policy that binds, `none` without one; None when it is to be asked (`policy`)."""

    def fault(self, domain: str) -> str:
        """Return why the last fetch failed, empty when it did not."""


@dataclass
class Policies:
    """Answers `need(domain, host)`.

    `default` with Level.NONE means that TLS is off: nothing is asked. `sts` None = not used.
    DANE needs a resolver whose AD bit is believed (`mta.net.question.asker`).
    """

    resolver: Resolver
    default: Rule = field(default_factory=Rule)
    rules: Patterns[Rule] = field(default_factory=Patterns)
    sts: Sts | None = None
    dane: bool = True
    anchors: bool = HAS_CHAIN

    async def need(self, domain: str, host: Host, port: int = 25, wish: Wish = Wish.NORMAL) -> TlsNeed:
        """Return what a session with one of a domain's hosts needs; never raises (`TlsNeed.refuse` says it)."""
        rule = self.rules.find(domain)
        if self.default.level is Level.NONE and rule is None and wish is not Wish.REQUIRE:
            return TlsNeed(Level.NONE)
        tlsa = None if wish is Wish.RELAX else await self._signed(host, port)
        sts: Policy | None = None
        fault = ""
        settled = tlsa is not None and (tlsa.trouble or dane.usable(tlsa.records, anchors=self.anchors))
        if self.sts is not None and not settled and wish is not Wish.RELAX:
            sts = await self.sts.policy(domain)  # with DANE it would have no say
            fault = self.sts.fault(domain)
        return decide(
            Facts(
                domain=domain,
                host=host.name,
                default=self.default,
                rule=rule,
                sts=sts,
                sts_fault=fault,
                tlsa=tlsa,
                anchors=self.anchors,
                mx_secure=host.secure,
                wish=wish,
            )
        )

    def tag(self, domain: str) -> str | None:
        """Return what keeps a domain's sessions apart from others' to the same hosts; empty: they may be shared.

        A session that was opened for a domain without a policy must not carry mail of one that has a policy, nor
        one opened under a policy in testing mail of the same policy enforced. None: `learn` has to ask first.
        DANE's records belong to hosts and need no tag, but whether they are asked for depends on the domain's MX
        (`Exchangers.secure`), which is the caller's to keep apart.
        """
        mode = "none" if self.sts is None else self.sts.mode(domain)
        if mode is None:
            return None
        if mode != "none":
            return f" {domain} {mode}"
        return "" if self.rules.find(domain) is None else f" {domain}"

    async def learn(self, domain: str) -> None:
        """Ask for what `tag` must know; never raises."""
        if self.sts is not None:
            await self.sts.policy(domain)

    async def _signed(self, host: Host, port: int) -> Signed | None:
        """Return the host's TLSA records (RFC 7672 section 2.2); None when it has none that were validated.

        Only where MX and address were validated: else an attacker had led us to a host of his own.
        """
        if not self.dane or not host.secure:
            return None
        # At the name the host's CNAME leads to, and then at its own (section 2.2.2).
        for base in dict.fromkeys(name for name in (host.canonical, host.name) if name):
            try:
                answer = await self.resolver.lookup(f"_{port}._tcp.{base}", "TLSA")
            except Unroutable as error:
                return Signed(trouble=error.reply.text.partition(" ")[2])
            if answer.values and answer.secure:
                return Signed(tuple(dane.parse(text) for _, text in answer.values), base)
        return None
