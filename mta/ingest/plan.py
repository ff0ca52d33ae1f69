"""Which shard gets which recipients, agreed upon before any of them gets its own.

The sites of domains, suppressions and the time of day may all be other ones after a crash, and a recipient whom one
shard has must not go to another as well: what was decided first is kept with the entry, and stays.
"""

from dataclasses import astuple

import msgpack

from mta.ingest.sorter import Sorted
from mta.queue.lanes import Queue

Parts = dict[int, Sorted]
Later = dict[int, list[int]]  # ms since 1970, positions of the recipients whose time it is


async def agreed(queue: Queue, seen: str, chunk: int, parts: Parts, later: Later) -> tuple[Parts, Later]:
    """Return what was decided first for a chunk of an entry; `queue` is the shard that remembers it.

    Raises QueueFull and QueueDown.
    """
    return _decode(await queue.agree(seen, chunk, _encode(parts, later)))


def _encode(parts: Parts, later: Later) -> bytes:
    told = [[shard, *astuple(part)] for shard, part in parts.items()]
    data: bytes = msgpack.packb([told, list(later.items())])
    return data


def _decode(data: bytes) -> tuple[Parts, Later]:
    told, later = msgpack.unpackb(data)
    return {shard: Sorted(*fields) for shard, *fields in told}, dict(later)
