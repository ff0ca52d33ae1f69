"""Orders about mail: suspend, resume, purge, release, reject, close, limit, by every scope that mail has."""

from collections.abc import Callable
from dataclasses import replace

from mta.event import event
from mta.ingest.administration import OPERATOR
from mta.ingest.checked import Control, Scope
from mta.ingest.codes import BAD_SCOPE, OPERATOR_REQUIRED, UNKNOWN_CAMPAIGN, Refused
from mta.ingest.entry import Submission
from mta.ingest.verdicts import Verdicts
from mta.queue.campaigns import Campaigns
from mta.queue.control import GUARD, PURGING, Gate
from mta.queue.control import Control as Gates
from mta.queue.control import Scope as GateScope
from mta.queue.review import Review
from mta.queue.sifting import Mark, Sifting
from mta.queue.terms import SiteLimits, Terms, TermsBook
from mta.throttle.pools import Pools

SAYS = {"suspend": "suspended", "resume": "resumed", "release": "released", "purge": "purged"}


class Orders:
    """Carries orders out; each may be repeated after a crash."""

    def __init__(
        self,
        campaigns: Campaigns,
        gates: Gates,
        sifting: Sifting,
        terms: TermsBook,
        pools: Callable[[], Pools] = Pools,
    ) -> None:
        self.campaigns = campaigns
        self.gates = gates
        self.sifting = sifting
        self.terms = terms
        self.review = Review(campaigns.client, campaigns.keys)
        self.verdicts = Verdicts(campaigns, gates, self.review)
        self.pools = pools

    async def carry_out(self, submission: Submission, control: Control, now: int) -> int:
        """Do what the order asks; return how many things it touched; raise Refused with nothing changed."""
        scope = control.scope
        if scope.kind == "source":
            return await self._source(submission, control, now)
        await self._known(scope)
        told = event(
            SAYS.get(control.op, control.op), f"{submission.tenant}/{submission.key}/{control.op}", now,
            tenant=scope.tenant, campaign=scope.value if scope.kind == "campaign" else "",
            scope=f"{scope.kind}:{scope.value or scope.tenant}", reason=control.reason, by=control.by,
        )  # fmt: skip
        match control.op:
            case "suspend":
                until = now + control.duration if control.duration else 0
                if until:
                    told["until"] = str(until)
                await self._openable(submission.tenant, scope)  # or its end would open what the guard holds
                gate = Gate("suspended", control.reason, control.by, until, now)
                for number, one in enumerate(gates_of(scope)):
                    await self.gates.suspend(one, gate, {} if number else told)
                return 1
            case "resume":
                opened = [
                    await self._go_on(one, {} if number else told)
                    for number, one in enumerate(await self._openable(submission.tenant, scope))
                ]
                if scope.kind == "site":
                    await self.gates.forget_answers(scope.value)
                return int(any(opened))
            case "hold":
                fresh = await self.review.hold(
                    scope.tenant,
                    scope.value,
                    control.reason or "an order",
                    by=control.by,
                    eid=told["eid"],
                    now=now,
                )
                return int(fresh)
            case "release":
                await self._openable(submission.tenant, scope)
                return await self.verdicts.release(submission, scope, told)
            case "purge":
                return await self._purge(scope, told)
            case "reject":
                return await self.verdicts.reject(submission, scope, told, now)
            case "close":
                await self.campaigns.close(scope.tenant, scope.value, f"{now}-0")
                return 1
            case "limit":
                return await self._limit(control, scope, now)
        raise Refused(BAD_SCOPE, f"`op` {control.op} is not carried out by this version")

    async def _source(self, submission: Submission, control: Control, now: int) -> int:
        """Carry out an order about a source: all that have the name or address which it gives."""
        given = control.scope.value
        names = self.pools().named(given)
        if not names:
            raise Refused(
                BAD_SCOPE, f"`scope.source` {given} is no name or address of this engine's [sources]"
            )
        until = now + control.duration if control.duration else 0
        touched = 0
        for name in names:
            told = event(
                SAYS.get(control.op, control.op), f"{submission.tenant}/{submission.key}/{control.op}/{name}", now,
                scope=f"source:{name}", reason=control.reason, by=control.by,
            )  # fmt: skip
            gate = GateScope.of_source(name)
            if control.op == "suspend":
                told |= {"until": str(until)} if until else {}
                await self.gates.suspend(
                    gate, Gate("suspended", control.reason, control.by, until, now), told
                )
                touched += 1
            elif control.op == "resume":
                lifted = await self.terms.lift(gate.text)
                touched += await self.gates.open(gate, told) or lifted
            else:
                rate = control.limit.rate if control.limit else None
                if rate is None:
                    raise Refused(
                        BAD_SCOPE, "`limit.connections` belongs to a site; give `limit.rate` for a source"
                    )
                await self.terms.set_for(gate.text, Terms(rate=rate.per_second), until)
                touched += 1
        return touched

    async def _known(self, scope: Scope) -> None:
        if scope.kind == "campaign" and await self.campaigns.get(scope.tenant, scope.value) is None:
            raise Refused(
                UNKNOWN_CAMPAIGN, f"`scope.campaign` {scope.value} is not a campaign of tenant {scope.tenant}"
            )

    async def _go_on(self, scope: GateScope, told: dict[str, str]) -> bool:
        # A person who may overrules the guard so, too; what a person has to look at is released, not resumed.
        gate = (await self.gates.gates()).get(scope.text)
        if gate is not None and gate.by == GUARD:
            return await self.gates.open(scope, told)
        return await self.gates.resume(scope, told)

    async def _openable(self, owner: str, scope: Scope) -> list[GateScope]:
        """Return the gates that an order of `owner` may open: what the guard holds is the operator's to release."""
        found = gates_of(scope)
        if scope.kind == "tenant":
            found.append(GateScope.of_bulk(scope.tenant))
        closed = await self.gates.gates()
        shut = [one for one in found if one.text in closed]
        kept = [one for one in shut if closed[one.text].by == GUARD and owner != OPERATOR]
        if kept and kept == shut:
            raise Refused(
                OPERATOR_REQUIRED,
                f"{scope.kind} {scope.value or scope.tenant} is held by the guard: {closed[kept[0].text].reason};"
                " who runs the engine releases it",
            )
        # Those that are closed first: the event is told with the first.
        return sorted((one for one in found if one not in kept), key=lambda one: one not in shut)

    async def _purge(self, scope: Scope, told: dict[str, str]) -> int:
        # First of all nothing of it may go out any more; what was closed before stays closed afterwards.
        closed = await self.gates.gates()
        ours = [one for one in gates_of(scope) if one.text not in closed or closed[one.text].state == PURGING]
        for one in ours:
            await self.gates.close(one, Gate(PURGING), {})
        if scope.kind in ("campaign", "tenant"):
            dropped = await self._purge_campaigns(scope, told)
        else:
            dropped = await self.sifting.purge(Mark(scope.kind, scope.value, scope.tenant), told)
        for one in ours:
            await self.gates.resume(one, {})  # somebody may have held it meanwhile
        return dropped

    async def _purge_campaigns(self, scope: Scope, told: dict[str, str]) -> int:
        dropped = 0
        campaigns = [scope.value]
        if scope.kind == "tenant":
            campaigns = sorted({"", *await self.gates.scopes_of(scope.tenant)})
        for campaign in campaigns:
            named = told | {"eid": f"{told['eid']}/{campaign}"}
            if campaign:
                named["campaign"] = campaign
            dropped += await self.gates.purge(scope.tenant, campaign, named)
            dropped += await self.sifting.sieved(Mark("campaign", campaign, scope.tenant), named)
        return dropped

    async def _limit(self, control: Control, scope: Scope, now: int) -> int:
        given = control.limit
        assert given is not None
        until = now + control.duration if control.duration else 0
        if scope.kind in ("tenant", "campaign"):
            if given.rate is None:
                raise Refused(
                    BAD_SCOPE,
                    f"`limit.connections` belongs to a site or domain, not to a {scope.kind}; give `limit.rate`",
                )
            text = gates_of(scope)[0].text
            terms = await self.terms.get(text) or Terms()
            await self.terms.set_for(text, replace(terms, rate=given.rate.per_second), until)
            return 1
        rate = None if given.rate is None else given.rate.per_second
        burst = max(1, int(rate)) if rate else 1
        await self.terms.limit_site(scope.value, SiteLimits(rate, burst, given.connections), until)
        return 1


def gates_of(scope: Scope) -> list[GateScope]:
    """Return the gates that close a scope."""
    match scope.kind:
        case "tenant":
            return [GateScope.of_tenant(scope.tenant)]
        case "campaign":
            return [GateScope.of_campaign(scope.tenant, scope.value)]
        case "site":
            return [GateScope.of_site(scope.value)]
        case "domain":
            # Where the domain is a site of its own, its lanes stop as one; elsewhere its messages are sieved out.
            return [GateScope.of_site(scope.value), GateScope.of_domain(scope.value)]
        case "recipient":
            return [GateScope.of_recipient(scope.value)]
        case "message":
            return [GateScope.of_message(scope.tenant, scope.value)]
    raise Refused(BAD_SCOPE, f"a {scope.kind} has no gate; name a tenant, campaign, domain or site")
