"""Carry out tenant and control entries: they are read first and act within a second."""

from mta import tenancy
from mta.ingest.checked import Addresses, Control
from mta.ingest.codes import BAD_SCOPE, KIND, Refused
from mta.ingest.entry import Submission
from mta.ingest.orders import Orders
from mta.queue.campaigns import Campaigns
from mta.queue.control import Scope as GateScope
from mta.queue.suppression import Suppressions
from mta.queue.terms import Terms, TermsBook
from mta.tenancy import Profile


class Office:
    """Tenants, suppressions, and orders about mail."""

    def __init__(
        self, campaigns: Campaigns, orders: Orders, suppressions: Suppressions, terms: TermsBook
    ) -> None:
        self.campaigns = campaigns
        self.orders = orders
        self.suppressions = suppressions
        self.terms = terms

    async def carry_out(self, submission: Submission, now: int) -> int:
        """Do what the entry asks; return how many things it touched; raise Refused with nothing changed."""
        match submission.document:
            case Profile() as profile:
                await self.campaigns.define_tenant(profile.id, tenancy.encode(profile))
                terms = Terms(profile.weight, profile.rate, int(profile.quota), int(profile.urgent_quota))
                await self.terms.set(GateScope.of_tenant(profile.id).text, terms)
                return 1
            case Control() as control:
                return await self.orders.carry_out(submission, control, now)
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
