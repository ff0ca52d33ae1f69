"""Recipients to where they belong: the suppressed told apart, the others to the lanes of their sites. For the putter
and the expander alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from mta.event import event, flat
from mta.ingest.routing import Routing
from mta.message import ROW_BYTES, Class, Lane, MessageId, Record
from mta.queue import codec
from mta.queue.suppression import Suppressions

DEFAULT_POOL = "default"


@dataclass(frozen=True, slots=True)
class Mailing:
    """What all recipients of one submission entry have in common."""

    cls: Class
    pool: str
    tenant: str
    campaign: str
    list_: str
    entry: int

    @property
    def scope(self) -> str:
        """As totals are kept."""
        return f"{self.tenant}|{self.campaign}"

    def lane(self, site: str) -> str:
        """The lane of this mailing's messages to a site."""
        return str(Lane(self.cls, self.pool or DEFAULT_POOL, site, self.tenant, self.campaign))


@dataclass(slots=True)
class Sorted:
    """One shard's part: positions of recipients by lane, those suppressed, and their events."""

    lanes: dict[str, list[int]] = field(default_factory=dict)
    events: list[list[str]] = field(default_factory=list)
    stopped: int = 0
    count: int = 0


class Sorter:
    """Looks up suppressions and sites."""

    def __init__(self, suppressions: Suppressions, routing: Routing, shards: int) -> None:
        self.suppressions = suppressions
        self.routing = routing
        self.shards = shards

    async def suppressed(self, tenant: str, list_: str, addresses: Sequence[str], cls: Class) -> list[str]:
        """Return for each address why it gets no mail of a class, or an empty string."""
        return await self.suppressions.find(tenant, list_, addresses, bulk=cls is Class.BULK)

    async def sort(
        self,
        mailing: Mailing,
        records: Sequence[Record],
        now: int,
        reasons: Sequence[str] | None = None,
    ) -> dict[int, Sorted]:
        """Return the shards' parts of these records, by position in `records`; `now` dates the events.

        `reasons`: what `suppressed` said of them, if it was asked.
        """
        if reasons is None:
            addresses = [one.rcpt for one in records]
            reasons = await self.suppressed(mailing.tenant, mailing.list_, addresses, mailing.cls)
        domains = [one.rcpt.rpartition("@")[2] for one in records]
        sites = await self.routing.of(set(domains))
        places = {
            domain: (mailing.lane(site), crc32(site.encode()) % self.shards) for domain, site in sites.items()
        }
        parts: dict[int, Sorted] = {}
        for at, (record, domain, reason) in enumerate(zip(records, domains, reasons, strict=True)):
            lane, shard = places[domain]
            part = parts.get(shard)
            if part is None:
                part = parts[shard] = Sorted()
            part.count += 1
            if reason:
                part.stopped += 1
                part.events.append(_suppressed(mailing, record, reason, now))
            else:
                part.lanes.setdefault(lane, []).append(at)
        return parts


def items(mailing: Mailing, shard: int, numbered: Iterable[tuple[int, Record]]) -> list[bytes]:
    """Return the queue items of recipients by their row numbers."""
    stem = MessageId(shard, mailing.entry, 0).pack()[:-ROW_BYTES]
    return [codec.encode(stem + number.to_bytes(ROW_BYTES, "big"), record) for number, record in numbered]


def totals(mailing: Mailing, **counts: int) -> list[tuple[str, str, int]]:
    """Return the totals to add, without those that are zero."""
    return [(mailing.scope, name, count) for name, count in counts.items() if count]


def _suppressed(mailing: Mailing, record: Record, reason: str, now: int) -> list[str]:
    told = event(
        "suppressed", f"{mailing.tenant}/{record.name}/suppressed/0", now,
        id=record.name, ref=record.ref, tenant=mailing.tenant, campaign=mailing.campaign, rcpt=record.rcpt,
        list=mailing.list_, reason=reason,
    )  # fmt: skip
    return flat(told)


Group = list[Any]  # [lane, not-before ms or 0, item, ...]
