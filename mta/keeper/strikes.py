"""Failures counted as they are archived: enough of a class, and the address or its domain gets no more mail.

What a single reply makes certain is suppressed where it is heard, before the verdict is settled. Here is what takes
days; a delivery, an open or a click in between clears the record.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from mta.bounce.strikes import TERMS, Strike, add, is_out
from mta.queue.strikebook import StrikeBook
from mta.queue.suppression import Suppressions

BY: Final = "engine"
FAILED: Final = frozenset({"bounced", "expired"})
ALIVE: Final = frozenset({"delivered", "opened", "clicked"})


@dataclass(slots=True)
class _Tenant:
    """One tenant's part of a look: failures and signs of life in their order."""

    told: list[dict[str, str]] = field(default_factory=list)
    failed: bool = False


class Strikes:
    """Counts; `tally` may be called again with the same events."""

    def __init__(self, book: StrikeBook, suppressions: Suppressions) -> None:
        self.book = book
        self.suppressions = suppressions

    async def tally(self, events: Sequence[dict[str, str]]) -> None:
        """Count what failed and forget what came to life."""
        found: dict[str, _Tenant] = {}
        for one in events:
            kind = one.get("event", "")
            failed = kind in FAILED and class_of(one) in TERMS
            if (failed or kind in ALIVE) and one.get("rcpt"):
                part = found.setdefault(one.get("tenant", ""), _Tenant())
                part.told.append(one)
                part.failed |= failed
        # Where nothing ever failed, a delivery clears nothing: no address is hashed for it.
        known = await self.book.tenants(found) if found else set()
        for tenant, part in found.items():
            if part.failed or tenant in known:
                await self._count(tenant, part.told)

    async def _count(self, tenant: str, told: list[dict[str, str]]) -> None:
        digest = self.suppressions.digest
        digests = {name: digest(name) for name in dict.fromkeys(n for one in told for n in _names(one))}
        records = await self.book.read(tenant, list(digests.values()))
        before = dict(records)
        for one in told:
            cls = class_of(one)
            if one["event"] in ALIVE:
                for name in _names(one):
                    records[digests[name]] = []
                continue
            terms = TERMS.get(cls)
            if terms is None:
                continue
            name = _names(one)[1 if terms.domain else 0]
            strike: Strike = (cls, one.get("campaign") or one.get("id", ""), int(one["ts"]))
            records[digests[name]] = add(records[digests[name]], strike)
            if is_out(records[digests[name]], cls, one.get("status", "")):
                # Suppressed first: a crash in between counts once more what is written already.
                await self.suppressions.add(
                    tenant, "", [name], cls, BY, int(one["ts"]), one.get("reply", ""), one.get("campaign", "")
                )
                records[digests[name]] = []
        changed = {one: strikes for one, strikes in records.items() if strikes != before[one]}
        await self.book.write(tenant, changed)


def class_of(event: dict[str, str]) -> str:
    """Return the class of a failure; one that expired before it was tried again has none of its own."""
    return event.get("class") or ("network" if event.get("event") == "expired" else "")


def _names(event: dict[str, str]) -> tuple[str, str]:
    """The address and, as it is written in lists, its domain."""
    address = event["rcpt"].lower()
    return address, "@" + address.rpartition("@")[2]
