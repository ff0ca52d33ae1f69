"""Holding campaigns and letting them go: what waits for a person, who decided, and what was decided.

A held scope is a closed gate like any other (`mta.queue.control`), so takes and expanders know of nothing more. What
was decided about a campaign stands in its HASH, before anything is opened or dropped: an order that is cut short by a
crash is carried on by its repeat, and one that comes a second time is told who was first.
"""

import time
from dataclasses import dataclass

import msgspec

from mta.event import event
from mta.queue.audit import ENGINE, AuditLog, subject
from mta.queue.canaries import DONE, Canaries
from mta.queue.control import CANARY, GUARD, HELD, REJECTED, Control, Gate, Scope
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.progress import Progress

APPROVALS_KEPT = 1000  # of a tenant: more than any `tenants.review_first` asks for
_FIELD = "review"


class Decision(msgspec.Struct, frozen=True):
    """What was decided about a campaign: `state` approved or rejected, by whom, when (ms since 1970), by which order.

    `opens` says which gates an approval opens: "c" the campaign's, "k" that of what lies in the store.
    """

    state: str
    by: str
    reason: str
    at: int
    key: str
    opens: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a campaign stands: its own gate, the gate of what lies in the store, and the last decision."""

    known: bool
    gate: Gate | None
    rest: Gate | None
    decision: Decision | None
    closed: bool
    totals: dict[str, int]

    @property
    def gone(self) -> bool:
        """Whether nothing waits any more and nothing comes."""
        return self.closed and self.totals["queued"] == 0

    @property
    def hold(self) -> Gate | None:
        """What a person has to decide about now, None when nothing waits for anybody."""
        if self.gone or (self.decision is not None and self.decision.state == REJECTED):
            return None
        if self.gate is not None and self.gate.hold is not None:
            return self.gate.hold
        return self.rest if self.rest is not None and self.rest.state in (HELD, CANARY) else None

    def why_not(self, campaign: str) -> str:
        """Why there is nothing to decide, in words."""
        if not self.known:
            return f"campaign {campaign} is not known"
        if self.decision is not None and self.decision.state == REJECTED:
            return f"campaign {campaign} was rejected {_by(self.decision)}"
        if self.gone and self.totals.get("purged", 0):
            return f"campaign {campaign} was purged: nothing of it waits"
        if self.gone:
            return f"campaign {campaign} is finished: everybody has a final event"
        if self.decision is not None:
            return f"campaign {campaign} was approved {_by(self.decision)}"
        return f"campaign {campaign} is not held"


def _by(decision: Decision) -> str:
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(decision.at / 1000))
    return f"by {decision.by or 'somebody'} at {when}"


class Review:
    """Holds scopes, and keeps what was decided about campaigns."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys
        self.control = Control(client, keys)
        self.canaries = Canaries(client, keys)

    async def hold(
        self,
        tenant: str,
        campaign: str,
        reason: str,
        *,
        by: str = ENGINE,
        eid: str = "",
        now: int | None = None,
    ) -> bool:
        """Hold a campaign, or with an empty one all mail of a tenant, until somebody releases it.

        Tells the event `held` and notes it in the audit log; what is in flight is finished. False when it was held (or
        rejected) before: nothing changes, nothing is told. A suspension stays on top. Raises QueueDown.
        """
        at = int(time.time() * 1000) if now is None else now
        scope = Scope.of_campaign(tenant, campaign) if campaign else Scope.of_tenant(tenant)
        about = f"campaign:{campaign}" if campaign else f"tenant:{tenant}"
        told = event(
            "held", eid or f"{scope.text}/{at}/held", at, tenant=tenant, campaign=campaign, scope=about, reason=reason,
            by=by,
        )  # fmt: skip
        fresh = await self.control.hold(scope, Gate(HELD, reason, by, since=at), told)
        if fresh:
            kind = "campaign" if campaign else "tenant"
            what = subject(kind, campaign or tenant, tenant)
            await AuditLog(self.client, self.keys).note(by, f"{kind}.hold", what, reason=reason)
        return fresh

    async def release(self, scope: Scope, told: dict[str, str]) -> bool:
        """End a hold: open its gate, or leave the suspension that lies on it. False when it was not held."""
        gate = (await self.control.gates()).get(scope.text)
        if gate is None or gate.hold is None:
            return False
        if gate.state == HELD:
            return await self.control.open(scope, told)
        await self.control.lift(scope, told)
        return True

    async def standing(self, tenant: str, campaign: str) -> Standing:
        """Return how a campaign stands."""
        gates = f"{self.keys.base(0)}gates"
        own, rest = Scope.of_campaign(tenant, campaign).text, Scope.of_rest(tenant, campaign).text
        pipe = self.client.pipeline(transaction=False)
        pipe.hmget(gates, [own, rest])
        pipe.hmget(self.keys.campaign(tenant, campaign), ["digest", _FIELD, "closed"])
        (gate, store), (digest, decision, closed) = await pipe.execute()
        return Standing(
            digest is not None,
            msgspec.json.decode(gate, type=Gate) if gate else None,
            msgspec.json.decode(store, type=Gate) if store else None,
            msgspec.json.decode(decision, type=Decision) if decision else None,
            closed is not None,
            await Progress(self.client, self.keys).totals(tenant, campaign),
        )

    async def tidy(self, tenant: str, campaign: str) -> None:
        """Forget what was to be decided about a campaign that is finished; the guard's own holds are its affair."""
        gates = await self.control.gates()
        rest = Scope.of_rest(tenant, campaign)
        if rest.text in gates:
            await self.control.open(rest, {})
            await self.canaries.end(tenant, campaign, DONE, "the campaign is finished", ENGINE)
        own = Scope.of_campaign(tenant, campaign)
        if own.text in gates and gates[own.text].state == HELD and gates[own.text].by != GUARD:
            await self.control.open(own, {})

    async def decide(self, tenant: str, campaign: str, decision: Decision) -> None:
        """Write down what was decided, before it is done; an approval counts for `tenants.review_first`."""
        key = self.keys.approved(tenant)
        if decision.state != REJECTED and await self.client.scard(key) < APPROVALS_KEPT:
            await self.client.sadd(key, campaign)
        # Last: a repeat of the order takes what it finds here as done.
        await self.client.hset(self.keys.campaign(tenant, campaign), _FIELD, msgspec.json.encode(decision))

    async def approvals(self, tenant: str) -> int:
        """Return how many campaigns of a tenant were approved, as far as that is kept (APPROVALS_KEPT)."""
        return int(await self.client.scard(self.keys.approved(tenant)))

    async def waiting(self) -> list[tuple[str, str, Gate]]:
        """Return (tenant, campaign, hold) of all that waits for a person, oldest first; campaign "" = the tenant.

        A canary that runs is among them: a person may decide early.
        """
        found: dict[tuple[str, str], Gate] = {}
        for scope, gate in (await self.control.gates()).items():
            kind, _, rest = scope.partition("|")
            tenant, _, campaign = rest.partition("|")
            hold = gate if kind == "k" and gate.state in (HELD, CANARY) else gate.hold
            if kind in ("c", "t", "b", "k") and hold is not None:
                known = found.get((tenant, campaign))
                # A campaign that is held says more than its canary.
                if known is None or known.state == CANARY:
                    found[tenant, campaign] = hold
        return sorted(
            ((*pair, hold) for pair, hold in found.items()), key=lambda row: (row[2].since, row[:2])
        )
