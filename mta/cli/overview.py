"""What `mta status` and `mta top` ask, and their figures in words."""

from typing import TYPE_CHECKING, Any, Final

from mta.cli import show
from mta.cli.options import CLASSES

if TYPE_CHECKING:
    from mta.cli.door import Door
    from mta.queue.health import Health
    from mta.queue.overview import CampaignLine, Glance, Overview, SiteLine

MINUTE: Final = 60.0
BARS: Final = "▁▂▃▄▅▆▇█"
DUMB: Final = " .:-=+*#"
STATES: Final = ("suspended", "held", "canary", "rejected", "purging")


def overview(opened: "Door") -> "Overview":
    """Return the questions, with the limits of this configuration."""
    from mta.cli.waiting import Asking
    from mta.queue.overview import Overview

    return Overview(opened.client, opened.keys, Asking(opened, 1).standing)


def rates(glance: "Glance") -> dict[str, float]:
    """Return per second what was accepted, delivered, deferred, bounced ... within the last minute."""
    from mta.queue.rates import FLOWS, per_second

    return {flow: per_second(glance.intervals, flow, glance.now, MINUTE) for flow in FLOWS}


def depth_rows(glance: "Glance") -> list[tuple[object, ...]]:
    """Return the rows of the table of classes, with a sum."""
    rows: list[tuple[object, ...]] = [
        (one.label, one.entries, one.ready, one.packed, one.scheduled, _age(one.oldest))
        for one in glance.classes
    ]
    sums = [
        sum(getattr(one, name) for one in glance.classes)
        for name in ("entries", "ready", "packed", "scheduled")
    ]
    return [*rows, ("all", *sums, _age(max((one.oldest for one in glance.classes), default=0.0)))]


def site_rows(lines: "list[SiteLine]", now: int) -> list[tuple[object, ...]]:
    """Return the rows of the table of sites."""
    return [
        (
            one.path.site, one.path.pool, one.path.ready + one.path.packed,
            f"{one.path.open}/{one.path.connections}" if one.path.connections else str(one.path.open),
            one.path.state(now), one.text,
        )
        for one in lines
    ]  # fmt: skip


def campaign_rows(lines: "list[CampaignLine]") -> list[tuple[object, ...]]:
    """Return the rows of the table of campaigns."""
    return [
        (
            f"{one.tenant}/{one.campaign}", CLASSES[one.cls], one.totals.get("accepted", 0), done(one),
            one.totals.get("queued", 0), one.totals.get("bounced", 0), kept(one),
        )
        for one in lines
    ]  # fmt: skip


def done(one: "CampaignLine") -> str:
    """Return how much of a campaign has its final event, in percent; never 100 while anything waits."""
    accepted, queued = one.totals.get("accepted", 0), one.totals.get("queued", 0)
    if not accepted:
        return ""
    return "100 %" if queued <= 0 else f"{min(99, (accepted - queued) * 100 // accepted)} %"


def kept(one: "CampaignLine") -> str:
    """Return what closed scope keeps a campaign, and why."""
    if one.gate is None:
        return ""
    whose = "" if one.scope[:1] in "ck" else "its tenant is "
    reason = f": {one.gate.reason}" if one.gate.reason else ""
    return f"{whose}{one.gate.state}{reason}"


def curve(values: list[float], width: int, *, ascii_: bool) -> str:
    """Return the newest `width` values as a line of bars."""
    marks = DUMB if ascii_ else BARS
    newest = values[-width:]
    most = max(newest, default=0.0)
    if most <= 0:
        return marks[0] * len(newest)
    return "".join(marks[min(len(marks) - 1, round(value / most * (len(marks) - 1)))] for value in newest)


def closed_counts(glance: "Glance") -> dict[str, int]:
    """Return how many scopes are suspended, held and so on; only what there is."""
    found = {state: sum(gate.state == state for gate in glance.gates.values()) for state in STATES}
    return {state: count for state, count in found.items() if count}


def as_document(glance: "Glance", health: "Health") -> dict[str, Any]:
    """Return it all for programs."""
    return {
        "state": health.state,
        "reasons": list(health.reasons),
        "now": glance.now,
        "rates": {name: round(value, 3) for name, value in rates(glance).items()},
        "in_flight": glance.in_flight,
        "classes": {
            one.label: {
                "entries": one.entries, "ready": one.ready, "packed": one.packed, "scheduled": one.scheduled,
                "oldest_seconds": round(one.oldest, 3),
            }
            for one in glance.classes
        },
        "redis": {"memory_used": glance.memory_used, "memory_most": glance.memory_most},
        "accepting": glance.status.get("accepting") != "0",
        "processes": [
            {
                "role": one.role, "name": one.name, "host": one.host, "pid": one.pid, "version": one.version,
                "started": one.started, "at": one.at, "silent": one.silent(glance.now), "faults": list(one.faults),
            }
            for one in glance.roll
        ],
        "closed": [
            {"scope": scope, "state": gate.state, "reason": gate.reason, "by": gate.by, "until": gate.until}
            for scope, gate in sorted(glance.gates.items())
        ],
        "lags": glance.lags,
    }  # fmt: skip


def _age(seconds: float) -> str:
    return show.span(int(seconds * 1000)) if seconds >= 1 else ""
