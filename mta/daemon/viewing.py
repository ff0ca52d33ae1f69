"""What the web role needs of content: where a recipient's link leads, and the message as a page."""

import asyncio
from collections import OrderedDict

from mta.archive.archive import Archive, Entry, Recipient
from mta.archive.recipient import list_of, recipient_of
from mta.ingest import convert
from mta.ingest.checked import Message
from mta.ingest.codes import Refused
from mta.ingest.entry import MAIL
from mta.message import Class, MessageId
from mta.mime import mailing as mailings
from mta.mime.compile import compile as compile_document
from mta.mime.compiled import Compiled
from mta.mime.document import ContentError, Person, Urls
from mta.mime.mailing import Mailing
from mta.queue.campaigns import Campaigns
from mta.queue.upkeep import Upkeep

MOST_COMPILED = 200


class Viewing:
    """Looks recipients up and renders for them again, from what is kept."""

    def __init__(self, archive: Archive, upkeep: Upkeep, campaigns: Campaigns) -> None:
        self.archive = archive
        self.upkeep = upkeep
        self.campaigns = campaigns
        self._compiled: OrderedDict[bytes, Compiled] = OrderedDict()

    async def lookup(self, message_id: MessageId) -> Recipient | None:
        """Return whom a message went to: from the archive, else from the entries on their way to it."""
        found = self.archive.remembered(message_id)
        if found is None:
            found = await asyncio.to_thread(self.archive.recipient, message_id)
        if found is not None:
            return found
        row = await self.upkeep.entry(message_id.entry)
        if row is None:
            return None
        ts, cls, kind, tenant, key, campaign, data = row
        entry = Entry(message_id.entry, ts, -1 if cls is None else cls, kind, tenant, key, campaign, data)
        document = await self.campaigns.document(tenant, campaign) if campaign and cls == Class.BULK else None
        return recipient_of(message_id, entry, list_of(document) if document else "")

    async def link_target(self, recipient: Recipient, number: int) -> str | None:
        """Return where a recipient's link leads; None for a link that is not in their mail."""
        compiled = await self._content(recipient)
        if compiled is None:
            return None
        try:
            return compiled.link(number, _person(recipient, compiled))
        except (LookupError, ContentError):
            return None

    async def render(self, recipient: Recipient) -> str | None:
        """Return a recipient's message as HTML, untracked; None when it has none or is no longer kept."""
        compiled = await self._content(recipient)
        if compiled is None:
            return None
        try:
            return compiled.html(_person(recipient, compiled), Urls())
        except ContentError:
            return None

    async def _content(self, recipient: Recipient) -> Compiled | None:
        if recipient.campaign:
            encoded, _ = await self.campaigns.mailing(recipient.tenant, recipient.campaign)
        else:
            encoded = await asyncio.to_thread(self._of_message, recipient)
        if encoded is None:
            return None
        compiled = self._compiled.get(encoded)
        if compiled is None:
            document = mailings.decode(encoded).document
            if document is None:
                return None
            compiled = self._compiled[encoded] = compile_document(document)
            while len(self._compiled) > MOST_COMPILED:
                self._compiled.popitem(last=False)
        return compiled

    def _of_message(self, recipient: Recipient) -> bytes | None:
        entry = self.archive.entry(recipient.id.entry)
        if entry is None:
            return None
        try:
            message = MAIL["message"](entry.data, entry.tenant, entry.key, Class(entry.cls))
        except (Refused, ValueError):
            return None
        assert isinstance(message, Message)
        mailing: Mailing = convert.mailing_of_message(entry.tenant, message)
        return mailings.encode(mailing)


def _person(recipient: Recipient, compiled: Compiled) -> Person:
    columns = recipient.columns
    values = [columns.get(field.name) or field.default or "" for field in compiled.fields]
    return Person(recipient.rcpt, columns.get("name", ""), values)
