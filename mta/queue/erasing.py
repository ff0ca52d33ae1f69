"""What of a person stands in Redis, place by place; docs/data.md names the same places in the same order.

Each call may be repeated, and says how much it found. What is rewritten is read again by the next pass: a process may
just then have held the old text in memory.
"""

import zlib
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from mta.erasure import documents
from mta.erasure.subject import DataSubject, folded
from mta.queue import codec, rewriting
from mta.queue.control import Control, Scope
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.nodes import each
from mta.queue.rewriting import Flat
from mta.queue.sifting import Mark, Sifting
from mta.queue.suppression import ERASED, Suppressions
from mta.queue.upkeep import zipped

STEP: Final = 500  # keys in one round of a scan
LABELS: Final = ("control", "urgent", "transactional", "bulk")
_encode = msgspec.msgpack.Encoder().encode


class Erasing:
    """One person's data in Redis, on all shards."""

    def __init__(self, client: Client, keys: Keys, suppressions: Suppressions, subject: DataSubject) -> None:
        self.client = client
        self.keys = keys
        self.suppressions = suppressions
        self.subject = subject

    async def suppress(self, by: str, ts: int) -> int:
        """Leave the keyed hash that keeps them from being written to again, and no other; return what changed.

        A person erased everywhere stands on the platform's list alone; one erased by a tenant on that tenant's.
        """
        tenant, address = self.subject.tenant, [self.subject.address]
        found = await self.suppressions.find(tenant, "", address, bulk=False)
        added = 0
        if found != [ERASED]:
            added = await self.suppressions.erase(tenant, address, by, ts)
        keep = self.keys.suppression(tenant, "").encode()
        digest = self.suppressions.digest(self.subject.address)
        # A name within the pattern is a tenant's and a list's id, neither of which holds a colon.
        pattern = self.keys.suppression(tenant or "*", "*")
        async for key in self._keys(pattern):
            if key != keep:
                added += int(await self.client.hdel(key, digest))
        return added

    async def failures(self) -> int:
        """Forget the failures that were counted for their address; return of how many tenants."""
        digest, tenant = self.suppressions.digest(self.subject.address), self.subject.tenant
        count = 0
        async for key in self._keys(self.keys.strikes(tenant or "*")):
            count += int(await self.client.hdel(key, digest))
        return count

    async def wishes(self) -> int:
        """Forget who wanted to be told of messages, where that is the person; return how many."""
        count, name = 0, f"{self.keys.base(0)}notify"
        async for field, value in self.client.hscan_iter(name, count=STEP):
            if self.subject.concerns(field.decode().partition("|")[0]) and self.subject.stands_in(value):
                count += int(await self.client.hdel(name, field))
        return count

    async def unread(self) -> int:
        """Return how many submissions that nobody has taken in yet name the person."""
        count = 0
        for label in LABELS:
            async for _, flat in self._stream(self.keys.submit_stream(label)):
                fields = dict(zip(flat[::2], flat[1::2], strict=True))
                kind, data = fields.get(b"kind", b"").decode("utf-8", "replace"), fields.get(b"data", b"")
                own = self.subject.concerns(fields.get(b"tenant", b"").decode("utf-8", "replace"))
                # The order that asks for all this is one of them until it is done.
                count += own and label != "control" and self._document(kind, data) is not None
        return count

    async def waiting(self, told: dict[str, str]) -> int:
        """Drop what waits for them in lanes, on shelves and in the wheel, each with its event; return how many."""
        mark = Mark("person", folded(self.subject.address), self.subject.tenant)
        if not self.subject.tenant:
            # A hold on this one address has its name in its key.
            await Control(self.client, self.keys).open(Scope.of_recipient(self.subject.address), {})
        return await Sifting(self.client, self.keys).purge(mark, told)

    async def in_flight(self) -> int:
        """Return how many messages to them a worker holds now."""
        count = 0
        for shard in range(self.keys.shards):
            async for key in self._keys(f"{self.keys.base(shard)}flight:*"):
                async for _, value in self.client.hscan_iter(key, count=STEP):
                    lane, _, raw = value.partition(b"\n")
                    try:
                        rcpt = codec.decode(raw, lane.decode()).record.rcpt
                    except (ValueError, msgspec.DecodeError):
                        continue  # a newer engine's
                    count += self.subject.is_of(rcpt) and self.subject.concerns(lane.decode().split("|")[3])
        return count

    async def entries(self) -> int:
        """Rewrite accepted submissions that the archive has not got yet; return how many."""
        count, name = 0, f"{self.keys.base(0)}entry"
        async for number, blob in self.client.hscan_iter(name, count=STEP):
            row = msgspec.msgpack.decode(zlib.decompress(blob))
            _, _, kind, tenant, _, _, data = row
            new = self._document(kind, data) if self.subject.concerns(tenant) else None
            if new is not None:
                row[-1] = new
                await self.client.hset(name, number, zipped(_encode(row)))
                count += 1
        return count

    async def plans(self) -> int:
        """Star the address out of what several shards agreed upon for an entry; return how many of these."""
        count, start = 0, f"{self.keys.base(0)}seen:"
        async for key in self._keys(f"{start}{self.subject.tenant or '*'}:*"):
            for name, value in (await self.client.hgetall(key)).items():
                if name.startswith(b"plan") and self.subject.stands_in(value):
                    # Of the same length: a crash may come back to it, and it must read as before.
                    await self.client.hset(key, name, self.subject.masked(value))
                    count += 1
        return count

    async def events(self) -> int:
        """Rewrite events without them; return how many. Ids, totals and what groups have read stay."""
        return sum(
            [await self._rewrite(self.keys.events(shard), self._event) for shard in range(self.keys.shards)]
        )

    async def dead(self) -> int:
        """Rewrite refused entries without them; one that was about them alone goes. Returns how many."""
        return await self._rewrite(self.keys.dead, self._refused)

    async def audit(self) -> int:
        """Take their address out of what somebody wrote into the audit log as a reason; return how many entries."""
        return 0 if self.subject.tenant else await self._rewrite(self.keys.audit, self._text)

    async def blobs(self) -> int:
        """Remove bytes that producers put aside and in which the address stands; return how many.

        Only for a person erased everywhere: bytes belong to no tenant.
        """
        count = 0
        if not self.subject.tenant:
            async for key in self._keys(self.keys.blob("*")):
                value = await self.client.get(key)
                if value is not None and self.subject.stands_in(value):
                    count += int(await self.client.unlink(key))
        return count

    async def shared(self) -> int:
        """Return how many contents that others still wait for name the person (a Cc, a text): these are left."""
        count = 0
        for shard in range(self.keys.shards):
            async for key in self._keys(f"{self.keys.base(shard)}body:*"):
                document = await self.client.hget(key, "document")
                count += document is not None and self.subject.stands_in(document)
        async for key in self._keys(self.keys.campaign(self.subject.tenant or "*", "*")):
            document = await self.client.hget(key, "document")
            count += document is not None and self.subject.stands_in(document)
        return count

    async def _keys(self, pattern: str) -> AsyncIterator[bytes]:
        for node in await each(self.client):
            async for key in node.scan_iter(pattern, count=STEP):
                yield key

    def _document(self, kind: str, data: bytes) -> bytes | None:
        return documents.without(self.subject, kind, data)

    async def _rewrite(self, stream: str, change: rewriting.Change) -> int:
        return await rewriting.rewrite(self.client, stream, change)

    async def _stream(self, stream: str) -> AsyncIterator[tuple[bytes, Flat]]:
        start = "-"
        while page := await self.client.execute_command(b"XRANGE", stream, start, "+", "COUNT", STEP):
            for entry in page:
                yield entry
            start = f"({page[-1][0].decode()}"

    def _event(self, flat: Flat) -> Flat | None:
        texts = [part.decode("utf-8", "surrogateescape") for part in flat]
        new = self.subject.event(dict(zip(texts[::2], texts[1::2], strict=True)))
        if new is None:
            return flat
        return [part.encode("utf-8", "surrogateescape") for pair in new.items() for part in pair]

    def _refused(self, flat: Flat) -> Flat | None:
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        kind = fields.get(b"kind", b"").decode("utf-8", "replace")
        if not self.subject.concerns(fields.get(b"tenant", b"").decode("utf-8", "replace")):
            return flat
        new = self._document(kind, fields.get(b"data", b""))
        if new is None:
            return self._text(flat)
        if new == documents.ERASED:
            return None
        return self._text([part for pair in (fields | {b"data": new}).items() for part in pair])

    def _text(self, flat: Flat) -> Flat:
        if not any(self.subject.stands_in(part) for part in flat):
            return flat
        return [self.subject.masked(part) for part in flat]
