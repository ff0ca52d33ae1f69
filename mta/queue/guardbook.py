"""What the guard counted and decided, as Redis keeps it (docs/redis.md: `guard`, `guard:`, `judged`)."""

from collections.abc import Mapping, Sequence

import msgspec

from mta.bounce.guard import Standing
from mta.bounce.tally import Counts, tally
from mta.event import flat
from mta.queue import scripts
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.upkeep import ARCHIVE_GROUP

KEEP_SECONDS = 8 * 86400  # after a scope's last count
MOST = 1000  # events acknowledged in a call
MOST_JUDGED = 500  # scopes looked at in one go
_KINDS = b"dubc"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Standing).decode


class GuardBook:
    """Counts per shard, standings on shard 0."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def count(self, rows: Sequence[tuple[int, bytes, dict[str, str]]]) -> None:
        """Count events (shard, stream id, fields) and acknowledge them in the archive's group, each once.

        Called again after a crash it counts what was not acknowledged, and that alone.
        """
        for shard in sorted({shard for shard, _, _ in rows}):
            own = [(entry, fields) for number, entry, fields in rows if number == shard]
            for start in range(0, len(own), MOST):
                part = own[start : start + MOST]
                counts = tally(fields for _, fields in part)
                wire = [[scope, hour, *found] for (scope, hour), found in counts.items()]
                ids = [entry for entry, _ in part]
                await scripts.run(
                    self.client, "tally", self.keys.base(shard), [ARCHIVE_GROUP, ids, wire, KEEP_SECONDS]
                )

    async def marked(self) -> dict[str, list[tuple[int, str]]]:
        """Return scopes that are to be judged: (shard, mark) of each, to be given to `settle`."""
        found: dict[str, list[tuple[int, str]]] = {}
        for shard in range(self.keys.shards):
            _, page = await self.client.hscan(f"{self.keys.base(shard)}judged", 0, count=MOST_JUDGED)
            for scope, mark in page.items():
                found.setdefault(scope.decode(), []).append((shard, mark.decode()))
        return found

    async def hours(self, scope: str) -> dict[int, Counts]:
        """Return a scope's counts by hour (since 1970), over all shards; those kept are at most 8 days old."""
        found: dict[int, list[int]] = {}
        for shard in range(self.keys.shards):
            for name, value in (await self.client.hgetall(f"{self.keys.base(shard)}guard:{scope}")).items():
                kind = _KINDS.find(name[-1:])
                if kind >= 0 and name[:-1].isdigit():
                    found.setdefault(int(name[:-1]), [0, 0, 0, 0])[kind] += int(value)
        return {hour: Counts(*counts) for hour, counts in found.items()}

    async def forget_hours(self, scope: str, hours: Sequence[int]) -> None:
        """Drop a scope's counts of hours that have left the window."""
        names = [f"{hour}{kind}" for hour in hours for kind in _KINDS.decode()]
        if names:
            for shard in range(self.keys.shards):
                await self.client.hdel(f"{self.keys.base(shard)}guard:{scope}", *names)

    async def scopes(self, prefix: str = "", most: int = 10_000) -> list[str]:
        """Return the scopes that have counts, those that begin with `prefix`, at most so many."""
        found: set[str] = set()
        for shard in range(self.keys.shards):
            base = f"{self.keys.base(shard)}guard:"
            pattern = "".join(f"\\{char}" if char in "*?[]\\" else char for char in base + prefix) + "*"
            async for key in self.client.scan_iter(pattern, count=500):
                found.add(key.decode().removeprefix(base))
                if len(found) >= most:
                    break
        return sorted(found)

    async def standings(self) -> dict[str, Standing]:
        """Return what stands, by scope."""
        rows = await self.client.hgetall(f"{self.keys.base(0)}guard")
        return {scope.decode(): _decode(text) for scope, text in rows.items()}

    async def standing(self, scope: str) -> Standing:
        """Return what stands of a scope."""
        text = await self.client.hget(f"{self.keys.base(0)}guard", scope)
        return _decode(text) if text else Standing()

    async def settle(
        self,
        scope: str,
        marks: Sequence[tuple[int, str]],
        before: Standing,
        after: Standing,
        event: Mapping[str, str] | None = None,
    ) -> bool:
        """Write down a judgement with its event; False when another had written meanwhile: nothing was done.

        A standing like a new one is not kept.
        """
        written = [b"" if one == Standing() else _encode(one) for one in (before, after)]
        done = True
        for shard in range(self.keys.shards):
            mark = next((text for number, text in marks if number == shard), "")
            change = [*written, flat(event) if event else []] if shard == 0 else ["", "", []]
            if mark or shard == 0:
                done = (
                    bool(
                        await scripts.run(self.client, "judge", self.keys.base(shard), [scope, mark, *change])
                    )
                    and done
                )
        return done
