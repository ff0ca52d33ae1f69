"""Failures of addresses that are not certain yet, until there are enough of them or one is delivered to."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from mta.bounce.strikes import KEPT_MS, Strike
from mta.queue.keys import Keys
from mta.queue.link import Client

PAGE: Final = 1000

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Strike]).decode


class StrikeBook:
    """Per tenant, by the keyed digest of an address or of `@domain`."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def tenants(self, tenants: Iterable[str]) -> set[str]:
        """Return those tenants that have failures on record."""
        names = list(tenants)
        rows = await self.client.smismember(self.keys.striking, names) if names else []
        return {name for name, there in zip(names, rows, strict=True) if there}

    async def read(self, tenant: str, digests: Sequence[bytes]) -> dict[bytes, list[Strike]]:
        """Return what is on record of these, an empty list where there is nothing."""
        if not digests:
            return {}
        rows = await self.client.hmget(self.keys.strikes(tenant), list(digests))
        return {
            digest: _decode(row) if row is not None else [] for digest, row in zip(digests, rows, strict=True)
        }

    async def write(self, tenant: str, found: Mapping[bytes, Sequence[Strike]]) -> None:
        """Write what is on record; an empty one is forgotten."""
        full = {digest: _encode(strikes) for digest, strikes in found.items() if strikes}
        gone = [digest for digest, strikes in found.items() if not strikes]
        pipe = self.client.pipeline(transaction=False)
        if full:
            pipe.sadd(self.keys.striking, tenant)
            pipe.hset(self.keys.strikes(tenant), mapping=full)
        if gone:
            pipe.hdel(self.keys.strikes(tenant), *gone)
        if full or gone:
            await pipe.execute()

    async def sweep(self, now: int) -> None:
        """Forget what no longer counts. `now` in ms since 1970."""
        for tenant in await self.client.smembers(self.keys.striking):
            key, cursor = self.keys.strikes(tenant.decode()), 0
            while True:
                cursor, rows = await self.client.hscan(key, cursor, count=PAGE)
                old = [
                    digest
                    for digest, row in rows.items()
                    if all(ts <= now - KEPT_MS for _, _, ts in _decode(row))
                ]
                if old:
                    await self.client.hdel(key, *old)
                if not cursor:
                    break
