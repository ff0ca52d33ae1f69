"""What many messages share, ready to render: documents from the queue, compiled once and kept in a bounded cache.

Redis holds source documents only (docs/redis.md); what is compiled from them lives and dies with the process.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from mta import tenancy
from mta.dkim.key import KeyFault, Signer
from mta.mime.compile import compile as compile_document
from mta.mime.compiled import Compiled
from mta.mime.document import ContentError, Person, Urls
from mta.mime.mailing import Mailing
from mta.mime.raw import RawContent
from mta.mime.raw import prepare as prepare_raw
from mta.queue.campaigns import Campaigns
from mta.queue.codec import Item
from mta.queue.lanes import Queue
from mta.tenancy import Profile
from mta.throttle.window import Window
from mta.workers.keyring import Keyring

MOST_CONTENTS = 500
DATE = "Thu, 01 Jan 1970 00:00:00 +0000"  # any: two messages are compared that both have it
PROFILE_SECONDS = 5.0


class ContentGone(LookupError):
    """The content a message refers to is not in the queue."""


@dataclass(slots=True)
class Content:
    """One mailing made ready: compiled template, tenant, signers."""

    mailing: Mailing
    profile: Profile
    compiled: Compiled | RawContent
    signers: list[Signer]
    bounce_domain: str
    base_url: str
    list_id: str = ""  # for List-Id and Feedback-ID
    feedback_id: str = ""
    fresh_until: float = 0.0  # loop time at which tenant and keys are looked at again
    made: int = 0  # messages rendered from it
    window: Window | None = None  # when the campaign may send
    shared: bool = False  # all recipients get the same octets from the same return path


@dataclass(frozen=True, slots=True)
class HostNames:
    """The settings' part of a tenant's host names."""

    bounce_domain: str = ""
    track_host: str = ""
    scheme: str = "https"
    base_url: str = ""  # replaces scheme and host: for one engine behind one name


class Contents:
    """Loads contents before a batch is sent; `get` is then immediate."""

    def __init__(
        self,
        campaigns: Campaigns,
        queue: Queue,
        keyring: Keyring,
        hosts: HostNames,
        clock: Callable[[], float],
        *,
        signed_only: bool = False,
    ) -> None:
        self.campaigns = campaigns
        self.queue = queue
        self.keyring = keyring
        self.hosts = hosts
        self.clock = clock
        self.signed_only = signed_only
        self._kept: OrderedDict[tuple[str, str], Content] = OrderedDict()
        self._loading: dict[tuple[str, str], asyncio.Task[Content]] = {}

    def get(self, item: Item) -> Content | None:
        """Return the content of an item if it is at hand and fresh."""
        content = self._kept.get(_key(item))
        if content is None or content.fresh_until < self.clock():
            return None
        return content

    async def load(self, item: Item) -> Content:
        """Return the content of an item, from the cache or the queue.

        Raises ContentGone, ContentError (it can't be compiled), KeyFault (a DKIM key is unusable), QueueDown.
        """
        content = self.get(item)
        if content is not None:
            return content
        key = _key(item)
        task = self._loading.get(key)
        if task is None:
            task = asyncio.ensure_future(self._load(item, key))
            self._loading[key] = task
            task.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(task)

    def forget(self, item: Item) -> None:
        """Let a single message's content go."""
        if item.record.body:
            self._kept.pop(_key(item), None)

    async def _load(self, item: Item, key: tuple[str, str]) -> Content:
        tenant, campaign = item.lane.split("|")[3:]
        # Side by side: somebody may wait for this one message.
        (raw, window), profile_document = await asyncio.gather(
            self._stored(item, tenant, campaign), self.campaigns.tenant(tenant)
        )
        if raw is None:
            raise ContentGone(f"the content of {item.record.name} is no longer in the queue")
        mailing = msgspec.msgpack.decode(raw, type=Mailing)
        known = self._kept.get(key)
        if known is not None and known.mailing == mailing:
            compiled = known.compiled
        elif mailing.raw is not None:
            compiled = prepare_raw(mailing.raw)
        else:
            assert mailing.document is not None
            compiled = compile_document(mailing.document)
        profile = tenancy.decode(profile_document) if profile_document else Profile(tenant)
        signers = await self._signers(mailing.from_domain, profile)
        if self.signed_only and not signers and mailing.raw is None:
            raise KeyFault(
                f"no DKIM key of {mailing.from_domain}: make one with `mta dkim gen {mailing.from_domain}`"
            )
        host = tenancy.track_host(profile, self.hosts.track_host, mailing.from_domain)
        list_ = mailing.list_ or mailing.campaign or tenant
        content = Content(
            mailing=mailing,
            profile=profile,
            compiled=compiled,
            signers=signers,
            bounce_domain=tenancy.bounce_domain(profile, self.hosts.bounce_domain, mailing.from_domain),
            base_url=self.hosts.base_url or f"{self.hosts.scheme}://{host}",
            list_id=f"{list_}.{tenant}.{mailing.from_domain}",
            feedback_id=f"{mailing.campaign}:{list_}:{tenant}:mta",
            fresh_until=self.clock() + PROFILE_SECONDS,
            made=known.made if known is not None else 0,
            window=window,
            shared=_shared(mailing, compiled),
        )
        self._kept[key] = content
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_CONTENTS:
            self._kept.popitem(last=False)
        return content

    async def _stored(self, item: Item, tenant: str, campaign: str) -> tuple[bytes | None, Window | None]:
        if item.record.body:
            return await self.queue.body(item.record.body), None
        return await self.campaigns.mailing(tenant, campaign)

    async def _signers(self, from_domain: str, profile: Profile) -> list[Signer]:
        if not profile.dkim:
            return await self.keyring.signers(from_domain)
        found: list[Signer] = []
        for domain, selector in profile.dkim:
            if domain == from_domain or from_domain.endswith("." + domain):
                found += await self.keyring.signers(domain, (selector,))
        return found


def _shared(mailing: Mailing, compiled: Compiled | RawContent) -> bool:
    """Return whether a message is the same for all its recipients, so that one transaction may serve several.

    Only where the submitter names the return path: our own tells recipients apart (VERP).
    """
    if not (mailing.envelope_from and mailing.message_id):
        return False
    if isinstance(compiled, RawContent):
        return True
    document = mailing.document
    if document is None or document.track_opens or document.track_clicks:
        return False
    values = ["x"] * len(compiled.fields)
    try:
        one, other = (
            compiled.render(Person(f"{who}@x.example", who, values), Urls("", "", "", ""), DATE, "<x@x>", ())
            for who in ("a", "b")
        )
    except ContentError:
        return False
    return (one.fields, one.body) == (other.fields, other.body)


def _key(item: Item) -> tuple[str, str]:
    record = item.record
    return ("body", record.body) if record.body else ("campaign", item.lane.split("|", 3)[3])
