"""What all mail of a site or a campaign waits for: from counters of lanes and shelves, the wheel by sampling.

The cost grows with the number of lanes, not of messages. A lane's reason is that of its first message, since the
limits it meets are the same for all of them; of many lanes the fullest are asked and the rest counted.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from mta.message import Lane
from mta.queue import packs, scripts
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.place import Place, Wanted, Where, of_item
from mta.queue.standing import Standing
from mta.throttle.waiting.answer import why
from mta.throttle.waiting.shares import Part, merged

MOST_LANES = 200  # of a shard whose reason is asked for
MOST_CALLS = 500  # steps through the wheel of a shard, of 1,000 entries each
STEP = 500


@dataclass(slots=True)
class Whole:
    """The parts, the largest first; `exact` False: the wheel's part was estimated, or small lanes were left out."""

    parts: list[Part] = field(default_factory=list)
    exact: bool = True

    @property
    def count(self) -> int:
        """Messages in all."""
        return sum(part.count for part in self.parts)


class Shares:
    """Counts over every shard, either one site or one campaign ("" = a tenant's single messages)."""

    def __init__(self, client: Client, keys: Keys, standing: Standing) -> None:
        self.client = client
        self.keys = keys
        self.standing = standing

    async def of_site(self, site: str) -> Whole:
        """Return what the mail to a site waits for; what lies in the store is not known to be of a site yet."""
        return await self._all(lambda lane: lane.site == site, f"|{site}|", None)

    async def of_campaign(self, tenant: str, campaign: str) -> Whole:
        """Return what a campaign's mail waits for."""
        scope = (tenant, campaign)
        return await self._all(
            lambda lane: (lane.tenant, lane.campaign) == scope, f"|{tenant}|{campaign}\n", scope
        )

    async def _all(self, fits: Callable[[Lane], bool], text: str, scope: tuple[str, str] | None) -> Whole:
        out, parts = Whole(), list[Part]()
        for shard in range(self.keys.shards):
            parts += [part async for part in self._lanes(shard, fits, scope, out)]
            parts += await self._aside(shard, fits)
            parts += await self._wheel(shard, text, out)
        out.parts = merged(parts)
        return out

    async def _lanes(
        self, shard: int, fits: Callable[[Lane], bool], scope: tuple[str, str] | None, out: Whole
    ) -> AsyncIterator[Part]:
        base = self.keys.base(shard)
        names = await self._names(base, scope)
        lanes = [name for name in names if fits(Lane.parse(name))]
        lengths = await self._many(("LLEN", f"{base}lane:{name}") for name in lanes)
        shelved = await self._many(("HGET", f"{base}shelved", name) for name in lanes)
        filled = sorted(
            (
                (int(length) + int(packed or 0), name)
                for name, length, packed in zip(lanes, lengths, shelved, strict=True)
            ),
            reverse=True,
        )
        for number, (count, name) in enumerate(filled):
            if not count:
                break
            lane = Lane.parse(name)
            if number >= MOST_LANES:
                out.exact = False
                yield Part("small", count)
                continue
            where = Where.STORE if lane.site == "*" else Where.LANE
            answer = why(await self.standing.of(Place(where, shard, lane, "", "", 0, 0)))
            yield Part(answer.reason, count, lane.site if lane.site != "*" else "")

    async def _names(self, base: str, scope: tuple[str, str] | None) -> list[str]:
        if scope is not None:
            name = "|".join(scope)
            orders = await self.client.smembers(f"{base}of:{name}")
            return [f"{order.decode()}|{name}" for order in orders]
        found = set[str]()
        async for key in self.client.scan_iter(f"{base}*", count=1000, _type="list"):
            kind, _, lane = key.decode().removeprefix(base).partition(":")
            if kind in ("lane", "shelf"):
                found.add(lane)
        return sorted(found)

    async def _aside(self, shard: int, fits: Callable[[Lane], bool]) -> list[Part]:
        """Return what is in flight, being opened, or held one by one: exact, since there is little of it."""
        base, parts = self.keys.base(shard), list[Part]()
        for value in await self.client.hvals(f"{base}expanding"):
            head, _, pack = value.partition(b"\n")
            if fits(Lane.parse(head.decode())):
                parts.append(Part("opening", packs.rows(pack)))
        for worker in await self.client.zrange(f"{base}workers", 0, -1):
            cursor, held = 0, 0
            while True:
                cursor, page = await self.client.hscan(f"{base}flight:{worker.decode()}", cursor, count=1000)
                held += sum(fits(_lane(value)) for value in page.values())
                if not cursor:
                    break
            parts.append(Part("in_flight", held))
        for scope in await self.client.hkeys(f"{base}sieve"):
            start = 0
            while page := await self.client.lrange(f"{base}sieved:{scope.decode()}", start, start + 999):
                parts.append(Part("sieved", sum(fits(_lane(entry)) for entry in page)))
                start += len(page)
        return parts

    async def _wheel(self, shard: int, text: str, out: Whole) -> list[Part]:
        """Return what waits for a time. Of a wheel that is larger than the cap every so many buckets are counted."""
        base = self.keys.base(shard)
        buckets = [name.decode() for name in await self.client.zrange(f"{base}wheel", 0, -1)]
        if not buckets:
            return []
        lengths = await self._many(("LLEN", f"{base}wheel:{name}") for name in buckets)
        steps = sum(-(-int(length) // 1000) for length in lengths)
        every = -(-steps // MOST_CALLS)
        out.exact = out.exact and every == 1
        retries = others = seen = 0
        for bucket in buckets[::every]:
            start = 0
            while start >= 0:
                row = await scripts.run(self.client, "look", base, ["wheel", bucket, start, text, "", 0, 1])
                start, rows = row[1], int(row[2])
                seen += rows
                if rows and retries + others < 1000:
                    tried, fresh = await self._tried(base, shard, bucket, text)
                    retries, others = retries + tried, others + fresh
        share = retries / (retries + others) if retries + others else 0.0
        counted = sum(int(length) for length in lengths[::every]) or 1
        whole = seen if every == 1 else round(seen * sum(map(int, lengths)) / counted)
        tried = round(whole * share)
        # Which it is was told by those looked at; they are the same by count only when all were.
        out.exact = out.exact and (share in (0.0, 1.0) or retries + others == whole)
        return [Part("retry", tried), Part("later", whole - tried)]

    async def _tried(self, base: str, shard: int, bucket: str, text: str) -> tuple[int, int]:
        """Return how many of a bucket's first entries were tried before, and how many messages were not."""
        row = await scripts.run(self.client, "look", base, ["wheel", bucket, 0, text, "", 32, 1])
        tried = fresh = 0
        for _, entry in row[3:]:
            head, _, item = entry.partition(b"\n")
            if head.startswith(b"+"):
                fresh += packs.rows(item)
                continue
            place = of_item(item, head.decode(), Wanted(), Where.WHEEL, shard)
            if place is not None and place.attempts:
                tried += 1
            else:
                fresh += 1
        return tried, fresh

    async def _many(self, calls: Iterable[tuple[str, ...]]) -> list[Any]:
        every, found = list(calls), list[Any]()
        for start in range(0, len(every), STEP):
            pipe = self.client.pipeline(transaction=False)
            for call in every[start : start + STEP]:
                pipe.execute_command(*call)
            found += await pipe.execute()
        return found


def _lane(entry: bytes) -> Lane:
    return Lane.parse(entry.partition(b"\n")[0].decode())
