"""Who stands in a path's orders of virtual time, and with how much: read as draw reads them (docs/redis.md, Take)."""

from dataclasses import dataclass

from mta.message import Lane
from mta.queue.link import Client
from mta.throttle.waiting.facts import Rival, Turn

MOST_TENANTS = 64  # of an order that are looked at, those furthest behind
MOST_CAMPAIGNS = 32  # of a tenant


@dataclass(slots=True)
class Member:
    """A tenant or campaign of an order: its virtual time, its weight, and what waits."""

    name: str
    since: float
    weight: float = 1.0
    waiting: int = 0


class Orders:
    """The orders of one shard."""

    def __init__(self, client: Client, base: str) -> None:
        self.client = client
        self.base = base

    async def turns(self, lane: Lane) -> tuple[Turn | None, Turn | None]:
        """Return the tenant's turn on its path, and the campaign's among its tenant's; None for who stands aside."""
        order = f"{lane.cls}|{lane.path}"
        tenants = await self._members(f"tenants:{order}", "t|", MOST_TENANTS)
        for one in tenants:
            campaigns = await self._campaigns(order, one.name)
            one.waiting = sum(each.waiting for each in campaigns)
            if one.name == lane.tenant:
                own = campaigns
        mine = next((one for one in tenants if one.name == lane.tenant), None)
        if mine is None:
            return None, None
        name = f"your campaign {lane.campaign}" if lane.campaign else "your single mail"
        return _turn(f"tenant {lane.tenant}", lane.tenant, tenants), _turn(name, lane.campaign, own)

    async def higher(self, lane: Lane) -> int:
        """Return how many messages of higher classes stand in lanes of the path, and may go."""
        found = 0
        for cls in range(lane.cls):
            order = f"{cls}|{lane.path}"
            for one in await self._members(f"tenants:{order}", "t|", MOST_TENANTS):
                found += sum(each.waiting for each in await self._campaigns(order, one.name))
        return found

    async def _campaigns(self, order: str, tenant: str) -> list[Member]:
        members = await self._members(f"lanes:{order}|{tenant}", f"c|{tenant}|", MOST_CAMPAIGNS)
        if members:
            lanes = [f"{order}|{tenant}|{one.name}" for one in members]
            pipe = self.client.pipeline(transaction=False)
            pipe.hmget(f"{self.base}shelved", lanes)
            for lane in lanes:
                pipe.llen(f"{self.base}lane:{lane}")
            shelved, *lengths = await pipe.execute()
            for one, packed, length in zip(members, shelved, lengths, strict=True):
                one.waiting = int(packed or 0) + int(length)
        return members

    async def _members(self, key: str, scope: str, most: int) -> list[Member]:
        rows = await self.client.zrange(f"{self.base}{key}", 0, most - 1, withscores=True)
        members = [Member(name.decode(), float(since)) for name, since in rows]
        if members:
            terms = await self.client.hmget(f"{self.base}scopes", [f"{scope}{one.name}" for one in members])
            for one, text in zip(members, terms, strict=True):
                one.weight = float(text.split()[0]) if text else 1.0
        return members


def _turn(name: str, mine: str, members: list[Member]) -> Turn | None:
    own = next((one for one in members if one.name == mine), None)
    if own is None:
        return None
    others = tuple(Rival(one.waiting, one.weight, one.since) for one in members if one is not own)
    return Turn(name, own.weight, own.since, others)
