"""What a person decides about what is held: release or reject, once, and only where something waits for it."""

from mta.ingest.checked import Scope
from mta.ingest.codes import NOT_HELD, Refused
from mta.ingest.entry import Submission
from mta.queue.campaigns import Campaigns
from mta.queue.canaries import DONE, STOPPED
from mta.queue.control import REJECTED, Control, Gate
from mta.queue.control import Scope as GateScope
from mta.queue.review import Decision, Review


class Verdicts:
    """Carries out release and reject; each may be repeated after a crash, and says so when it comes a second time."""

    def __init__(self, campaigns: Campaigns, gates: Control, review: Review) -> None:
        self.campaigns = campaigns
        self.gates = gates
        self.review = review
        self.canaries = review.canaries

    async def release(self, submission: Submission, scope: Scope, told: dict[str, str]) -> int:
        """Let go what is held of a campaign or a tenant; return 1. Raises Refused when nothing waits.

        A held campaign with a canary begins with it; one whose canary was stopped, or waits, goes as a whole.
        """
        if scope.kind == "tenant":
            every, bulk = GateScope.of_tenant(scope.tenant), GateScope.of_bulk(scope.tenant)
            opened = await self.review.release(every, told)
            opened = await self.review.release(bulk, {} if opened else told) or opened
            if not opened:
                raise Refused(NOT_HELD, f"tenant {scope.tenant} is not held, so there is nothing to release")
            return 1
        own, rest = _gates(scope)
        decision = await self._decide(submission, scope, "approved", told, int(told["ts"]))
        if "c" in decision.opens:
            await self.review.release(own, told)
        if "k" in decision.opens:
            await self.gates.open(rest, {} if "c" in decision.opens else told)
            await self.canaries.end(
                scope.tenant, scope.value, DONE, told.get("reason", ""), told.get("by", "")
            )
        return 1

    async def reject(self, submission: Submission, scope: Scope, told: dict[str, str], now: int) -> int:
        """Drop what is held of a campaign, with events; return how many. Raises Refused when nothing waits."""
        own, rest = _gates(scope)
        reason, by = told.get("reason", "") or "rejected in review", told.get("by", "")
        await self._decide(submission, scope, REJECTED, told, now)
        # It stays shut: what another process was about to put is dropped by the keeper, and never sent.
        await self.gates.close(own, Gate(REJECTED, reason, by, since=now), {})
        await self.campaigns.close(scope.tenant, scope.value, f"{now}-0")
        dropped = await self.gates.purge(
            scope.tenant, scope.value, told | {"event": "purged", "reason": reason}
        )
        await self.gates.open(rest, {})
        await self.canaries.end(scope.tenant, scope.value, DONE, reason, by)
        return dropped

    async def _decide(
        self, submission: Submission, scope: Scope, state: str, told: dict[str, str], now: int
    ) -> Decision:
        standing = await self.review.standing(scope.tenant, scope.value)
        key = f"{submission.tenant}/{submission.key}"
        if standing.decision is not None and standing.decision.key == key:
            return standing.decision  # this very order, cut short by a crash
        if standing.hold is None:
            raise Refused(NOT_HELD, f"{standing.why_not(scope.value)}; nothing changed")
        opens = "k" if standing.gate is None or standing.gate.hold is None else "c"
        if opens == "c" and await self.canaries.phase(scope.tenant, scope.value) == STOPPED:
            opens = "ck"
        decision = Decision(state, told.get("by", ""), told.get("reason", ""), now, key, opens)
        await self.review.decide(scope.tenant, scope.value, decision)
        return decision


def _gates(scope: Scope) -> tuple[GateScope, GateScope]:
    return (
        GateScope.of_campaign(scope.tenant, scope.value),
        GateScope.of_rest(scope.tenant, scope.value),
    )
