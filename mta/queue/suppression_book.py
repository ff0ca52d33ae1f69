"""Suppression lists as a person sees them: what holds of an address, all of a tenant's, what failed so far."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from mta.queue.link import Client
from mta.queue.suppression import DIGEST, PLATFORM, Entry, Suppressions, decode

PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry: whose (empty: the platform's), of which list (empty: all), by digest; the address if it is kept."""

    tenant: str
    list_: str
    digest: bytes
    address: str
    entry: Entry


class SuppressionBook:
    """Reads the lists."""

    def __init__(self, suppressions: Suppressions) -> None:
        self.suppressions = suppressions
        self.client: Client = suppressions.client
        self.keys = suppressions.keys

    async def lists(self) -> list[tuple[str, str]]:
        """Return tenant and list of every suppression list that ever had an entry, in order."""
        fields = await self.client.hkeys(self.keys.suppressing)
        names = [field.decode().partition("|") for field in fields]
        return sorted((tenant, list_) for tenant, bar, list_ in names if bar)

    async def of(self, address: str, tenant: str | None = None) -> list[Listed]:
        """Return what is said of an address or `@domain`: by one tenant and the platform, or by all."""
        wanted = (address, "@" + address.rpartition("@")[2])
        digests = {self.suppressions.digest(one): one for one in dict.fromkeys(wanted)}
        scopes = [scope for scope in await self.lists() if tenant is None or scope[0] in (tenant, PLATFORM)]
        pipe = self.client.pipeline(transaction=False)
        for scope in scopes:
            pipe.hmget(self.keys.suppression(*scope), list(digests))
        found = []
        for scope, row in zip(scopes, await pipe.execute() if scopes else [], strict=True):
            for (digest, text), value in zip(digests.items(), row, strict=True):
                if value is not None:
                    found.append(Listed(*scope, digest, text, decode(value)))
        return found

    async def every(self, tenant: str, list_: str | None = None) -> AsyncIterator[Listed]:
        """Yield a tenant's entries, of one list or of all; one that changes meanwhile may come twice or not at all."""
        for owner, name in await self.lists():
            if owner != tenant or (list_ is not None and name != list_):
                continue
            cursor = 0
            while True:
                cursor, rows = await self.client.hscan(self.keys.suppression(owner, name), cursor, count=PAGE)
                for digest, value in rows.items():
                    if len(digest) == DIGEST:
                        entry = decode(value)
                        yield Listed(owner, name, digest, self.suppressions.address(entry), entry)
                if not cursor:
                    break
