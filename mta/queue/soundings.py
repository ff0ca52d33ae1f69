"""What gauges ask of the queue: a few bounded reads every few seconds, however much mail waits.

A sounding is no snapshot. It looks at the paths that have been due longest, since old mail is there or nowhere, and
it says nothing of what a closed gate keeps aside.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from mta.queue import codec
from mta.queue.keys import Keys
from mta.queue.link import Client

MAX_PATHS: Final = 100  # of a class and a shard, those due longest
MAX_INNER: Final = 4  # tenants of a path, and campaigns of a tenant, that are looked at
MAX_GROUPS: Final = 20
_CLASSES: Final = 3
_KINDS: Final = {"t": "tenant", "b": "tenant", "c": "campaign", "k": "canary", "s": "site", "x": "source"}


class Soundings:
    """Questions to every shard."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def due(self) -> tuple[list[float], dict[str, str]]:
        """Return per class the age in seconds of the oldest waiting message seen (0: none), and the paused paths.

        A paused path stands under its name with its site as value.
        """
        seconds, micros = await self.client.time()
        now = int(seconds) * 1000 + int(micros) // 1000
        oldest, paused = [0.0] * _CLASSES, dict[str, str]()
        for shard in range(self.keys.shards):
            base = self.keys.base(shard)
            orders = []
            for cls in range(_CLASSES):
                for path in await self.client.zrange(f"{base}due:{cls}", 0, MAX_PATHS - 1):
                    orders.append(f"{cls}|{path.decode()}")
            paths = sorted({order[2:] for order in orders})
            pauses = await self._many(("HGET", f"{base}path:{path}", "pause") for path in paths)
            paused |= {
                path: path.partition("|")[2]
                for path, pause in zip(paths, pauses, strict=True)
                if pause and float(pause) > now
            }
            for lane, head in await self._heads(base, orders):
                cls = int(lane[0])
                oldest[cls] = max(oldest[cls], (now - _born(head, lane, now)) / 1000)
        return oldest, paused

    async def _heads(self, base: str, orders: Sequence[str]) -> list[tuple[str, bytes | None]]:
        tenants = [
            f"{order}|{tenant.decode()}"
            for order, found in zip(
                orders, await self._first(f"{base}tenants:{order}" for order in orders), strict=True
            )
            for tenant in found
        ]
        lanes = [
            f"{tenant}|{campaign.decode()}"
            for tenant, found in zip(
                tenants, await self._first(f"{base}lanes:{tenant}" for tenant in tenants), strict=True
            )
            for campaign in found
        ]
        heads = await self._many(("LINDEX", f"{base}lane:{lane}", "0") for lane in lanes)
        return list(zip(lanes, heads, strict=True))

    async def lags(self) -> dict[str, int]:
        """Return per reader group of the event streams what it has not read or not acknowledged."""
        found: dict[str, int] = {}
        for shard in range(self.keys.shards):
            stream = self.keys.events(shard)
            if not await self.client.exists(stream):
                continue
            for group in (await self.client.xinfo_groups(stream))[:MAX_GROUPS]:
                name = group["name"].decode("utf-8", "replace")
                # The server can't say the lag of a group whose position was set by hand: what is pending counts.
                behind = int(group["pending"]) + int(group.get("lag") or 0)
                found[name] = found.get(name, 0) + behind
        return found

    async def closed(self) -> dict[str, int]:
        """Return how many scopes of each kind are held or suspended."""
        found: dict[str, int] = {}
        for scope in await self.client.hkeys(f"{self.keys.base(0)}gates"):
            kind = _KINDS.get(scope.decode().partition("|")[0], "other")
            found[kind] = found.get(kind, 0) + 1
        return found

    async def _first(self, names: Iterable[str]) -> list[Any]:
        return await self._many(("ZRANGE", name, "0", str(MAX_INNER - 1)) for name in names)

    async def _many(self, calls: Iterable[tuple[str, ...]]) -> list[Any]:
        pipe = self.client.pipeline(transaction=False)
        for call in calls:
            pipe.execute_command(*call)
        return list(await pipe.execute()) if len(pipe) else []


def _born(head: bytes | None, lane: str, otherwise: int) -> int:
    try:
        return codec.decode(head, lane).record.born if head else otherwise
    except ValueError:
        return otherwise  # an item of a newer engine: its age is its own affair
