"""Records into lanes: suppression looked up, lanes named, events and totals beside them, chunk by chunk."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from mta.event import event, flat
from mta.ingest.entry import Submission
from mta.ingest.rows import BadRow, Row
from mta.message import Class, Lane, MessageId, Record
from mta.queue import codec
from mta.queue.intake import Opened
from mta.queue.lanes import MOST, Queue
from mta.queue.suppression import Suppressions
from mta.throttle.site import site_of

DEFAULT_POOL = "default"


class LaneMaker:
    """Lane names of one entry's recipients."""

    def __init__(self, cls: Class, pool: str, tenant: str, campaign: str) -> None:
        self.cls = cls
        self.campaign = campaign
        self._pool = pool or DEFAULT_POOL
        self._tenant = tenant
        self._known: dict[str, tuple[str, int]] = {}

    def of(self, address: str, shards: int) -> tuple[str, int]:
        """Return the lane of an address and its shard."""
        domain = address.rpartition("@")[2]
        known = self._known.get(domain)
        if known is None:
            site = site_of(domain)
            lane = str(Lane(self.cls, self._pool, site, self._tenant, self.campaign))
            known = self._known[domain] = (lane, crc32(site.encode()) % shards)
        return known


class Putter:
    """Puts records into the lanes of all shards."""

    def __init__(self, queues: Sequence[Queue], suppressions: Suppressions) -> None:
        self.queues = queues
        self.suppressions = suppressions

    async def put(
        self,
        submission: Submission,
        opened: Opened,
        chunk: int,
        records: Sequence[tuple[int, Record]],
        lane: LaneMaker,
        list_: str,
        not_before: int | None,
        bad: Sequence[BadRow],
        born: int,
        body: bytes = b"",
    ) -> None:
        tenant, campaign = submission.tenant, lane.campaign
        scope = f"{tenant}|{campaign}"
        addresses = [record.rcpt for _, record in records]
        reasons = await self.suppressions.find(tenant, list_, addresses, bulk=lane.cls is Class.BULK)
        groups: dict[int, dict[str, list[Any]]] = defaultdict(dict)
        counts: dict[int, int] = defaultdict(int)
        stopped: dict[int, int] = defaultdict(int)
        events: dict[int, list[list[str]]] = defaultdict(list)
        for (number, record), reason in zip(records, reasons, strict=True):
            name, shard = lane.of(record.rcpt, len(self.queues))
            counts[shard] += 1
            if reason:
                stopped[shard] += 1
                told = event(
                    "suppressed",
                    f"{tenant}/{record.name}/suppressed/0",
                    born,
                    id=record.name,
                    ref=record.ref,
                    tenant=tenant,
                    campaign=campaign,
                    rcpt=record.rcpt,
                    list=list_,
                    reason=reason,
                )
                events[shard].append(flat(told))
                continue
            group = groups[shard].get(name)
            if group is None:
                group = groups[shard][name] = [name, not_before or 0]
            group.append(codec.encode(MessageId(shard, opened.entry, number).pack(), record))
        for row in bad:
            told = event(
                "rejected",
                f"{tenant}/{submission.key}/{row.number}",
                born,
                tenant=tenant,
                campaign=campaign,
                key=submission.key,
                code=row.code,
                why=row.why,
                row=row.number,
                field=row.field,
            )
            events[0].append(flat(told))
        seen = f"{tenant}:{submission.key}"
        for shard in sorted({*counts, *events}):
            totals = [(scope, "accepted", counts[shard])] if counts[shard] else []
            if stopped[shard]:
                totals.append((scope, "suppressed", stopped[shard]))
            left = counts[shard] - stopped[shard]
            bodies = [(str(opened.entry), body, left)] if body and left and chunk == 1 else []
            await self.queues[shard].put(
                seen, chunk, list(groups[shard].values()), events[shard], totals, bodies
            )


@dataclass(slots=True)
class Part:
    good: list[Row]
    bad: list[BadRow]


def chunks(good: Sequence[Row], bad: Sequence[BadRow], total: int) -> list[Part]:
    """Cut an entry by row number, MOST rows each, however many of them are good."""
    parts = [Part([], []) for _ in range(max(1, -(-total // MOST)))]
    for row in good:
        parts[row.number // MOST].good.append(row)
    for fault in bad:
        parts[fault.number // MOST].bad.append(fault)
    return parts
