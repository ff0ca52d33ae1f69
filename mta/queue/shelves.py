"""What an expander asks of a shard: packs to open, the room of paths, and to put a pack's rows in their place."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from mta.queue import scripts
from mta.queue.keys import Keys
from mta.queue.link import Client

STORE = "*"  # stands for the site in the lane of a pack that nobody has looked at


class Picked(NamedTuple):
    """A pack that is ours to expand until its claim ends."""

    id: bytes
    lane: str
    pack: bytes


class Shelves:
    """The packs of one shard."""

    def __init__(self, client: Client, blocking: Client, keys: Keys, shard: int = 0) -> None:
        self.client = client
        self.blocking = blocking
        self.base = keys.base(shard)

    def __repr__(self) -> str:
        return f"<Shelves {self.base}>"

    async def pick(self, most: int, claim_ms: int, ready: int) -> list[Picked]:
        """Return packs to expand now: those of lanes that run dry, then more while fewer than `ready` messages wait."""
        rows = await scripts.run(self.client, "pick", self.base, [most, claim_ms, ready])
        return [Picked(pack_id, lane.decode(), pack) for pack_id, lane, pack in rows]

    async def room(self, paths: Sequence[str], seconds: float, most: int, interval: float) -> list[int]:
        """Return how many more messages each path's lanes may hold: `seconds` of its rate, `most` at most.

        `interval` is the ms per message of a path without limits of its own, 0 = no limit.
        """
        rows = await scripts.run(self.client, "room", self.base, [list(paths), seconds, most, interval])
        return [int(row) for row in rows]

    async def expand(
        self,
        pack_id: bytes,
        groups: Sequence[Sequence[Any]],
        events: Sequence[Sequence[str]] = (),
        counts: Sequence[tuple[str, str, int]] = (),
        packs: Sequence[tuple[str, int, bytes]] = (),
    ) -> bool:
        """Put the rows of a picked pack in their lanes or on other shelves, as Queue.put does, and forget the pack.

        False when it is not there any more, and nothing changed. Raises QueueFull when Redis has no room.
        """
        arguments = [pack_id, groups, events, counts, packs]
        return bool(await scripts.run(self.client, "expand", self.base, arguments))

    async def wanted(self, seconds: int = 1) -> bool:
        """Wait up to `seconds`; True when somebody asked for more. Raises QueueDown."""
        return await self.blocking.blpop(f"{self.base}wake:expander", timeout=seconds) is not None
