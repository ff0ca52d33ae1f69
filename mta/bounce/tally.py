"""Events as the guard counts them: per tenant, campaign and source, by the hour.

Pure. A week is told by the hour, so that what is older leaves a rolling window in small steps, and one scope needs at
most 169 buckets whatever the mail.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

HOUR_MS: Final = 3_600_000
UNKNOWN_CLASS: Final = "recipient_unknown"


class Counts(NamedTuple):
    """Messages delivered, refused because nobody has the address, refused otherwise, and reported as spam."""

    delivered: int = 0
    unknown: int = 0
    bounced: int = 0
    complained: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """Return the sum."""
        return Counts(*(one + two for one, two in zip(self, other, strict=True)))

    def less(self, other: "Counts") -> "Counts":
        """Return what is left without `other`, nowhere below 0."""
        return Counts(*(max(0, one - two) for one, two in zip(self, other, strict=True)))


_ONE: Final = {
    "delivered": Counts(delivered=1),
    "unknown": Counts(unknown=1),
    "bounced": Counts(bounced=1),
    "complained": Counts(complained=1),
}


def tenant_scope(tenant: str) -> str:
    """Return how a tenant is spelled among what is counted."""
    return f"t|{tenant}"


def campaign_scope(tenant: str, campaign: str) -> str:
    """Return how a campaign is spelled among what is counted."""
    return f"c|{tenant}|{campaign}"


def source_scope(source: str) -> str:
    """Return how an address of ours is spelled among what is counted."""
    return f"i|{source}"


def kind_of(event: Mapping[str, str]) -> str:
    """Return what an event counts as, empty when it counts as nothing.

    A report that comes after delivery counts like a refusal in session, since both say the same of the list.
    """
    kind = event.get("event", "")
    if kind == "bounced":
        return "unknown" if event.get("class") == UNKNOWN_CLASS else "bounced"
    return kind if kind in ("delivered", "complained") else ""


def tally(events: Iterable[Mapping[str, str]]) -> dict[tuple[str, int], Counts]:
    """Return the counts of (scope, hour); the hour is the event's own, in hours since 1970."""
    alike: Counter[tuple[str, str, str, int, str]] = Counter()
    for event in events:
        kind = kind_of(event)
        if kind:
            try:
                hour = int(event["ts"]) // HOUR_MS
            except (KeyError, ValueError):
                continue
            get = event.get
            alike[(get("tenant", ""), get("campaign", ""), get("source", ""), hour, kind)] += 1
    found: dict[tuple[str, int], Counts] = {}
    for (tenant, campaign, source, hour, kind), n in alike.items():
        counts = Counts(*(n * each for each in _ONE[kind]))
        scopes = [tenant_scope(tenant)] if tenant else []
        if tenant and campaign:
            scopes.append(campaign_scope(tenant, campaign))
        if source:
            scopes.append(source_scope(source))
        for scope in scopes:
            found[(scope, hour)] = found.get((scope, hour), Counts()).plus(counts)
    return found
