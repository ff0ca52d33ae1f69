"""Canaries on their way: results counted as they are archived, judged by their campaign's bounds, followed by an act.

The campaign of a canary that is over a bound is held and waits for a person. One that is well goes on by itself, or
waits, as it asked. Every act may be repeated: what was told once is not told again.
"""

import time
from collections.abc import Sequence
from typing import Final

from mta.event import event
from mta.keeper.found import Found
from mta.queue.audit import ENGINE, AuditLog, subject
from mta.queue.canaries import DONE, PASSED, RUNNING, STOPPED, Report
from mta.queue.control import CANARY, HELD, Gate, Scope
from mta.queue.review import Review
from mta.queue.sites import Sites
from mta.throttle.canary import judge

STATES: Final = {
    "delivered": "delivered",
    "deferred": "deferred",
    "bounced": "bounced",
    "expired": "bounced",
    "failed": "bounced",
    "complained": "complained",
    "suppressed": "suppressed",
}
"""What an event makes of a person of a canary."""


class CanaryWatch:
    """Counts and judges."""

    def __init__(self, review: Review) -> None:
        self.review = review
        self.canaries = review.canaries
        self.sites = Sites(review.client, review.keys)

    async def tally(self, events: Sequence[dict[str, str]]) -> None:
        """Count what became of canaries' people; may be called again with the same events."""
        watched = await self.canaries.watched()
        if not watched:
            return
        found: dict[str, list[tuple[str, str, str]]] = {}
        for one in events:
            scope = f"{one.get('tenant', '')}|{one.get('campaign', '')}"
            state = STATES.get(one.get("event", ""))
            if state and scope in watched and one.get("id"):
                domain = one.get("rcpt", "").rpartition("@")[2]
                found.setdefault(scope, []).append((one["id"], domain, state))
        for scope, results in found.items():
            sites = await self.sites.get(sorted({domain for _, domain, _ in results}))
            await self.canaries.tally(
                scope, [(name, sites.get(domain, domain), state) for name, domain, state in results]
            )

    async def judge(self) -> Found:
        """Look at each canary that runs, and do what follows."""
        watched = await self.canaries.watched()
        for scope in sorted(watched):
            tenant, _, campaign = scope.partition("|")
            report = await self.canaries.report(tenant, campaign)
            if report is not None and report.phase == RUNNING:
                await self._look(tenant, campaign, report)
        return Found.SOMETHING if watched else Found.NOTHING

    async def _look(self, tenant: str, campaign: str, report: Report) -> None:
        standing = await self.review.standing(tenant, campaign)
        if standing.rest is None:  # it was let go, and the process that did so died before it noted that
            await self.canaries.end(tenant, campaign, DONE, report.reason, report.by)
            return
        now = int(time.time() * 1000)
        said = judge(report.terms, report.counts, report.drawn, report.began, now, complete=standing.closed)
        if said.verdict == "stop":
            eid = f"{tenant}/{campaign}/canary/held"
            await self.review.hold(tenant, campaign, said.reason, eid=eid, now=now)
            await self.canaries.end(tenant, campaign, STOPPED, said.reason, ENGINE)
        elif said.verdict == "pass":
            await self._pass(tenant, campaign, report, said.reason, now)

    async def _pass(self, tenant: str, campaign: str, report: Report, reason: str, now: int) -> None:
        rest = Scope.of_rest(tenant, campaign)
        go = report.terms.then == "go"
        kind = "released" if go else "held"
        told = event(
            kind, f"{tenant}/{campaign}/canary/{kind}", now, tenant=tenant, campaign=campaign,
            scope=f"campaign:{campaign}", reason=reason, by=ENGINE,
        )  # fmt: skip
        control = self.review.control
        if go:
            await control.open(rest, told)
        else:
            gate = Gate(HELD, f"{reason}; waits for approval", ENGINE, since=now)
            await control.turn(rest, CANARY, gate, told)
        await self.canaries.end(tenant, campaign, DONE if go else PASSED, reason, ENGINE)
        audit = AuditLog(self.review.client, self.review.keys)
        await audit.note(ENGINE, f"canary.{kind}", subject("campaign", campaign, tenant), reason=reason)
