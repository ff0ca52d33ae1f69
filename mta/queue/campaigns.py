"""The registry of campaigns and tenants: their documents as submitted, read by ingest, workers and web."""

from dataclasses import dataclass

import msgspec

from mta.message import Class
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.throttle.window import Window

_DIGEST = "digest"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Window).decode


@dataclass(frozen=True, slots=True)
class Campaign:
    """A registered campaign: its document as submitted, the class of its stream, and its digest."""

    tenant: str
    id: str
    cls: Class
    document: bytes
    mailing: bytes  # the checked form that workers read (mta.mime.mailing)
    digest: bytes
    created: int  # ms since 1970
    started: bool  # recipients have been accepted
    window: Window | None = None  # when it may send


class Campaigns:
    """Documents of campaigns and tenants in Redis."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def standing(self, campaign: Campaign) -> str:
        """Return what `define` would return."""
        key = self.keys.campaign(campaign.tenant, campaign.id)
        digest, started = await self.client.hmget(key, [_DIGEST, "started"])
        if digest == campaign.digest:
            return "repeat"
        if digest is None:
            return "new"
        return "conflict" if started else "replaced"

    async def define(self, campaign: Campaign) -> str:
        """Register a campaign; return "new", "repeat" (same content), "replaced" or "conflict".

        Other content under a known id is a conflict once recipients have been accepted.
        """
        key = self.keys.campaign(campaign.tenant, campaign.id)
        standing = await self.standing(campaign)
        if standing in ("repeat", "conflict"):
            return standing
        pipe = self.client.pipeline(transaction=True)
        # Listed first: in a cluster these are two steps, and one that is not listed would never be forgotten.
        pipe.zadd(self.keys.campaigns, {f"{campaign.tenant}|{campaign.id}": campaign.created})
        pipe.hset(
            key,
            mapping={
                _DIGEST: campaign.digest,
                "document": campaign.document,
                "mailing": campaign.mailing,
                "cls": int(campaign.cls),
                "created": campaign.created,
                "window": _encode(campaign.window) if campaign.window else b"",
            },
        )
        await pipe.execute()
        return standing

    async def get(self, tenant: str, campaign: str) -> Campaign | None:
        """Return a registered campaign."""
        row = await self.client.hmget(
            self.keys.campaign(tenant, campaign),
            ["document", "cls", _DIGEST, "created", "started", "mailing", "window"],
        )
        if row[0] is None:
            return None
        return Campaign(
            tenant, campaign, Class(int(row[1])), row[0], row[5], row[2], int(row[3]), bool(row[4]),
            _decode(row[6]) if row[6] else None,
        )  # fmt: skip

    async def document(self, tenant: str, campaign: str) -> bytes | None:
        """Return a campaign's JSON document as submitted."""
        value: bytes | None = await self.client.hget(self.keys.campaign(tenant, campaign), "document")
        return value

    async def mailing(self, tenant: str, campaign: str) -> tuple[bytes | None, Window | None]:
        """Return a campaign in the form that workers read, and when it may send."""
        names = ["mailing", "window"]
        mailing, window = await self.client.hmget(self.keys.campaign(tenant, campaign), names)
        return mailing, _decode(window) if window else None

    async def window(self, tenant: str, campaign: str) -> Window | None:
        """Return when a campaign may send; None = always."""
        value = await self.client.hget(self.keys.campaign(tenant, campaign), "window")
        return _decode(value) if value else None

    async def start(self, tenant: str, campaign: str) -> None:
        """Note that recipients have been accepted: the content is fixed from now on."""
        await self.client.hset(self.keys.campaign(tenant, campaign), "started", 1)

    async def close(self, tenant: str, campaign: str, by: str) -> None:
        """Note that the last recipients entry came, and its stream id: the campaign may finish."""
        pipe = self.client.pipeline(transaction=False)
        pipe.hsetnx(self.keys.campaign(tenant, campaign), "closed", by)
        pipe.sadd(f"{self.keys.base(0)}dirty", f"{tenant}|{campaign}")
        await pipe.execute()

    async def closed(self, tenant: str, campaign: str) -> str:
        """Return the stream id of the entry that closed the campaign, "" when it takes recipients."""
        value = await self.client.hget(self.keys.campaign(tenant, campaign), "closed")
        return value.decode() if value else ""

    async def older(self, before: int, most: int = 200) -> list[tuple[str, str]]:
        """Return (tenant, campaign) that arrived before a time (ms since 1970), oldest first."""
        rows = await self.client.zrangebyscore(self.keys.campaigns, "-inf", before, start=0, num=most)
        return [tuple(row.decode().split("|", 1)) for row in rows]

    async def forget(self, tenant: str, campaign: str) -> None:
        """Remove a campaign and its totals; its events stay in the archive."""
        pipe = self.client.pipeline(transaction=False)
        pipe.delete(self.keys.campaign(tenant, campaign))
        pipe.delete(self.keys.progress(tenant, campaign))
        for shard in range(self.keys.shards):
            pipe.delete(f"{self.keys.base(shard)}count:{tenant}|{campaign}")
            pipe.hdel(f"{self.keys.base(shard)}scopes", f"c|{tenant}|{campaign}")
            pipe.hdel(f"{self.keys.base(shard)}pace", f"c|{tenant}|{campaign}")
        await pipe.execute()
        await self.client.zrem(self.keys.campaigns, f"{tenant}|{campaign}")  # last: else nobody would finish

    async def list(self, most: int = 1000) -> list[tuple[str, str]]:
        """Return (tenant, campaign), newest first."""
        rows = await self.client.zrevrange(self.keys.campaigns, 0, most - 1)
        return [tuple(row.decode().split("|", 1)) for row in rows]

    async def tenant(self, tenant: str) -> bytes | None:
        """Return a tenant's JSON document, or None when it has none."""
        value: bytes | None = await self.client.get(self.keys.tenant(tenant))
        return value

    async def define_tenant(self, tenant: str, document: bytes) -> None:
        """Register or replace a tenant."""
        pipe = self.client.pipeline(transaction=True)
        pipe.sadd(self.keys.tenants, tenant)
        pipe.set(self.keys.tenant(tenant), document)
        await pipe.execute()

    async def tenants(self) -> dict[str, object]:
        """Return the tenants that have a document, decoded."""
        names = sorted(await self.client.smembers(self.keys.tenants))
        documents = (
            await self.client.mget([self.keys.tenant(name.decode()) for name in names]) if names else []
        )
        return {n.decode(): msgspec.json.decode(d) for n, d in zip(names, documents, strict=True) if d}
