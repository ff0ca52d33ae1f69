"""Dropping single messages from wherever they wait: a purge by domain, recipient or message.

Lanes and the wheel are gone through in steps by a script; packs are opened here and put back without the rows.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from mta.erasure.subject import folded
from mta.event import flat
from mta.identity import recipient_id
from mta.message import ID_BYTES, Lane
from mta.queue import packs, scripts
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.packs import Pack, PackRow

STEP = 500  # keys in one round of a scan
OWN = frozenset({"eid", "id", "tenant", "campaign", "rcpt", "ref", "count"})  # fields of each message's event
EXPANDING_SECONDS = 10.0  # packs being opened become items within this, or are looked at where they lie


@dataclass(frozen=True, slots=True)
class Mark:
    """What is dropped: mail of a `domain`, `recipient` or `site`, or a `message` of a tenant.

    `person` is a recipient who is erased: the value is folded (mta.erasure.subject), and no event names them.
    """

    kind: str
    value: str
    tenant: str = ""

    @property
    def scope(self) -> str:
        """In the gates' spelling."""
        if self.kind in ("message", "campaign"):
            return f"{self.kind[0]}|{self.tenant}|{self.value}"
        return f"{self.kind[0]}|{self.value}"

    def hits(self, lane: Lane, pack: Pack, row: PackRow) -> bool:
        """Whether a pack's row is meant."""
        match self.kind:
            case "site":
                return lane.site == self.value
            case "domain":
                return row.rcpt.endswith("@" + self.value)
            case "recipient":
                return row.rcpt == self.value and self.tenant in ("", lane.tenant)
            case "person":
                return folded(row.rcpt) == self.value and self.tenant in ("", lane.tenant)
        return lane.tenant == self.tenant and recipient_id(pack.stem, row.number) == self.value


class Sifting:
    """Purges by mark, over all shards."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def purge(self, mark: Mark, told: dict[str, str]) -> int:
        """Drop what waits and is meant; return how many. `told` is the event of each, without its own fields."""
        dropped = 0
        for shard in range(self.keys.shards):
            base = self.keys.base(shard)
            dropped += await self._shelves(base, mark, told)
            await self._expanded(base)
            dropped += await self._claims(base, mark, told)
            # Packs that were being opened may have left rows on the shelves of their sites.
            dropped += await self._shelves(base, mark, told)
            for kind in ("lane", "wheel", "sieved"):
                async for name in self._names(base, kind):
                    dropped += await self._list(base, kind, name, mark, told)
            dropped += await self._wheel_packs(base, mark, told)
        return dropped

    async def sieved(self, mark: Mark, told: dict[str, str]) -> int:
        """Drop what is meant of the messages that a held domain, person or message keeps."""
        dropped = 0
        for shard in range(self.keys.shards):
            base = self.keys.base(shard)
            for scope in await self.client.hkeys(f"{base}sieve"):
                dropped += await self._list(base, "sieved", scope.decode(), mark, told)
        return dropped

    async def _names(self, base: str, kind: str) -> AsyncIterator[str]:
        start = f"{base}{kind}:"
        async for key in self.client.scan_iter(f"{start}*", count=STEP):
            yield key.decode().removeprefix(start)

    async def _list(self, base: str, kind: str, name: str, mark: Mark, told: dict[str, str]) -> int:
        if mark.tenant and kind == "lane" and Lane.parse(name).tenant != mark.tenant:
            return 0
        fields = [part for pair in told.items() if pair[0] not in OWN for part in pair]
        dropped = left = 0
        while True:
            arguments = [kind, name, left, mark.scope, mark.tenant, fields]
            count, left = await scripts.run(self.client, "sift", base, arguments)
            dropped += int(count)
            if not left:
                return dropped

    async def _expanded(self, base: str) -> None:
        try:
            async with asyncio.timeout(EXPANDING_SECONDS):
                while await self.client.hlen(f"{base}expanding"):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pass

    async def _claims(self, base: str, mark: Mark, told: dict[str, str]) -> int:
        dropped = 0
        for claim, held in (await self.client.hgetall(f"{base}expanding")).items():
            lane, _, raw = held.partition(b"\n")
            dropped += await self._repack(base, "expanding", claim, lane.decode(), raw, mark, told)
        return dropped

    async def _shelves(self, base: str, mark: Mark, told: dict[str, str]) -> int:
        dropped = 0
        for name in await self.client.hkeys(f"{base}shelved"):
            lane = name.decode()
            for raw in await self.client.lrange(f"{base}shelf:{lane}", 0, -1):
                dropped += await self._repack(base, "shelf", lane, lane, raw, mark, told)
        return dropped

    async def _wheel_packs(self, base: str, mark: Mark, told: dict[str, str]) -> int:
        dropped = 0
        async for bucket in self._names(base, "wheel"):
            for entry in await self.client.lrange(f"{base}wheel:{bucket}", 0, -1):
                if entry.startswith(b"+"):
                    lane, _, raw = entry[1:].partition(b"\n")
                    dropped += await self._repack(base, "wheel", bucket, lane.decode(), raw, mark, told)
        return dropped

    async def _repack(
        self,
        base: str,
        kind: str,
        name: str | bytes,
        lane_name: str,
        raw: bytes,
        mark: Mark,
        told: dict[str, str],
    ) -> int:
        lane = Lane.parse(lane_name)
        if mark.tenant and lane.tenant != mark.tenant:
            return 0
        try:
            pack = packs.decode(raw)
        except ValueError:
            return 0  # a newer engine's, or one that its expander sets aside
        gone = [row for row in pack.rows if mark.hits(lane, pack, row)]
        if not gone:
            return 0
        pack.rows = [row for row in pack.rows if row not in gone]
        pack.id = os.urandom(ID_BYTES)
        events = []
        for row in gone:
            own = recipient_id(pack.stem, row.number)
            fields = told | {"eid": f"{lane.tenant}/{own}/purged", "id": own, "tenant": lane.tenant}
            fields |= {"campaign": lane.campaign, "count": "1"}
            if mark.kind != "person":
                fields |= {"rcpt": row.rcpt, "ref": row.ref}
            events.append(flat(fields))
        new = packs.encode(pack) if pack.rows else b""
        scope = f"{lane.tenant}|{lane.campaign}"
        done = await scripts.run(
            self.client, "repack", base, [kind, name, lane_name, raw, new, events, scope]
        )
        return len(gone) if done else 0
