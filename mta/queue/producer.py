"""The producer's side of the protocol (docs/protocol.md sections 2, 9 and 12), as any web tier would write it."""

import hashlib

from mta.queue.keys import Keys
from mta.queue.link import Client

PROTOCOL = "1"
BLOB_SECONDS = 604_800


class Producer:
    """Submits entries, and knows when to stop."""

    def __init__(self, client: Client, keys: Keys, submit_limit: int) -> None:
        self.client = client
        self.keys = keys
        self.submit_limit = submit_limit  # counts until the engine has said its own

    async def submit(self, label: str, kind: str, tenant: str, key: str, data: bytes) -> None:
        """Add an entry to the stream of a class, or to `control`; it is accepted when this returns."""
        fields = {"v": PROTOCOL, "kind": kind, "tenant": tenant, "key": key, "data": data}
        await self.client.xadd(f"{self.keys.prefix}submit:{label}", fields)

    async def hindrance(self, label: str) -> str:
        """Return why a producer must wait now, or an empty string."""
        pipe = self.client.pipeline(transaction=False)
        pipe.hmget(self.keys.status, ["accepting", "why", "submit_limit"])
        pipe.xlen(f"{self.keys.prefix}submit:{label}")
        (accepting, why, limit), waiting = await pipe.execute()
        if accepting == b"0":
            return (why or b"the engine accepts no mail now").decode("utf-8", "replace")
        most = int(limit or self.submit_limit)
        return f"{waiting} entries wait to be taken in, the limit is {most}" if waiting > most else ""

    async def blob(self, data: bytes) -> str:
        """Put bytes aside for a week and return their name, the SHA-256."""
        name = hashlib.sha256(data).hexdigest()
        await self.client.set(self.keys.blob(name), data, nx=True, ex=BLOB_SECONDS)
        return name

    async def status(self) -> dict[str, str]:
        """Return the engine's own words about its health; empty when none ever ran here."""
        rows = await self.client.hgetall(self.keys.status)
        return {name.decode(): value.decode("utf-8", "replace") for name, value in rows.items()}

    async def progress(self, tenant: str, campaign: str) -> dict[str, int]:
        """Return a campaign's running totals as published, at most a second old; empty before the first."""
        rows = await self.client.hgetall(self.keys.progress(tenant, campaign))
        return {name.decode(): int(value) for name, value in rows.items() if name not in (b"state", b"why")}
