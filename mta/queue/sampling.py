"""Some of the people of a campaign that waits, wherever they wait. Nothing here changes a key.

The draw goes over packs and lanes by how many people they hold, and over the first entries of the wheel; a seed gives
the same people again for as long as nobody moves.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from mta.message import MessageId
from mta.queue import codec, packs
from mta.queue.codec import Item
from mta.queue.keys import Keys
from mta.queue.link import Client

MAX_BUCKETS = 200  # of the wheel, looked at in a shard
MAX_ENTRIES = 2000  # of one bucket
TRIES = 8  # draws for each person who is wanted: some are drawn twice

Pick = Callable[[Random], Awaitable[Item | None]]


@dataclass(frozen=True, slots=True)
class Source:
    """Where people of the campaign wait: how many, and how one of them is picked."""

    people: int
    pick: Pick


class Sampling:
    """Draws people of campaigns."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def people(self, tenant: str, campaign: str, most: int, seed: int) -> list[Item]:
        """Return up to `most` people of a campaign who wait, by name; an empty list when nobody does."""
        sources = [
            source
            for shard in range(self.keys.shards)
            for source in await self._sources(tenant, campaign, shard)
        ]
        random, found = Random(seed), dict[str, Item]()
        weights = [source.people for source in sources]
        for _ in range(most * TRIES if sources else 0):
            (source,) = random.choices(sources, weights)
            item = await source.pick(random)
            if item is not None:
                found[item.record.name] = item
            if len(found) == most:
                break
        return [found[name] for name in sorted(found)]

    async def _sources(self, tenant: str, campaign: str, shard: int) -> list[Source]:
        base, out = self.keys.base(shard), list[Source]()
        for order in sorted(await self.client.smembers(f"{base}of:{tenant}|{campaign}")):
            lane = f"{order.decode()}|{tenant}|{campaign}"
            if length := int(await self.client.llen(f"{base}lane:{lane}")):
                out.append(Source(length, self._of_list(f"{base}lane:{lane}", lane, length)))
            if rows := int(await self.client.hget(f"{base}shelved", lane) or 0):
                length = int(await self.client.llen(f"{base}shelf:{lane}"))
                out.append(Source(rows, self._of_shelf(f"{base}shelf:{lane}", lane, length)))
        end = f"|{tenant}|{campaign}".encode()
        for bucket in await self.client.zrange(f"{base}wheel", 0, MAX_BUCKETS - 1):
            for entry in await self.client.lrange(f"{base}wheel:{bucket.decode()}", 0, MAX_ENTRIES - 1):
                name, _, payload = entry.partition(b"\n")
                if name.endswith(end):
                    lane = name.decode().lstrip("+")
                    packed = name.startswith(b"+")
                    out.append(Source(packs.rows(payload) if packed else 1, _of_entry(payload, lane, packed)))
        return out

    def _of_list(self, key: str, lane: str, length: int) -> Pick:
        async def pick(random: Random) -> Item | None:
            raw = await self.client.lindex(key, random.randrange(length))
            return codec.decode(raw, lane) if raw else None

        return pick

    def _of_shelf(self, key: str, lane: str, length: int) -> Pick:
        async def pick(random: Random) -> Item | None:
            raw = await self.client.lindex(key, random.randrange(length)) if length else None
            return _of_pack(raw, lane, random) if raw else None

        return pick


def _of_entry(payload: bytes, lane: str, packed: bool) -> Pick:
    async def pick(random: Random) -> Item | None:
        return _of_pack(payload, lane, random) if packed else codec.decode(payload, lane)

    return pick


def _of_pack(raw: bytes, lane: str, random: Random) -> Item:
    pack = packs.decode(raw)
    row = random.choice(pack.rows)
    return Item(MessageId(0, pack.entry, row.number).pack(), lane, packs.record(pack, row))
