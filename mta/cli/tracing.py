"""Everything that is known of a message, gathered: live queue, event streams, archive, and the mail log."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mta.archive.archive import Archive, Entry
from mta.archive.seeking import seek
from mta.cli.loglines import seek_log
from mta.cli.story import Step, steps
from mta.cli.waiting import Asking, Told
from mta.event import FINAL
from mta.queue.history import History, is_final

if TYPE_CHECKING:
    from mta.cli.door import Door

Event = dict[str, str]


@dataclass(slots=True)
class Traced:
    """One message's story; `now` says where it stands, None when it is finished or nothing is known."""

    name: str
    tenant: str
    campaign: str
    rcpt: str
    ref: str = ""
    entry: Entry | None = None
    row: int = -1
    steps: list[Step] = field(default_factory=list)
    now: Told | None = None

    @property
    def final(self) -> str:
        """The kind of its final event, empty while it has none."""
        return next((one.what for one in self.steps if one.what in FINAL), "")


@dataclass(slots=True)
class Found:
    """The messages; `through` is what was looked through, `complete` False: a bound ended the look."""

    messages: list[Traced] = field(default_factory=list)
    through: list[str] = field(default_factory=list)
    complete: bool = True


class Tracing:
    """Gathers; `since` ms since 1970 bounds what is read of the archive."""

    def __init__(
        self, opened: "Door", limit: int, since: int, tell: Callable[[int], None] | None = None
    ) -> None:
        self.opened = opened
        self.asking = Asking(opened, limit, tell)
        self.since = since
        self.directory: Path = opened.settings.paths.archive
        self.log = opened.settings.mail_log

    async def message(self, name: str, tenant: str) -> Found:
        """Return the story of a message id, one per tenant that has such a message."""
        out = Found()
        live = await self.asking.live(name, tenant)
        events = await self._events("id", name, tenant, out)
        if not live.told and not any(is_final(one) for one in events):
            live = await self.asking.live(
                name, tenant
            )  # it may have gone back to its lane behind the first look
        out.complete = out.complete and live.complete
        self._join(out, events, live.told)
        await self._entries(out)
        return out

    async def recipient(self, address: str, tenant: str, most: int) -> Found:
        """Return the stories of an address's messages, the newest `most` of them."""
        out = Found()
        live = await self.asking.waiting(address, tenant, most)
        events = await self._events("rcpt", address, tenant, out)
        out.complete = out.complete and live.complete
        self._join(out, events, live.told)
        out.messages.sort(key=lambda one: one.steps[-1].at if one.steps else 1 << 62)
        if len(out.messages) > most:
            out.messages, out.complete = out.messages[-most:], False
        await self._entries(out)
        return out

    async def _events(self, name: str, value: str, tenant: str, out: Found) -> list[Event]:
        history = History(self.opened.client, self.opened.keys)
        found = await history.of(name, value, tenant)
        out.through.append("event streams" if history.complete else f"the newest {history.looked:,} events")
        if self.directory.is_dir():
            old = await asyncio.to_thread(seek, self.directory, name, value, since_ms=self.since)
            found = old.events + found
            out.through.append(f"the archive ({old.days} days)")
            out.complete = out.complete and old.complete
        elif self.log is not None and self.log.is_file():
            lines = await asyncio.to_thread(seek_log, self.log, name, value)
            known = {(one.get("event"), one.get("ts")) for one in found}
            found = [one for one in lines.events if (one.get("event"), one.get("ts")) not in known] + found
            out.through.append(f"the mail log {self.log}")
            out.complete = out.complete and lines.complete
        return [one for one in found if tenant in ("", one.get("tenant")) and one.get("id")]

    def _join(self, out: Found, events: list[Event], live: list[Told]) -> None:
        by_name: dict[tuple[str, str], list[Event]] = {}
        for event in events:
            by_name.setdefault((event.get("tenant", ""), event["id"]), []).append(event)
        stands = {(one.tenant, one.name): one for one in live}
        for key in dict.fromkeys((*by_name, *stands)):
            own, now = by_name.get(key, []), stands.get(key)
            told = {
                name: next((one[name] for one in own if one.get(name)), "")
                for name in ("campaign", "rcpt", "ref")
            }
            traced = Traced(
                key[1], key[0], told["campaign"], told["rcpt"], told["ref"], steps=steps(own), now=now
            )
            if now is not None:
                traced.campaign, traced.rcpt = now.campaign, now.rcpt
            out.messages.append(traced)

    async def _entries(self, out: Found) -> None:
        if not self.directory.is_dir():
            return
        archive = Archive(self.directory)
        try:
            for one in out.messages:
                row = one.name.rpartition(".")[2]
                one.row = int(row) if row.isdigit() else -1
                one.entry = await self._entry(archive, one)
        finally:
            archive.close()

    async def _entry(self, archive: Archive, one: Traced) -> Entry | None:
        place = one.now.place if one.now else None
        if place is not None and place.id is not None:
            found = await asyncio.to_thread(archive.entry, place.id.entry)
            if found is not None:
                return found
        if not one.campaign:
            # A message's own id is bound to its key for a day.
            stem = one.name.rpartition(".")[0]
            key = await self.opened.client.get(f"{self.opened.keys.base(0)}id:{one.tenant}:{stem}")
            if key is not None:
                return await asyncio.to_thread(archive.entry_by_key, one.tenant, key.decode())
        return await asyncio.to_thread(archive.entry_of, one.tenant, one.campaign, one.name)
