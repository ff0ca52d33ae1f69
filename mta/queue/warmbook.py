"""How far sources have warmed up: position, caps and counts, where take and settle use them (docs/redis.md)."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.throttle.warmup import Counts, Position

Rung = tuple[str, str]  # source and provider; "*": all sites that have no ladder of their own, together
REST = "*"


class WarmBook:
    """Reads and writes on every shard. A cap for all other sites is shared out among the shards."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    def __repr__(self) -> str:
        return f"<WarmBook {self.keys.base(0)}>"

    async def now(self) -> int:
        """Return the server's time, ms since 1970: its days are those that mail is counted by."""
        seconds, micros = await self.client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def positions(self) -> dict[Rung, Position]:
        """Return where every source stands with every provider."""
        rows = await self.client.hgetall(self._home)
        return {_rung(name): msgspec.json.decode(text, type=Position) for name, text in rows.items()}

    async def move(self, positions: Mapping[Rung, Position]) -> None:
        """Write positions."""
        if positions:
            rows = {"|".join(rung): msgspec.json.encode(one) for rung, one in positions.items()}
            await self.client.hset(self._home, mapping=rows)

    async def counts(self, day: int) -> dict[Rung, Counts]:
        """Return what became of the mail that was taken on a day, over all shards."""
        found: dict[Rung, Counts] = {}
        for shard in range(self.keys.shards):
            rows = await self.client.hgetall(f"{self.keys.base(shard)}used:{day}")
            for name, text in rows.items():
                source, provider, *kind = name.decode().split("|")
                one = found.get((source, provider), Counts())
                member = kind[0] if kind else "taken"
                found[source, provider] = replace(one, **{member: getattr(one, member) + int(text)})
        return found

    async def allow(self, caps: Mapping[Rung, tuple[int, int]]) -> bool:
        """Say what may be sent a day (-1: any number), and within how many days its recipients shall have shown
        themselves; rungs that are not named send nothing. Whether that changed anything.
        """
        changed = False
        for shard in range(self.keys.shards):
            base = self.keys.base(shard)
            known = await self.client.hgetall(f"{base}warming")
            rows = {
                "|".join(rung): f"{self.share(rung, most)} {days}".encode()
                for rung, (most, days) in caps.items()
            }
            news = {name: text for name, text in rows.items() if known.get(name.encode()) != text}
            stale = [name for name in known if name.decode() not in rows]
            if not news and not stale:
                continue
            changed = True
            pipe = self.client.pipeline(transaction=True)
            if news:
                pipe.hset(f"{base}warming", mapping=news)
            if stale:
                pipe.hdel(f"{base}warming", *stale)
            # What had sent its day's mail is looked at again now; so is what counted among all others so far.
            touched = {*news, *(name.decode() for name in stale)}
            touched |= {f"{name.partition('|')[0]}|{REST}" for name in touched}
            pipe.zadd(f"{base}timed", {f"w|{name}": 0 for name in touched}, xx=True)
            await pipe.execute()
        return changed

    def share(self, rung: Rung, most: int) -> int:
        """Return a shard's part of a cap: of a provider that lies in one shard all of it."""
        return most if rung[1] != REST or most < 0 else most // self.keys.shards

    @property
    def _home(self) -> str:
        return f"{self.keys.base(0)}warmup"


def _rung(name: bytes) -> Rung:
    source, _, provider = name.decode().partition("|")
    return source, provider
