"""Packs into lanes: opened when workers run dry, so that a queue of millions stays small and nobody's mail is buried.

A pack's rows go to the lanes of their sites, as far as those have room; rows of a site that is closed, paused or full
go back on a shelf of that site alone, so that one slow receiver never holds the others' mail.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from mta.event import event, flat
from mta.ingest.plan import Later, agreed
from mta.ingest.sorter import Mailing, Sorted, Sorter, items, totals
from mta.message import ID_BYTES, Class, Lane, Record
from mta.queue import packs
from mta.queue.codec import NewerFormat
from mta.queue.lanes import Queue
from mta.queue.link import QueueDown, QueueFull
from mta.queue.packs import Pack, PackRow
from mta.queue.shelves import Picked, Shelves
from mta.throttle.window import Window, wait_ms, zone

# Longer than an expansion takes: the DNS gets two seconds of it. What a dead expander held waits for so long, and one
# that only was slow finds its claim gone and changes nothing.
CLAIM_MS = 5_000
PICKED = 4  # at once
UNASKED_SECONDS = 5.0
_log = logging.getLogger("mta.ingest")


@dataclass(frozen=True, slots=True)
class Room:
    """How much of the queue is kept ready in lanes."""

    ready: int = 20_000  # messages of a class: below it more packs are opened without being asked for
    seconds: float = 30.0  # of its rate a path's lanes may hold
    path: int = 4096  # messages a path's lanes hold at most
    interval: float = 0.0  # ms per message of a path without limits of its own


WINDOWS_KEPT = 10_000
WINDOW_SECONDS = 30.0  # how long a campaign's delivery window is remembered
Windows = Callable[[str, str], Awaitable[Window | None]]


class Expander:
    """Opens the packs of one shard until `drain`."""

    def __init__(
        self,
        shelves: Shelves,
        queues: Sequence[Queue],
        shard: int,
        sorter: Sorter,
        windows: Windows,
        room: Room | None = None,
    ) -> None:
        self.shelves = shelves
        self.queues = queues
        self.shard = shard
        self.sorter = sorter
        self.windows = windows
        self._windows: dict[str, tuple[float, Window | None]] = {}
        self.room = room or Room()
        self.expanded = 0
        self._draining = False

    def __repr__(self) -> str:
        return f"<Expander {self.shelves!r} {self.expanded} expanded>"

    def drain(self) -> None:
        """Finish the pack under way, then return from `run`."""
        self._draining = True

    async def run(self) -> None:
        """Open packs as they are wanted."""
        looked = busy = 0.0
        while not self._draining:
            try:
                asked, now = await self.shelves.wanted(), time.monotonic()
                # Uncalled it keeps lanes filled while there are packs; without any it looks for what a dead one left.
                if asked or now < busy + UNASKED_SECONDS or now > looked + UNASKED_SECONDS:
                    looked = now
                    while await self.step() and not self._draining:
                        busy = now
            except (QueueDown, QueueFull, OSError):
                # Nothing is lost: what was picked is picked again when its claim ends.
                await asyncio.sleep(0.5)

    async def step(self) -> int:
        """Open what is wanted now; return how many packs that were."""
        picked = await self.shelves.pick(PICKED, CLAIM_MS, self.room.ready)
        for one in picked:
            await self.expand(one)
        return len(picked)

    async def expand(self, picked: Picked) -> None:
        """Put one pack's rows where they belong."""
        lane = Lane.parse(picked.lane)
        now = int(time.time() * 1000)
        try:
            pack = packs.decode(picked.pack)
        except NewerFormat as error:
            _log.warning("a pack of %s stays: %s", picked.lane, error)
            return
        except ValueError as error:
            await self._set_aside(picked, lane, str(error), now)
            return
        mailing = Mailing(Class(lane.cls), lane.pool, lane.tenant, lane.campaign, pack.list_, pack.entry)
        later = await self._too_early(mailing, pack, now)
        parts = await self.sorter.sort(mailing, _records(pack, later), now)
        seen = f"pack:{picked.id.hex()}"
        if len(self.queues) > 1:
            parts, later = await agreed(self.queues[self.shard], seen, 1, parts, later)
        records = _records(pack, later)
        packed = [(picked.lane, at, _again(pack, [pack.rows[n] for n in rows])) for at, rows in later.items()]
        pack.rows = _rest(pack, later)
        for shard, part in parts.items():
            if shard != self.shard:
                await self._elsewhere(shard, seen, mailing, pack, records, part)
        part = parts.get(self.shard, Sorted())
        groups, full = await self._fit(picked, mailing, pack, records, part)
        stopped = sum(one.stopped for one in parts.values())
        await self.shelves.expand(
            picked.id, groups, part.events, totals(mailing, suppressed=stopped), packed + full
        )
        if len(self.queues) > 1:
            await self.queues[self.shard].forget(seen)
        self.expanded += 1

    async def _too_early(self, mailing: Mailing, pack: Pack, now: int) -> Later:
        """Return the positions of the rows whose delivery window is closed, by the time it opens."""
        window = await self._window(mailing)
        later: Later = {}
        if window is not None:
            for at, row in enumerate(pack.rows):
                if wait := wait_ms(window, now, zone(window, row.tz)):
                    later.setdefault(now + wait, []).append(at)
        return later

    async def _window(self, mailing: Mailing) -> Window | None:
        known = self._windows.get(mailing.scope)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        if len(self._windows) >= WINDOWS_KEPT:
            self._windows.clear()
        found = await self.windows(mailing.tenant, mailing.campaign)
        self._windows[mailing.scope] = (time.monotonic() + WINDOW_SECONDS, found)
        return found

    async def _fit(
        self, picked: Picked, mailing: Mailing, pack: Pack, records: Sequence[Record], part: Sorted
    ) -> tuple[list[list[object]], list[tuple[str, int, bytes]]]:
        """Return what goes into lanes now, and what has to wait on its site's own shelf."""
        lanes = list(part.lanes)
        paths = [Lane.parse(lane).path for lane in lanes]
        room = self.room
        rooms = await self.shelves.room(paths, room.seconds, room.path, room.interval) if paths else []
        groups: list[list[object]] = []
        packed: list[tuple[str, int, bytes]] = []
        for lane, free in zip(lanes, rooms, strict=True):
            positions = part.lanes[lane]
            if lane == picked.lane:
                free = len(positions)  # it was asked for
            now, later = positions[:free], positions[free:]
            if now:
                numbered = [(pack.rows[at].number, records[at]) for at in now]
                groups.append([lane, 0, *items(mailing, self.shard, numbered)])
            if later:
                packed.append((lane, 0, _again(pack, [pack.rows[at] for at in later])))
        return groups, packed

    async def _elsewhere(
        self,
        shard: int,
        seen: str,
        mailing: Mailing,
        pack: Pack,
        records: Sequence[Record],
        part: Sorted,
    ) -> None:
        # Another shard's part goes first and is remembered there by the pack's id, so a repeat puts nothing twice.
        groups = [
            [lane, 0, *items(mailing, shard, [(pack.rows[at].number, records[at]) for at in positions])]
            for lane, positions in part.lanes.items()
        ]
        await self.queues[shard].put(seen, 1, groups, part.events)

    async def _set_aside(self, picked: Picked, lane: Lane, why: str, now: int) -> None:
        count = packs.rows(picked.pack)
        told = event(
            "failed", f"{lane.tenant}/pack.{picked.id.hex()}/failed/0", now, tenant=lane.tenant,
            campaign=lane.campaign, count=count, why=f"a pack of recipients can't be read: {why}",
        )  # fmt: skip
        scope = f"{lane.tenant}|{lane.campaign}"
        await self.shelves.expand(picked.id, [], [flat(told)], [(scope, "failed", count)])


def _rest(pack: Pack, later: Later) -> list[PackRow]:
    if not later:
        return pack.rows
    away = {at for positions in later.values() for at in positions}
    return [row for at, row in enumerate(pack.rows) if at not in away]


def _records(pack: Pack, later: Later) -> list[Record]:
    return [packs.record(pack, row) for row in _rest(pack, later)]


def _again(pack: Pack, rows: list[PackRow]) -> bytes:
    return packs.encode(
        Pack(os.urandom(ID_BYTES), pack.entry, pack.stem, pack.born, pack.expires, pack.list_, rows)
    )
