"""What became of a campaign, counted from its events: plain data for the console and for exports.

People are counted once per kind however often they opened; the totals beside them count each event (by `eid`,
since an event may be in the archive twice).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

TOP_LINKS = 50
TOP_DOMAINS = 50


@dataclass(slots=True)
class Domain:
    """What became of the mail to one recipient domain; each number counts people."""

    delivered: int = 0
    bounced: int = 0
    deferred: int = 0
    opened: int = 0
    clicked: int = 0
    complained: int = 0


@dataclass(slots=True)
class Link:
    """One link of the mail: its number, its target, all clicks and the people who clicked."""

    number: int
    url: str
    clicks: int = 0
    people: int = 0


@dataclass(slots=True)
class Report:
    """A campaign's results. `people` counts recipients by kind, `totals` counts events by kind."""

    tenant: str
    campaign: str
    accepted: int = 0
    refused: int = 0
    people: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    proxied_opens: int = 0  # opened by a mail-privacy proxy or scanner: says little about a person
    links: list[Link] = field(default_factory=list)
    domains: dict[str, Domain] = field(default_factory=dict)
    bounces: dict[str, int] = field(default_factory=dict)  # people by bounce class
    first_ms: int = 0
    last_ms: int = 0

    def rate(self, kind: str, of: str = "delivered") -> float:
        """Return the share of `of` people with an event of this kind, 0 when there are none."""
        whole = self.people.get(of, 0)
        return self.people.get(kind, 0) / whole if whole else 0.0


def report(tenant: str, campaign: str, events: Iterable[Mapping[str, str]]) -> Report:
    """Return the report of one campaign; events of others are passed over.

    Memory grows with the people of the campaign (about 100 bytes for each person and kind).
    """
    out = Report(tenant, campaign)
    seen: set[int] = set()
    people: dict[str, set[str]] = {}
    totals: Counter[str] = Counter()
    bounces: Counter[str] = Counter()
    links: dict[int, Link] = {}
    clickers: set[tuple[int, str]] = set()
    domains: dict[str, Domain] = {}
    for event in events:
        if event.get("tenant") != tenant or event.get("campaign") != campaign:
            continue
        # 64 bits of a hash stand for the eid: one collision is expected among four billion events.
        mark = hash(event.get("eid", ""))
        if mark in seen:
            continue
        seen.add(mark)
        kind, who, ts = event.get("event", ""), event.get("id", ""), int(event.get("ts", 0))
        out.first_ms = min(out.first_ms or ts, ts)
        out.last_ms = max(out.last_ms, ts)
        if kind == "accepted":
            if not event.get("repeat") and event.get("kind") != "campaign":
                out.accepted += int(event.get("count", 0))
                out.refused += int(event.get("refused", 0))
            continue
        if kind == "bounced" and event.get("async"):
            kind = "late_bounced"
        totals[kind] += int(event.get("count", 1)) if kind == "purged" else 1
        if kind == "clicked":
            number = int(event.get("link", 0))
            link = links.setdefault(number, Link(number, event.get("url", "")))
            link.clicks += 1
            if (number, who) not in clickers:
                clickers.add((number, who))
                link.people += 1
        if kind == "opened" and event.get("proxy"):
            out.proxied_opens += 1
        known = people.setdefault(kind, set())
        if not who or who in known:
            continue
        known.add(who)
        if kind in ("bounced", "late_bounced"):
            bounces[event.get("class") or "unknown"] += 1
        name = event.get("rcpt", "").rpartition("@")[2]
        if name:
            _count(domains.setdefault(name, Domain()), kind)
    out.people = {kind: len(ids) for kind, ids in people.items() if ids}
    out.totals = dict(totals)
    out.bounces = dict(bounces.most_common())
    out.links = sorted(links.values(), key=lambda link: (-link.clicks, link.number))[:TOP_LINKS]
    out.domains = _top(domains)
    return out


def compare(one: Report, other: Report) -> dict[str, tuple[float, float]]:
    """Return for each rate, as a share of delivered people, the two campaigns' values."""
    names = ("opened", "clicked", "unsubscribed", "complained", "late_bounced")
    rates = {name: (one.rate(name), other.rate(name)) for name in names}
    rates["delivered"] = (_share(one), _share(other))
    return rates


def _share(result: Report) -> float:
    return result.people.get("delivered", 0) / result.accepted if result.accepted else 0.0


def _count(domain: Domain, kind: str) -> None:
    kind = "bounced" if kind == "late_bounced" else kind
    if hasattr(domain, kind):
        setattr(domain, kind, getattr(domain, kind) + 1)


def _top(domains: dict[str, Domain]) -> dict[str, Domain]:
    """Return the largest domains; the rest is one line named `other`."""
    ranked = sorted(domains.items(), key=lambda pair: (-pair[1].delivered - pair[1].bounced, pair[0]))
    top = dict(ranked[:TOP_DOMAINS])
    rest = Domain()
    for _, domain in ranked[TOP_DOMAINS:]:
        for name in Domain.__slots__:
            setattr(rest, name, getattr(rest, name) + getattr(domain, name))
    if len(ranked) > TOP_DOMAINS:
        top["other"] = rest
    return top
