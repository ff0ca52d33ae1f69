"""When failures that are not certain at once make an address, or a whole domain, one that gets no more mail.

One failure of these classes says little: mailboxes are emptied, accounts reopened, zones repaired. Several, with days
between the first and the last and no delivery in between, say that nobody reads there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

DAY_MS: Final = 86_400_000
MAX_KEPT: Final = 32
"""Failures remembered of one address, the latest ones."""
KEPT_MS: Final = 180 * DAY_MS
"""How long a failure counts."""


@dataclass(frozen=True, slots=True)
class Terms:
    """So many failures of a class, the first and the last so far apart; of the address, or all of its domain."""

    count: int
    span_ms: int = 0
    domain: bool = False


TERMS: Final[Mapping[str, Terms]] = {
    "recipient_unknown": Terms(
        2, 7 * DAY_MS
    ),  # where the reply was not certain; a certain one suppresses at once
    "recipient_disabled": Terms(2, 7 * DAY_MS),
    "domain_invalid": Terms(3, 3 * DAY_MS, domain=True),
    "mailbox_full": Terms(3, 14 * DAY_MS),
    "policy": Terms(5, 30 * DAY_MS),
    "network": Terms(3, 14 * DAY_MS),
}
"""By class; the others say nothing of the address."""
NULL_MX: Final = ("domain_invalid", "5.1.10")
"""A domain that says itself that it takes no mail (RFC 7505): no second failure is needed."""

Strike = tuple[str, str, int]
"""Class, mark (the campaign, or the message where there is none), ms since 1970."""


def add(strikes: Sequence[Strike], new: Strike) -> list[Strike]:
    """Return what is remembered with one failure more; a mark that is known changes nothing."""
    cls, mark, ts = new
    if any(one[:2] == (cls, mark) for one in strikes):
        return list(strikes)
    kept = [one for one in strikes if one[2] > ts - KEPT_MS]
    return sorted([*kept, new], key=lambda one: one[2])[-MAX_KEPT:]


def is_out(strikes: Sequence[Strike], cls: str, status: str = "") -> bool:
    """Return whether the failures of a class are enough; `status` is the enhanced code of the latest."""
    terms = TERMS.get(cls)
    if terms is None:
        return False
    if (cls, status) == NULL_MX:
        return True
    times = [ts for one, _, ts in strikes if one == cls]
    return len(times) >= terms.count and max(times) - min(times) >= terms.span_ms
