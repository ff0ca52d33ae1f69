"""Accepted recipients into the queue: a few at once into their lanes, many as packs, opened when there is room."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from mta.event import event, flat
from mta.ingest.entry import Submission
from mta.ingest.plan import agreed
from mta.ingest.rows import BadRow, Row
from mta.ingest.sorter import Mailing, Sorted, Sorter, items, totals
from mta.message import ID_BYTES, Flag, Record
from mta.queue import packs
from mta.queue.lanes import MOST, Queue
from mta.queue.opening import Opening
from mta.queue.shelves import STORE

FEW = 64  # rows: an entry with no more goes into its lanes at once


@dataclass(slots=True)
class Part:
    """A chunk of an entry: its accepted and its refused rows."""

    good: list[Row]
    bad: list[BadRow]


class Putter:
    """Puts recipients into all shards; every call may be repeated after a crash."""

    def __init__(self, queues: Sequence[Queue], sorter: Sorter) -> None:
        self.queues = queues
        self.sorter = sorter

    async def put(
        self,
        submission: Submission,
        mailing: Mailing,
        chunk: int,
        records: Sequence[tuple[int, Record]],
        not_before: int | None,
        born: int,
        bad: Sequence[BadRow] = (),
        body: bytes = b"",
        suppressed: Sequence[str] | None = None,
        opening: Opening | None = None,
    ) -> None:
        """Put recipients into their lanes; `body` is the content that they alone share.

        `suppressed`: why they get no mail or empty strings, when that was looked up already. `opening`, where there
        is one shard: the entry is opened in the same step; raises AlreadyOpen.
        """
        seen = f"{submission.tenant}:{submission.key}"
        parts = await self.sorter.sort(mailing, [record for _, record in records], born, suppressed)
        if len(self.queues) > 1:
            parts, _ = await agreed(self.queues[0], seen, chunk, parts, {})
        if bad or opening:
            parts.setdefault(0, Sorted())
        for shard, part in sorted(parts.items()):
            groups = [
                [lane, not_before or 0, *items(mailing, shard, (records[at] for at in positions))]
                for lane, positions in part.lanes.items()
            ]
            left = part.count - part.stopped
            await self.queues[shard].put(
                seen,
                chunk,
                groups,
                part.events + (refused(submission, mailing, bad, born) if shard == 0 else []),
                totals(mailing, accepted=part.count, suppressed=part.stopped),
                [(str(mailing.entry), body, left)] if body and left and chunk == 1 else [],
                opening=opening,
            )

    async def pack(
        self,
        submission: Submission,
        mailing: Mailing,
        chunk: int,
        part: Part,
        stem: str,
        expires: int,
        not_before: int | None,
        born: int,
    ) -> None:
        """Put a chunk of a campaign's recipients on the shelf where an expander finds it."""
        shard = home(mailing, len(self.queues))
        packed = []
        if part.good:
            # The id only tells packs apart: which chunk of which entry it is, `seen` remembers.
            pack = packs.Pack(
                os.urandom(ID_BYTES), mailing.entry, stem, born, expires, mailing.list_,
                [pack_row(row) for row in part.good],
            )  # fmt: skip
            packed.append((mailing.lane(STORE), not_before or 0, packs.encode(pack)))
        await self.queues[shard].put(
            f"{submission.tenant}:{submission.key}",
            chunk,
            [],
            refused(submission, mailing, part.bad, born),
            totals(mailing, accepted=len(part.good)),
            packs=packed,
        )


def home(mailing: Mailing, shards: int) -> int:
    """Return the shard where a campaign's packs wait."""
    return crc32(mailing.scope.encode()) % shards


def chunks(good: Sequence[Row], bad: Sequence[BadRow], total: int) -> list[Part]:
    """Cut an entry by row number, MOST rows each, however many of them are good."""
    parts = [Part([], []) for _ in range(max(1, -(-total // MOST)))]
    for row in good:
        parts[row.number // MOST].good.append(row)
    for fault in bad:
        parts[fault.number // MOST].bad.append(fault)
    return parts


def pack_row(row: Row) -> packs.PackRow:
    """Return a checked row as packs keep it."""
    flags = 0 if row.track else Flag.TRACK_OFF
    return packs.PackRow(
        row.number,
        str(row.address),
        row.values,
        row.ref,
        row.name,
        row.locale,
        row.tz,
        flags,
        row.engaged or 0,
    )


def refused(submission: Submission, mailing: Mailing, bad: Sequence[BadRow], born: int) -> list[list[str]]:
    """Return the events of an entry's refused rows, as scripts take them."""
    return [
        flat(
            event(
                "rejected", f"{submission.tenant}/{submission.key}/{row.number}", born,
                tenant=submission.tenant, campaign=mailing.campaign, key=submission.key, code=row.code,
                why=row.why, row=row.number, field=row.field,
            )
        )
        for row in bad
    ]  # fmt: skip
