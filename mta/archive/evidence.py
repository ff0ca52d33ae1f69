"""What a tenant sent, and what came back of it: the platform's evidence when somebody asks about abuse.

Counted from the archive's events, people once per kind by the event's `eid`; addresses are given for complaints alone,
since these are what a receiver asks about.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from mta.archive.days import day_of

MOST_DOMAINS: Final = 1000  # kept apart by day and campaign; the rest is counted as `other`
MOST_COMPLAINTS: Final = 1000  # told one by one
MOST_NOTES: Final = 1000
NOTES: Final = frozenset({"held", "released", "suspended", "resumed", "warned", "purged"})
TOLD: Final = ("event", "ts", "campaign", "scope", "reason", "by", "until", "count")
REPORTED: Final = ("ts", "id", "campaign", "rcpt", "feedback", "reporter")
COUNTED: Final = frozenset(
    {"delivered", "bounced", "expired", "failed", "suppressed", "complained", "unsubscribed"}
)


@dataclass(slots=True)
class Evidence:
    """Of one tenant: messages by day, campaign and domain; bounces by class; each complaint; what was held and why.

    The innermost counts are by kind of event; `late_bounced` is a report that came after delivery. `sources` counts
    what was delivered from each address of ours. A campaign of "" is single messages.
    """

    tenant: str
    first_ms: int = 0
    last_ms: int = 0
    accepted: int = 0
    totals: dict[str, int] = field(default_factory=dict)
    days: dict[str, dict[str, int]] = field(default_factory=dict)
    campaigns: dict[str, dict[str, int]] = field(default_factory=dict)
    domains: dict[str, dict[str, int]] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    complaints: list[dict[str, str]] = field(default_factory=list)
    notes: list[dict[str, str]] = field(default_factory=list)


def evidence(tenant: str, events: Iterable[Mapping[str, str]]) -> Evidence:
    """Return the evidence of one tenant; events of others are passed over.

    Memory grows with the number of events (about 60 bytes each), since an event may be in the archive twice.
    """
    out = Evidence(tenant)
    seen: set[int] = set()
    totals: Counter[str] = Counter()
    for event in events:
        if event.get("tenant") != tenant:
            continue
        mark = hash(event.get("eid", ""))  # 64 bits of it: see mta.archive.report
        if mark in seen:
            continue
        seen.add(mark)
        kind, ts = event.get("event", ""), int(event.get("ts", 0))
        out.first_ms = min(out.first_ms or ts, ts)
        out.last_ms = max(out.last_ms, ts)
        if kind == "accepted" and not event.get("repeat") and event.get("kind") != "campaign":
            out.accepted += int(event.get("count", 0))
        if kind in NOTES and len(out.notes) < MOST_NOTES:
            out.notes.append({name: event[name] for name in TOLD if event.get(name)})
        if kind not in COUNTED:
            continue
        if kind == "bounced" and event.get("async"):
            kind = "late_bounced"
        totals[kind] += 1
        _add(out.days, day_of(ts), kind)
        _add(out.campaigns, event.get("campaign", ""), kind)
        domain = event.get("rcpt", "").rpartition("@")[2].lower()
        if domain:
            known = domain in out.domains or len(out.domains) < MOST_DOMAINS
            _add(out.domains, domain if known else "other", kind)
        if kind in ("bounced", "late_bounced"):
            name = event.get("class") or "unknown"
            out.classes[name] = out.classes.get(name, 0) + 1
        elif kind == "delivered" and event.get("source"):
            out.sources[event["source"]] = out.sources.get(event["source"], 0) + 1
        elif kind == "complained" and len(out.complaints) < MOST_COMPLAINTS:
            out.complaints.append({name: event[name] for name in REPORTED if event.get(name)})
    out.totals = dict(totals.most_common())
    out.days = dict(sorted(out.days.items()))
    out.domains = dict(sorted(out.domains.items(), key=lambda pair: (-sum(pair[1].values()), pair[0])))
    out.classes = dict(sorted(out.classes.items(), key=lambda pair: (-pair[1], pair[0])))
    return out


def _add(table: dict[str, dict[str, int]], name: str, kind: str) -> None:
    row = table.setdefault(name, {})
    row[kind] = row.get(kind, 0) + 1
