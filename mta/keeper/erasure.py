"""Erasing a person: every place in turn, pass after pass, until a pass finds nothing more.

First the keyed hash that stops new mail goes on the list, so that what is taken in meanwhile ends as `suppressed`. What
is under way is left to end. A process that held an old text in memory may write it after a place was cleaned: the next
pass finds it. An erasure that was cut short is begun again and finds what is left.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mta.archive.archive import Archive
from mta.erasure.subject import GONE, DataSubject
from mta.event import event
from mta.keeper import erasing_files as files
from mta.queue.compacting import compact
from mta.queue.erasing import Erasing
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.suppression import Suppressions

PAUSE: Final = 0.3
LEAST_PASSES: Final = 2

LEFT: Final = (
    "mail that was delivered, and what receiving servers keep",
    "backups, copies and snapshots of Redis and of the state directory, and the files of its replicas",
    "logs and events that were sent elsewhere, and what the web tier keeps",
    "files on other machines of this engine: run `mta erase` there, too",
)
"""What no erasure here can reach."""


@dataclass(frozen=True, slots=True)
class Places:
    """The files of this machine; `mail_log` None: there is none. `reports` is the inbound listener's folder."""

    archive: Archive
    reports: Path
    spool: Path
    journal: Path
    mail_log: Path | None
    transcript: Path


@dataclass(slots=True)
class Erased:
    """What was found and removed, by place; `left`: what could not be reached; `open`: what is to be repeated."""

    found: dict[str, int] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    left: list[str] = field(default_factory=lambda: list(LEFT))
    passes: int = 0

    @property
    def count(self) -> int:
        """How many things were removed or rewritten."""
        return sum(self.found.values())


class Erasure:
    """Erases people, one at a time; `patience` seconds is how long what is under way may take."""

    def __init__(
        self, client: Client, keys: Keys, suppressions: Suppressions, places: Places, patience: float = 90.0
    ) -> None:
        self.client = client
        self.keys = keys
        self.suppressions = suppressions
        self.places = places
        self.patience = patience

    async def run(self, subject: DataSubject, by: str, eid: str) -> Erased:
        """Erase a person; return what was found. Raises QueueDown, QueueFull, Busy and OSError; repeat it then.

        `eid` names the order in the events of dropped mail; neither it nor `by` may hold the address.
        """
        now = int(time.time() * 1000)
        redis = Erasing(self.client, self.keys, self.suppressions, subject)
        out = Erased(found={"suppression lists": await redis.suppress(by, now)})
        told = event("purged", eid, now, by=by, reason=GONE)
        until = time.monotonic() + self.patience
        while True:
            found = await self._pass(redis, subject, told)
            for place, count in found.items():
                out.found[place] = out.found.get(place, 0) + count
            out.passes += 1
            out.open = {
                "submissions not yet read": await redis.unread(),
                "in flight": await redis.in_flight(),
            }
            still = sum(out.open.values())
            if (
                out.passes >= LEAST_PASSES and not still and not any(found.values())
            ) or time.monotonic() > until:
                break
            await asyncio.sleep(PAUSE)
        out.open["places that fill again"] = sum(found.values())
        out.left += await compact(self.client, self.patience)
        if shared := await redis.shared():
            out.left.append(f"the address in {shared} contents that belong to other people's mail, too")
        if subject.tenant:
            out.left.append("reports, sent journals and blobs, which name no tenant: they end by themselves")
        return out

    async def _pass(self, redis: Erasing, subject: DataSubject, told: dict[str, str]) -> dict[str, int]:
        places: dict[str, Callable[[], Awaitable[int]]] = {
            "lanes, shelves and wheel": lambda: redis.waiting(told),
            "entries on their way to the archive": redis.entries,
            "plans of entries": redis.plans,
            "event streams": redis.events,
            "dead letters": redis.dead,
            "audit log": redis.audit,
            "blobs": redis.blobs,
            "failures counted": redis.failures,
            "wishes to be told": redis.wishes,
        }
        found = {place: await erase() for place, erase in places.items()}
        entries, events = await asyncio.to_thread(self.places.archive.erase, subject)
        found["archived entries"], found["archived events"] = entries, events
        found["reports"] = await asyncio.to_thread(files.reports, self.places.reports, subject)
        found["events the web keeps"] = await asyncio.to_thread(files.web_spool, self.places.spool, subject)
        found["sent journals"] = await asyncio.to_thread(files.journals, self.places.journal, subject)
        found["mail log"] = await asyncio.to_thread(files.mail_log, self.places.mail_log, subject)
        found["transcript"] = await asyncio.to_thread(files.transcript, self.places.transcript, subject)
        return found
