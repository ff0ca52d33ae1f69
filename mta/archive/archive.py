"""The archive: what was accepted and what became of it, kept after Redis has forgotten it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mta.archive.days import day_of
from mta.archive.entries import Entries
from mta.archive.entries import Entry as Entry
from mta.archive.log import EventLog
from mta.archive.recipient import Recipient as Recipient
from mta.archive.recipient import Rows, list_of
from mta.erasure import documents
from mta.erasure.subject import DataSubject
from mta.identity import entry_stem, message_id
from mta.message import Class, MessageId

FOREVER = 1 << 62
LISTS_KEPT = 10_000


class Archive:
    """Daily files in one directory: one process writes, any number read. Calls block: use threads in a loop."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._entries = Entries(directory)
        self._events = EventLog(directory)
        self._rows = Rows()
        self._lists: dict[tuple[str, str], str] = {}

    def add_entries(self, entries: Sequence[Entry]) -> None:
        """Keep accepted entries; on disk at return. The same number again replaces the entry."""
        self._entries.add(entries)

    def entry(self, seq: int) -> Entry | None:
        """Return the entry with this number."""
        return self._entries.get(seq)

    def entry_by_key(self, tenant: str, key: str) -> Entry | None:
        """Return the newest entry that a tenant submitted under an idempotency key."""
        return self._entries.by_key(tenant, key)

    def entry_of(self, tenant: str, campaign: str, name: str) -> Entry | None:
        """Return the entry that a message was submitted in, by its public name; None when it can't be told.

        Names are made from keys; a `message` that was given an id of its own is found by its key alone.
        """
        stem = name.rpartition(".")[0]
        kind = "recipients" if campaign else "message"
        for seq, key in self._entries.keys_of(tenant, campaign, kind):
            made = entry_stem(tenant, campaign, key) if campaign else message_id(tenant, key)
            if made == stem:
                return self._entries.get(seq)
        return None

    def campaign(self, tenant: str, campaign: str) -> Entry | None:
        """Return the newest document of a campaign."""
        return self._entries.campaign(tenant, campaign)

    def recipient(self, id_: MessageId) -> Recipient | None:
        """Return whom a message went to; None when its entry is not (or no longer) in the archive."""
        entry = self._entries.get(id_.entry)
        if entry is None:
            return None
        list_ = ""
        if entry.kind == "recipients" and entry.cls == Class.BULK:
            campaign = self._entries.campaign(entry.tenant, entry.campaign)
            list_ = list_of(campaign.data) if campaign else ""
            if len(self._lists) >= LISTS_KEPT:
                self._lists.clear()
            # A campaign that has recipients never gets another document.
            self._lists[entry.tenant, entry.campaign] = list_
        return self._rows.recipient(id_, entry, list_)

    def remembered(self, id_: MessageId) -> Recipient | None:
        """As `recipient`, from memory alone: None also when that does not hold it. Never waits for files."""
        entry = self._entries.remembered(id_.entry)
        if entry is None:
            return None
        if entry.kind == "recipients" and entry.cls == Class.BULK:
            list_ = self._lists.get((entry.tenant, entry.campaign))
            return None if list_ is None else self._rows.recipient(id_, entry, list_)
        return self._rows.recipient(id_, entry)

    def add_events(self, events: Sequence[Mapping[str, str]]) -> None:
        """Append events to the files of their days; on disk after `sync`."""
        self._events.add(events)

    def sync(self) -> None:
        """Return when every event added is on disk."""
        self._events.sync()

    def events(
        self, since_ms: int = 0, until_ms: int = FOREVER, **where: str | frozenset[str]
    ) -> Iterator[dict[str, str]]:
        """Yield events with since <= ts < until, oldest day first, at least once each.

        `where` names fields and the value, or set of values, they must have: `events(tenant="acme",
        event=frozenset({"opened", "clicked"}))`.
        """
        return self._events.read(since_ms, until_ms, where)

    def erase(self, subject: DataSubject) -> tuple[int, int]:
        """Rewrite what names a person without them; return how many entries and how many events. On disk at return.

        May be repeated, and be called while another process appends.
        """

        def document(entry: Entry) -> bytes | None:
            if not subject.concerns(entry.tenant):
                return None
            return documents.without(subject, entry.kind, entry.data)

        return self._entries.rewrite(document), self._events.rewrite(subject.event)

    def prune(self, now: float, keep_entries: float, keep_events: float) -> int:
        """Remove days that ended longer ago than the two times (all in seconds); return how many files."""
        entries = self._entries.prune(day_of(int((now - keep_entries) * 1000)))
        return entries + self._events.prune(day_of(int((now - keep_events) * 1000)))

    def close(self) -> None:
        """Write events out and close all files."""
        self._events.sync()
        self._entries.close()
