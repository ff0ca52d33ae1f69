"""Addresses that get no mail: per tenant, per list of a tenant, never across tenants (promise P12).

Only a keyed hash of the address is stored; the key is a credential outside Redis, so a copy of the
database does not tell who unsubscribed.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from mta.queue.keys import Keys
from mta.queue.link import Client

BULK_ONLY = frozenset({"complained", "complaint", "unsubscribed", "unsubscribe"})

PLATFORM = ""  # the tenant of entries that operators and erasure make for all


class Entry(msgspec.Struct, array_like=True):
    """Why an address is suppressed."""

    reason: str
    by: str
    ts: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class Suppressions:
    """The suppression lists; `secret` keys the address hash."""

    def __init__(self, client: Client, keys: Keys, secret: bytes) -> None:
        self.client = client
        self.keys = keys
        self._hash = hashlib.blake2b(key=secret[:64], digest_size=16, person=b"mta suppress")

    def digest(self, address: str) -> bytes:
        """Return the keyed hash of an address; case does not matter, since people retype theirs."""
        state = self._hash.copy()
        state.update(address.lower().encode())
        return state.digest()

    async def add(
        self, tenant: str, list_: str, addresses: Sequence[str], reason: str, by: str, ts: int
    ) -> int:
        """Suppress addresses for a tenant (`list_` empty: all its bulk mail); return how many are new."""
        if not addresses:
            return 0
        value = _encode(Entry(reason, by, ts))
        rows = {self.digest(address): value for address in addresses}
        return int(await self.client.hset(self.keys.suppression(tenant, list_), mapping=rows))

    async def remove(self, tenant: str, list_: str, addresses: Sequence[str]) -> int:
        """Lift suppressions; return how many there were."""
        if not addresses:
            return 0
        digests = [self.digest(address) for address in addresses]
        return int(await self.client.hdel(self.keys.suppression(tenant, list_), *digests))

    async def find(
        self, tenant: str, list_: str, addresses: Sequence[str], *, bulk: bool = True
    ) -> list[str]:
        """Return for each address the reason it is suppressed, or an empty string.

        Looks in the list, in the tenant's own entries and in the platform's. Mail that is not bulk is stopped by
        bad addresses alone, not by a complaint or an unsubscribe (docs/protocol.md).
        """
        out = [""] * len(addresses)
        if not addresses:
            return out
        scopes = [(tenant, ""), (PLATFORM, "")] + ([(tenant, list_)] if list_ else [])
        # Most lists are empty: asking that first saves hashing, sending and reading nothing 256 times.
        pipe = self.client.pipeline(transaction=False)
        for scope in scopes:
            pipe.exists(self.keys.suppression(*scope))
        filled = [scope for scope, exists in zip(scopes, await pipe.execute(), strict=True) if exists]
        if not filled:
            return out
        digests = [self.digest(address) for address in addresses]
        pipe = self.client.pipeline(transaction=False)
        for scope in filled:
            pipe.hmget(self.keys.suppression(*scope), digests)
        for row in await pipe.execute():
            for number, value in enumerate(row):
                if value is not None and not out[number]:
                    reason = _decode(value).reason
                    if bulk or reason not in BULK_ONLY:
                        out[number] = reason
        return out
