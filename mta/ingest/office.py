"""Carry out tenant and control entries: they are read first and act within a second."""

from mta import tenancy
from mta.event import event
from mta.ingest.checked import Addresses, Control, Scope
from mta.ingest.codes import BAD_SCOPE, KIND, UNKNOWN_CAMPAIGN, Refused
from mta.ingest.entry import Submission
from mta.queue.campaigns import Campaigns
from mta.queue.control import Control as Gates
from mta.queue.control import Gate
from mta.queue.control import Scope as GateScope
from mta.queue.suppression import Suppressions
from mta.tenancy import Profile


class Office:
    """Tenants, gates, purges and suppressions."""

    def __init__(self, campaigns: Campaigns, gates: Gates, suppressions: Suppressions) -> None:
        self.campaigns = campaigns
        self.gates = gates
        self.suppressions = suppressions

    async def carry_out(self, submission: Submission, now: int) -> int:
        """Do what the entry asks; return how many things it touched; raise Refused with nothing changed."""
        match submission.document:
            case Profile() as profile:
                await self.campaigns.define_tenant(profile.id, tenancy.encode(profile))
                return 1
            case Control() as control:
                return await self._control(submission, control, now)
            case Addresses() as addresses:
                return await self._addresses(addresses, now)
        raise Refused(KIND, f"`kind` {submission.kind} does not belong on the control stream")

    async def _addresses(self, order: Addresses, now: int) -> int:
        addresses = [str(address) for address in order.addresses]
        if order.op == "suppress":
            return await self.suppressions.add(
                order.tenant, order.list_, addresses, order.reason or "manual", order.by, now
            )
        if order.op == "unsuppress":
            return await self.suppressions.remove(order.tenant, order.list_, addresses)
        raise Refused(BAD_SCOPE, f"`op` {order.op} is not carried out by this version")

    async def _control(self, submission: Submission, control: Control, now: int) -> int:
        scope = control.scope
        told = event(
            {"suspend": "suspended", "resume": "resumed", "release": "released"}.get(control.op, control.op),
            f"{submission.tenant}/{submission.key}/{control.op}",
            now,
            tenant=scope.tenant,
            campaign=scope.value if scope.kind == "campaign" else "",
            scope=f"{scope.kind}:{scope.value or scope.tenant}",
            reason=control.reason,
            by=control.by,
        )
        match control.op:
            case "suspend":
                gate = _gate(scope)
                await self._known(scope)
                until = now + control.duration if control.duration else 0
                if until:
                    told["until"] = str(until)
                await self.gates.close(gate, Gate("suspended", control.reason, control.by, until), told)
                return 1
            case "resume" | "release":
                return int(await self.gates.open(_gate(scope), told))
            case "purge":
                return await self._purge(scope, told)
            case "close":
                await self._known(scope)
                await self.campaigns.close(scope.tenant, scope.value)
                return 1
        raise Refused(BAD_SCOPE, f"`op` {control.op} is not carried out by this version")

    async def _purge(self, scope: Scope, told: dict[str, str]) -> int:
        told = told | {"event": "purged"}
        if scope.kind == "campaign":
            await self._known(scope)
            return await self.gates.purge(scope.tenant, scope.value, told)
        if scope.kind == "tenant":
            dropped = 0
            for campaign in ["", *await self.gates.scopes_of(scope.tenant)]:
                named = told | {"eid": f"{told['eid']}/{campaign}"}
                if campaign:
                    named["campaign"] = campaign
                dropped += await self.gates.purge(scope.tenant, campaign, named)
            return dropped
        raise Refused(
            BAD_SCOPE,
            f"`purge` of a {scope.kind} is not carried out by this version; name a campaign or a tenant",
        )

    async def _known(self, scope: Scope) -> None:
        if scope.kind == "campaign" and await self.campaigns.get(scope.tenant, scope.value) is None:
            raise Refused(
                UNKNOWN_CAMPAIGN, f"`scope.campaign` {scope.value} is not a campaign of tenant {scope.tenant}"
            )


def _gate(scope: Scope) -> GateScope:
    match scope.kind:
        case "tenant":
            return GateScope.of_tenant(scope.tenant)
        case "campaign":
            return GateScope.of_campaign(scope.tenant, scope.value)
        case "domain" | "site":
            return GateScope.of_site(scope.value)
    raise Refused(
        BAD_SCOPE,
        f"a {scope.kind} can't be suspended by this version; name a tenant, campaign, domain or site",
    )
