"""Weights, rates and quotas of tenants and campaigns, and limits of sites, where the take script reads them.

docs/redis.md: `scopes`, `limits`. With several shards each holds its share of a rate, so that the sum is never above.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from mta.queue.keys import Keys
from mta.queue.link import Client

BURST_SECONDS = 1.0  # how much of its own rate a tenant or campaign may send at once


@dataclass(frozen=True, slots=True)
class Terms:
    """A tenant's or campaign's share and bounds; rates in messages per second, 0 = none."""

    weight: float = 1.0
    rate: float = 0.0
    per_day: int = 0
    urgent_per_day: int = 0

    def wire(self, shards: int) -> str:
        """As terms.lua reads them: weight, interval and tolerance in ms, messages a day, urgent ones a day."""
        interval = 1000.0 * shards / self.rate if self.rate else 0.0
        tolerance = max(0.0, BURST_SECONDS * 1000 - interval) if self.rate else 0.0
        day, urgent = (-(-count // shards) for count in (self.per_day, self.urgent_per_day))
        return f"{self.weight:g} {interval:.6f} {tolerance:.6f} {day} {urgent}"


@dataclass(frozen=True, slots=True)
class SiteLimits:
    """What one path to a site may do; rate in messages per second (0 = no limit), None = as it is."""

    rate: float | None = None
    burst: float = 1
    connections: int | None = None

    def wire(self, shards: int, until: int = 0) -> str:
        """As permit.lua reads them: interval and tolerance in ms (-1: as it is), connections (0: as it is), end."""
        interval = -1.0 if self.rate is None else 1000.0 / self.rate if self.rate else 0.0
        tolerance = interval * max(self.burst - 1, 0) if interval > 0 else 0.0
        text = f"{interval:.6f} {tolerance:.6f} {self.connections or 0}"
        return f"{text} {until}" if until else text


class Lasting(msgspec.Struct):
    """A limit that ends: when, and what holds after it (empty: nothing)."""

    until: int
    before: str = ""


class TermsBook:
    """Writes terms and limits to every shard."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def set(self, scope: str, terms: Terms) -> None:
        """Set what holds for `t|<tenant>` or `c|<tenant>|<campaign>`; plain terms are not kept."""
        text = "" if terms == Terms() else terms.wire(self.keys.shards)
        await self._write("scopes", scope, text)

    async def set_for(self, scope: str, terms: Terms, until: int) -> None:
        """Set terms that end at `until` (ms since 1970; 0 = they stay); `end_due` brings back what held before."""
        before = await self.client.hget(f"{self.keys.base(0)}scopes", scope)
        if until:
            lasting = Lasting(until, before.decode() if before else "")
            earlier = await self.client.hget(f"{self.keys.base(0)}lasting", scope)
            if earlier:  # a limit on a limit: what holds after both is what held before the first
                lasting.before = msgspec.json.decode(earlier, type=Lasting).before
            await self.client.hset(f"{self.keys.base(0)}lasting", scope, msgspec.json.encode(lasting))
        await self._write("scopes", scope, terms.wire(self.keys.shards))

    async def lift(self, scope: str) -> bool:
        """End a limit before its time; whether there was one."""
        there = await self.client.hget(f"{self.keys.base(0)}scopes", scope) is not None
        await self.client.hdel(f"{self.keys.base(0)}lasting", scope)
        await self._write("scopes", scope, "")
        return there

    async def get(self, scope: str) -> Terms | None:
        """Return what holds for a scope now, None when it has no terms of its own."""
        text = await self.client.hget(f"{self.keys.base(0)}scopes", scope)
        if not text:
            return None
        weight, interval, _, day, urgent = text.decode().split()
        shards = self.keys.shards
        rate = 1000.0 * shards / float(interval) if float(interval) else 0.0
        return Terms(float(weight), rate, int(day) * shards, int(urgent) * shards)

    async def end_due(self, now: int) -> list[str]:
        """Bring back what held before limits whose time is over; return their scopes."""
        ended = []
        rows = await self.client.hgetall(f"{self.keys.base(0)}lasting")
        for scope, text in rows.items():
            lasting = msgspec.json.decode(text, type=Lasting)
            if lasting.until <= now:
                await self._write("scopes", scope.decode(), lasting.before)
                await self.client.hdel(f"{self.keys.base(0)}lasting", scope)
                ended.append(scope.decode())
        return ended

    async def limit_site(self, site: str, limits: SiteLimits, until: int) -> None:
        """Set limits of a site that go before those of the shaping file, until a time (0 = until lifted)."""
        await self._write("limits", f"!{site}", limits.wire(self.keys.shards, until))

    async def replace_sites(self, table: Mapping[str, SiteLimits]) -> None:
        """Write the shaping file's limits; sites it does not name any more lose theirs."""
        for shard in range(self.keys.shards):
            key = f"{self.keys.base(shard)}limits"
            stale = [name for name in await self.client.hkeys(key) if name[:1] != b"!"]
            stale = [name for name in stale if name.decode() not in table]
            pipe = self.client.pipeline(transaction=True)
            if stale:
                pipe.hdel(key, *stale)
            if table:
                pipe.hset(key, mapping={site: one.wire(self.keys.shards) for site, one in table.items()})
            await pipe.execute()

    async def _write(self, table: str, name: str, text: str) -> None:
        for shard in range(self.keys.shards):
            key = f"{self.keys.base(shard)}{table}"
            if text:
                await self.client.hset(key, name, text)
            else:
                await self.client.hdel(key, name)
            if table == "scopes":  # what the old terms keep aside is looked at again now
                await self.client.zadd(f"{self.keys.base(shard)}timed", {name: 0}, xx=True)
