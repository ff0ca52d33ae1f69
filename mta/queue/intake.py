"""The submission streams: read in the engine's group, accepted once, acknowledged last."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from mta.message import Class
from mta.queue import scripts
from mta.queue.cluster import Cluster
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.opening import Opening

GROUP = "engine"
DEAD_ENTRY_KEPT = 1 << 20  # of one refused entry; more than that was never a legal entry
SEEN_SECONDS = 86400
RESERVED = 256  # entry numbers drawn at once; an ingest process that ends leaves what it has not used

_pack = msgspec.msgpack.Encoder().encode

StreamEntry = tuple[str, bytes, dict[bytes, bytes]]  # stream, entry id, fields


def stream_order(entry_id: str) -> tuple[int, int]:
    """Return a stream entry's id as what it sorts by: ms since 1970, and a number within them."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)


class Opened(msgspec.Struct, array_like=True, frozen=True):
    """What is known of a submission entry by its key."""

    state: str  # new | resume | repeat | conflict | taken
    entry: int
    chunk: int
    accepted: int
    refused: int
    by: str = ""  # the stream entry that closed it
    opening: Opening | None = None  # it is to be opened by the first put


class Intake:
    """One ingest process's view of the submission streams."""

    def __init__(
        self, client: Client, blocking: Client, keys: Keys, consumer: str, *, bulk: bool = True
    ) -> None:
        self.client = client
        self.blocking = blocking
        self.keys = keys
        self.consumer = consumer
        self.control = keys.control
        self.every = [keys.submit(cls) for cls in Class]
        self.mail = self.every if bulk else self.every[:2]
        self._awaited = self.every[2:] if bulk else self.mail
        self._quiet = False  # the last look found nothing
        self._heard: dict[str, bytes] = {}  # in a cluster: the newest entry known of each stream
        self._reserved = range(0)

    async def prepare(self) -> None:
        """Create the streams, the engine's group on them, and the web tier's on the events."""
        wanted = [(stream, GROUP) for stream in [self.control, *self.every]]
        wanted += [
            (self.keys.events(s), group) for s in range(self.keys.shards) for group in ("web", "archive")
        ]
        for stream, group in wanted:
            try:
                await self.client.xgroup_create(stream, group, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def pending(self, streams: Sequence[str]) -> list[StreamEntry]:
        """Return what this consumer read in an earlier life and did not acknowledge."""
        out: list[StreamEntry] = []
        for stream in streams:
            position = b"0"
            while rows := await self._read({stream: position}, 100, None, self.client):
                out += [row for row in rows if row[2]]
                position = rows[-1][1]
        return out

    async def adopt(self, streams: Sequence[str], idle_ms: int) -> list[StreamEntry]:
        """Return entries that a dead consumer left unacknowledged for `idle_ms`; they are ours now."""
        out: list[StreamEntry] = []
        for stream in streams:
            _, rows, *_ = await self.client.xautoclaim(
                stream, GROUP, self.consumer, min_idle_time=idle_ms, count=50
            )
            out += [(stream, entry_id, fields) for entry_id, fields in rows if fields]
        return out

    async def read(self, block_ms: int) -> list[StreamEntry]:
        """Return new entries by class; bulk only when nothing else came.

        Waits up to `block_ms` when all streams are empty. One that takes bulk in waits for bulk alone: what
        somebody waits for goes to a process that does nothing else (`bulk=False`), unless that one is busy or gone.
        """
        for streams, count in ((self.mail[:2], 50), (self.mail[2:], 2)):
            if streams and not (self._quiet and streams == self._awaited):
                rows = await self._read(dict.fromkeys(streams, ">"), count, None, self.client)
                if rows:
                    return rows
        if isinstance(self.blocking, Cluster):
            return await self._await_any(block_ms)
        rows = await self._read(dict.fromkeys(self._awaited, ">"), 1, block_ms, self.blocking)
        self._quiet = not rows
        return rows

    async def _await_any(self, block_ms: int) -> list[StreamEntry]:
        """Wait on streams that several nodes hold, by reads that may be given up: what those say is only listened to.

        Giving up a group's read could leave its entry with us, and nobody would look at it until a restart.
        """
        rows: list[StreamEntry] = []
        if not self._heard:
            for stream in self._awaited:
                newest = await self.client.xrevrange(stream, count=1)
                self._heard[stream] = newest[0][0] if newest else b"0-0"
            # What came before that is not rung for: look first.
            rows = await self._read(dict.fromkeys(self.mail, ">"), 1, None, self.client)
        if not rows:
            for name, entries in await self.blocking.xread(self._heard, count=100, block=block_ms):
                self._heard[name.decode()] = entries[-1][0]
            rows = await self._read(dict.fromkeys(self.mail, ">"), 1, None, self.client)
        self._quiet = not rows
        return rows

    async def orders(self, block_ms: int) -> list[StreamEntry]:
        """Return new control entries; waits up to `block_ms` when there are none."""
        return await self._read({self.control: ">"}, 50, block_ms, self.blocking)

    async def in_charge(self, milliseconds: int) -> bool:
        """Whether this process is the one that carries orders out; it stays so while it asks often enough."""
        name = f"{self.keys.base(0)}charge"
        if await self.client.set(name, self.consumer, nx=True, px=milliseconds):
            return True
        if await self.client.get(name) != self.consumer.encode():
            return False
        return bool(await self.client.pexpire(name, milliseconds))

    async def _read(
        self, streams: Mapping[str, str | bytes], count: int, block: int | None, client: Client
    ) -> list[StreamEntry]:
        rows = await client.xreadgroup(GROUP, self.consumer, streams, count=count, block=block)
        out = [
            (name.decode(), entry_id, fields) for name, entries in rows or () for entry_id, fields in entries
        ]
        order = {stream: number for number, stream in enumerate([self.control, *self.every])}
        return sorted(out, key=lambda entry: order[entry[0]])

    async def begin(self, tenant: str, key: str, digest: bytes, message_id: str = "") -> Opened:
        """Open an entry by its idempotency key; a known key gives what became of it.

        `message_id` is bound to the key; state `taken` when it is bound to another.
        """
        base = self.keys.base(0)
        bound = f"{tenant}:{message_id}" if message_id else ""
        arguments = [f"{tenant}:{key}", digest, self.keys.shards, 0, bound, key]
        word, *numbers, by = await scripts.run(self.client, "begin", base, arguments)
        entry, chunk, accepted, refused = (int(number) for number in numbers)
        return Opened(word.decode(), entry, chunk, accepted, refused, by.decode())

    async def reserve(self, tenant: str, key: str, digest: bytes, message_id: str = "") -> Opened:
        """Return an entry under a number of its own that is opened only when it is put (Queue.put).

        For what one shard holds: the put must find there what `begin` would have found.
        """
        if not self._reserved:
            last = int(await self.client.incrby(f"{self.keys.base(0)}entries", RESERVED))
            self._reserved = range(last - RESERVED + 1, last + 1)
        entry = self._reserved[0] * self.keys.shards
        self._reserved = self._reserved[1:]
        bound = f"{tenant}:{message_id}" if message_id else ""
        return Opened("new", entry, 0, 0, 0, opening=Opening(digest, bound, key, entry))

    async def forget(self, tenant: str, key: str, message_id: str = "") -> None:
        """Free the key, and the message id, of a refused entry of which nothing was put."""
        name = f"{self.keys.base(0)}seen:{tenant}:{key}"
        if await self.client.hget(name, "chunk") is None:
            bound = f"{self.keys.base(0)}id:{tenant}:{message_id}"
            if message_id and await self.client.get(bound) == key.encode():
                await self.client.delete(bound)
            await self.client.delete(name)

    async def accept(
        self,
        tenant: str,
        key: str,
        opened: Opened,
        accepted: int,
        refused: int,
        keep: Any,
        fields: list[str],
        by: bytes,
    ) -> bool:
        """Close an entry: totals, the copy for the archive (`keep`, any msgpack value), its event.

        `by` is the id of the stream entry. False when another one had closed it: nothing changed.
        """
        blob = zlib.compress(_pack(keep), 1) if keep is not None else b""
        arguments = [f"{tenant}:{key}", accepted, refused, opened.entry, blob, fields, by]
        return bool(await scripts.run(self.client, "accept", self.keys.base(0), arguments))

    async def refuse(
        self, fields: dict[bytes, bytes], code: str, why: str, ts: int, event: dict[str, str]
    ) -> None:
        """Copy a refused entry to the dead-letter stream with its reason, and say so in an event.

        In a cluster the two are not one step; what a crash between them repeats has the same `eid`.
        """
        kept = {name: value[:DEAD_ENTRY_KEPT] for name, value in list(fields.items())[:16]}
        dead: dict[Any, Any] = {**kept, "code": code, "why": why, "ts": str(ts)}
        pipe = self.client.pipeline(transaction=True)
        pipe.xadd(self.keys.dead, dead)
        pipe.xadd(self.keys.events(0), event)
        await pipe.execute()

    async def tell(self, events: Sequence[dict[str, str]]) -> None:
        """Add events that belong to no lane."""
        if events:
            pipe = self.client.pipeline(transaction=False)
            for event in events:
                pipe.xadd(self.keys.events(0), event)
            await pipe.execute()

    async def done(self, stream: str, entry_id: bytes) -> None:
        """Acknowledge and delete an entry: only after all it asked for is in the queue.

        Both or neither: one that is acknowledged and left in its stream is never looked at again.
        """
        pipe = self.client.pipeline(transaction=True)
        pipe.xack(stream, GROUP, entry_id)
        pipe.xdel(stream, entry_id)
        await pipe.execute()

    async def blob(self, digest: str) -> bytes | None:
        """Return bytes a producer put aside, or None when they are not there."""
        value: bytes | None = await self.client.get(self.keys.blob(digest))
        return value
