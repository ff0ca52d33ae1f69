"""What keeps Redis small and its readers informed: entries and events on their way to the archive, trims, status."""

import zlib
from dataclasses import dataclass
from typing import Any

import msgspec

from mta.queue.intake import stream_order
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.nodes import each

ARCHIVE_GROUP = "archive"
PROTOCOL = 1
DEAD_MS = 14 * 86_400_000
DEAD_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Trim:
    """What a trim did: entries removed, and how many of them some group had not acknowledged."""

    removed: int = 0
    unread: int = 0


def zipped(raw: bytes) -> bytes:
    """Return an entry's bytes as `accept` keeps them on their way to the archive."""
    return zlib.compress(raw, 1)


class Upkeep:
    """The keeper's calls."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def entries(self, most: int = 100) -> dict[int, Any]:
        """Return accepted submission entries that are not in the archive yet, by number."""
        _, rows = await self.client.hscan(f"{self.keys.base(0)}entry", 0, count=most)
        return {int(number): msgspec.msgpack.decode(zlib.decompress(blob)) for number, blob in rows.items()}

    async def entry(self, number: int) -> Any | None:
        """Return one accepted entry that is not in the archive yet."""
        blob = await self.client.hget(f"{self.keys.base(0)}entry", str(number))
        return None if blob is None else msgspec.msgpack.decode(zlib.decompress(blob))

    async def archived(self, numbers: list[int]) -> None:
        """Forget entries that are safe in the archive."""
        if numbers:
            await self.client.hdel(f"{self.keys.base(0)}entry", *(str(number) for number in numbers))

    async def events(self, consumer: str, most: int = 2000) -> list[tuple[int, bytes, dict[str, str]]]:
        """Return events the archive has not acknowledged: (shard, stream id, fields), oldest first."""
        out = []
        for shard in range(self.keys.shards):
            stream = self.keys.events(shard)
            for position in ("0", ">"):
                # Every event comes through here. A name in bytes has no parser in redis-py, so the reply comes as
                # it is, without its lists of dicts.
                rows = await self.client.execute_command(
                    b"XREADGROUP",
                    "GROUP",
                    ARCHIVE_GROUP,
                    consumer,
                    "COUNT",
                    most,
                    "STREAMS",
                    stream,
                    position,
                )
                for _, entries in rows or ():
                    out += [(shard, entry_id, _fields(flat)) for entry_id, flat in entries if flat]
                if out:
                    break  # what an earlier life left comes first, by itself
        return out

    async def acknowledge(self, rows: list[tuple[int, bytes, dict[str, str]]]) -> None:
        """Tell the event streams what the archive holds."""
        for shard in {shard for shard, _, _ in rows}:
            ids = [entry_id for number, entry_id, _ in rows if number == shard]
            await self.client.xack(self.keys.events(shard), ARCHIVE_GROUP, *ids)

    async def trim(self, shard: int, max_bytes: int) -> Trim:
        """Remove events that every group has acknowledged; beyond `max_bytes`, also those only archived.

        The archive's own position is never passed: what is not in the archive is not removed.
        """
        stream = self.keys.events(shard)
        positions = {}
        for group in await self.client.xinfo_groups(stream):
            oldest = group["last-delivered-id"]
            if group["pending"]:
                pending = await self.client.xpending(stream, group["name"])
                oldest = pending["min"]
            positions[group["name"].decode()] = oldest
        archived = positions.get(ARCHIVE_GROUP, b"0-0")
        limit = min(positions.values(), key=lambda one: stream_order(one.decode()), default=b"0-0")
        removed = await self.client.xtrim(stream, minid=limit, approximate=True)
        unread = 0
        if int(await self.client.memory_usage(stream) or 0) > max_bytes:
            unread = await self.client.xtrim(stream, minid=archived, approximate=True)
        return Trim(removed + unread, unread)

    async def trim_dead(self, now_ms: int) -> int:
        """Hold the dead letters to their age and size; return how many went."""
        removed = int(
            await self.client.xtrim(self.keys.dead, minid=f"{now_ms - DEAD_MS}-0", approximate=False)
        )
        if int(await self.client.memory_usage(self.keys.dead) or 0) > DEAD_BYTES:
            half = int(await self.client.xlen(self.keys.dead)) // 2
            removed += int(await self.client.xtrim(self.keys.dead, maxlen=half, approximate=False))
        return removed

    async def status(self, fields: dict[str, str | int]) -> None:
        """Publish the engine's health for producers."""
        await self.client.hset(self.keys.status, mapping=fields)

    async def memory_percent(self) -> int:
        """Return how much of its memory limit the server uses; of its machine's memory where it has none.

        Of a cluster: the node that is fullest, since a shard's mail can go to no other.
        """
        percents = [0]
        for node in await each(self.client):
            info = await node.info("memory")
            most = int(info.get("maxmemory", 0)) or int(info.get("total_system_memory", 0))
            percents.append(int(info["used_memory"]) * 100 // most if most else 0)
        return max(percents)


def _fields(flat: list[bytes]) -> dict[str, str]:
    # All in one go, which is half the work of every event: NUL stands in no event, and should it, parts do not add up.
    parts = b"\0".join(flat).decode("utf-8", "replace").split("\0")
    if len(parts) != len(flat):
        parts = [part.decode("utf-8", "replace") for part in flat]
    texts = iter(parts)
    return dict(zip(texts, texts, strict=True))
