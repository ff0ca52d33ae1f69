"""Campaign totals: counted by the scripts in each shard, summed here, shown to producers in one public HASH."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mta.event import FINAL, flat
from mta.queue import scripts
from mta.queue.control import Gate
from mta.queue.keys import Keys
from mta.queue.link import Client

Scope = tuple[str, str]  # tenant, campaign


class Progress:
    """The totals of campaigns over all shards."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def dirty(self, most: int = 200) -> set[Scope]:
        """Return scopes whose totals changed, and forget that they did; the caller publishes them now."""
        found: set[Scope] = set()
        for shard in range(self.keys.shards):
            for name in await self.client.spop(f"{self.keys.base(shard)}dirty", most) or ():
                tenant, _, campaign = name.decode().partition("|")
                found.add((tenant, campaign))
        return found

    async def totals(self, tenant: str, campaign: str) -> dict[str, int]:
        """Return the totals by event kind, with `queued`: accepted and without a final event yet."""
        rows = [
            await self.client.hgetall(f"{self.keys.base(shard)}count:{tenant}|{campaign}")
            for shard in range(self.keys.shards)
        ]
        return _sum(rows)

    async def publish(self, scopes: Sequence[Scope]) -> list[tuple[dict[str, int], bool]]:
        """Write campaigns' totals where producers read them; return them, and whether the last entry came.

        Two round trips, however many campaigns.
        """
        pipe = self.client.pipeline(transaction=False)
        for tenant, campaign in scopes:
            for shard in range(self.keys.shards):
                pipe.hgetall(f"{self.keys.base(shard)}count:{tenant}|{campaign}")
            pipe.hget(self.keys.campaign(tenant, campaign), "closed")
            pipe.hmget(f"{self.keys.base(0)}gates", *(f"{kind}|{tenant}|{campaign}" for kind in "ck"))
        rows = await pipe.execute()
        width = self.keys.shards + 2
        out = []
        pipe = self.client.pipeline(transaction=False)
        for number, (tenant, campaign) in enumerate(scopes):
            *shards, closed, gates = rows[number * width : (number + 1) * width]
            totals = _sum(shards)
            pipe.hset(self.keys.progress(tenant, campaign), mapping={**totals, **_state(gates)})
            out.append((totals, bool(closed)))
        await pipe.execute()
        return out

    async def again(self, scopes: Iterable[Scope]) -> None:
        """Mark scopes as changed: their totals could not be published."""
        names = [f"{tenant}|{campaign}" for tenant, campaign in scopes]
        if names:
            await self.client.sadd(f"{self.keys.base(0)}dirty", *names)

    async def finish(self, tenant: str, campaign: str, event: dict[str, str]) -> bool:
        """Say that the campaign is finished; False when that had been said."""
        arguments = [f"{tenant}|{campaign}", flat(event)]
        return bool(await scripts.run(self.client, "finish", self.keys.base(0), arguments))


def _state(gates: Sequence[bytes | None]) -> dict[str, str]:
    raw = next((gate for gate in gates if gate), None)
    gate = msgspec.json.decode(raw, type=Gate) if raw else Gate("")
    return {"state": gate.state, "why": gate.reason}


def _sum(rows: Sequence[Mapping[bytes, bytes]]) -> dict[str, int]:
    out: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            if name != b"finished":
                out[name.decode()] = out.get(name.decode(), 0) + int(value)
    out["queued"] = out.get("accepted", 0) - sum(out.get(kind, 0) for kind in FINAL)
    return out
