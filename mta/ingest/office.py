"""Carry out tenant and control entries: they are read first and act within a second."""

from mta import tenancy
from mta.ingest.administration import OPERATOR
from mta.ingest.checked import Addresses, Control
from mta.ingest.codes import KIND, Refused
from mta.ingest.entry import Submission
from mta.ingest.orders import Orders
from mta.queue.audit import AuditLog, subject
from mta.queue.campaigns import Campaigns
from mta.queue.control import Scope as GateScope
from mta.queue.erasurebook import ErasureBook, Order
from mta.queue.suppression import Suppressions
from mta.queue.terms import Terms, TermsBook
from mta.tenancy import Profile


class Office:
    """Tenants, suppressions, and orders about mail."""

    def __init__(
        self,
        campaigns: Campaigns,
        orders: Orders,
        suppressions: Suppressions,
        terms: TermsBook,
        audit: AuditLog | None = None,
    ) -> None:
        self.campaigns = campaigns
        self.orders = orders
        self.suppressions = suppressions
        self.terms = terms
        self.audit = audit
        self.erasures = ErasureBook(campaigns.client, campaigns.keys)

    async def carry_out(self, submission: Submission, now: int) -> int:
        """Do what the entry asks; return how many things it touched; raise Refused with nothing changed.

        What was done stands in the audit log before the entry is acknowledged: one that is cut short by a crash may
        stand there twice, with the same `key`.
        """
        touched = await self._carry_out(submission, now)
        if self.audit is not None:
            who = "control" if submission.tenant == OPERATOR else submission.tenant
            what, about, told = _noted(submission)
            await self.audit.note(who, what, about, key=submission.key, count=str(touched), **told)
        return touched

    async def _carry_out(self, submission: Submission, now: int) -> int:
        match submission.document:
            case Profile() as profile:
                await self.campaigns.define_tenant(profile.id, tenancy.encode(profile))
                terms = Terms(profile.weight, profile.rate, int(profile.quota), int(profile.urgent_quota))
                await self.terms.set(GateScope.of_tenant(profile.id).text, terms)
                return 1
            case Control() as control:
                return await self.orders.carry_out(submission, control, now)
            case Addresses() as addresses:
                return await self._addresses(submission, addresses, now)
        raise Refused(KIND, f"`kind` {submission.kind} does not belong on the control stream")

    async def _addresses(self, submission: Submission, order: Addresses, now: int) -> int:
        addresses = [str(address) for address in order.addresses]
        if order.op == "suppress":
            return await self.suppressions.add(
                order.tenant, order.list_, addresses, order.reason or "manual", order.by, now
            )
        if order.op == "unsuppress":
            return await self.suppressions.remove(order.tenant, order.list_, addresses)
        # At once, for what is taken in meanwhile; the keeper does the rest and replaces these entries.
        await self.suppressions.erase(order.tenant, addresses, order.by, now)
        order_ = Order(addresses, order.tenant, order.by)
        await self.erasures.order(submission.tenant, submission.key, order_)
        return len(addresses)


def _noted(submission: Submission) -> tuple[str, str, dict[str, str]]:
    """Return what was done, to what, and the details, for the audit log: no address of anybody stands in them."""
    match submission.document:
        case Profile() as profile:
            return "tenant.change", subject("tenant", profile.id), {}
        case Control() as control:
            scope = control.scope
            about = subject(scope.kind, scope.value or scope.tenant, scope.tenant)
            told = {"by": control.by, "reason": control.reason}
            if control.duration:
                told["for"] = f"{control.duration // 1000}s"
            if control.limit is not None:
                rate, connections = control.limit.rate, control.limit.connections
                told["rate"] = f"{rate.per_second:g}/s" if rate else ""
                told["connections"] = str(connections or "")
            return f"{scope.kind}.{control.op}", about, told
        case Addresses() as order:
            about = subject("tenant", order.tenant) if order.tenant else "platform"
            told = {
                "by": order.by,
                "reason": order.reason,
                "list": order.list_,
                "addresses": str(len(order.addresses)),
            }
            return f"address.{order.op}", about, told
    raise AssertionError(submission.kind)
