"""A campaign's canary on its way in: who goes first goes into lanes, the rest into the store behind its closed gate.

Both are put in one step, so at no time is somebody in neither or in both. Who was drawn may depend on who was drawn
before; with several shards that is agreed upon first, as the sites are (`mta.ingest.plan`).
"""

import os
from collections import Counter
from dataclasses import dataclass

from mta.ingest import convert
from mta.ingest.entry import Submission
from mta.ingest.plan import agreed
from mta.ingest.putter import Part, Putter, home, pack_row, refused
from mta.ingest.sorter import Mailing, Sorted, items, totals
from mta.message import ID_BYTES
from mta.queue import packs
from mta.queue.canaries import RUNNING, Canaries
from mta.queue.shelves import STORE
from mta.throttle.canary import MOST, Canary, draw


@dataclass(frozen=True, slots=True)
class Entry:
    """What the rows of one entry share: the stem of their names, and times in ms since 1970."""

    submission: Submission
    mailing: Mailing
    stem: str
    expires: int
    not_before: int | None
    born: int


class Vanguard:
    """Puts the recipients of a campaign that has a canary; every call may be repeated after a crash."""

    def __init__(self, putter: Putter, canaries: Canaries) -> None:
        self.putter = putter
        self.canaries = canaries

    async def put(self, entry: Entry, chunk: int, part: Part, canary: Canary) -> None:
        """Put one chunk of an entry: those drawn into their lanes, the others into the store."""
        mailing, queues = entry.mailing, self.putter.queues
        at_home = home(mailing, len(queues))
        known = await self.canaries.drawn(mailing.tenant, mailing.campaign, at_home)
        addresses = [str(row.address) for row in part.good]
        ahead: list[int] = []
        if known.phase == RUNNING:
            left = MOST - known.count
            ahead = draw(addresses, canary.share, mailing.scope, known.domains, left, first=not known.count)
        numbered = [
            (row.number, convert.record_of_row(entry.stem, row, entry.born, entry.expires))
            for row in part.good
        ]
        found = await self.putter.sorter.sort(mailing, [numbered[at][1] for at in ahead], entry.born)
        for one in found.values():
            one.lanes = {lane: [ahead[at] for at in places] for lane, places in one.lanes.items()}
        first = set(ahead)
        rest = [at for at in range(len(numbered)) if at not in first]
        seen = f"{entry.submission.tenant}:{entry.submission.key}"
        if len(queues) > 1:
            found, later = await agreed(queues[0], seen, chunk, found, {0: rest})
            rest = later[0]
            first = set(range(len(numbered))).difference(rest)
        found.setdefault(at_home, Sorted())
        drawn = Counter(f"drawn|{addresses[at].rpartition('@')[2]}" for at in first)
        drawn["drawn"] = len(first)
        for shard, one in sorted(found.items()):
            ours = shard == at_home
            await queues[shard].put(
                seen,
                chunk,
                [
                    [lane, entry.not_before or 0, *items(mailing, shard, (numbered[at] for at in places))]
                    for lane, places in one.lanes.items()
                ],
                one.events + (refused(entry.submission, mailing, part.bad, entry.born) if ours else []),
                totals(mailing, accepted=one.count + (len(rest) if ours else 0), suppressed=one.stopped),
                packs=self._packed(entry, part, rest) if ours and rest else (),
                drawn=[(mailing.scope, name, n) for name, n in drawn.items()] if ours and first else (),
            )

    def _packed(self, entry: Entry, part: Part, rest: list[int]) -> list[tuple[str, int, bytes]]:
        mailing = entry.mailing
        pack = packs.Pack(
            os.urandom(ID_BYTES), mailing.entry, entry.stem, entry.born, entry.expires, mailing.list_,
            [pack_row(part.good[at]) for at in rest],
        )  # fmt: skip
        return [(mailing.lane(STORE), entry.not_before or 0, packs.encode(pack))]
