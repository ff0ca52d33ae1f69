"""A worker's side of the queue without SMTP, and mail to put into it: what the tests of this room share."""

from collections.abc import Sequence
from typing import Any

from mta.message import ID_BYTES, Lane, MessageId, Record
from mta.queue import codec, packs
from mta.queue.lanes import OP_BACK, OP_FINAL, OP_RETRY, PathDefaults, Queue, Report, Result, Taken
from mta.queue.packs import Pack, PackRow

LEASE = 30_000


def lane(cls: int = 2, site: str = "example.net", tenant: str = "acme", campaign: str = "spring") -> str:
    """Return a lane's name."""
    return str(Lane(cls, "default", site, tenant, campaign))


def item(row: int, entry: int = 1, domain: str = "example.net") -> bytes:
    """Return a queue item; its name is m<entry>.<row>."""
    record = Record(f"m{entry}.{row}", f"u{row}@{domain}", born=1, expires=2**41)
    return codec.encode(MessageId(0, entry, row).pack(), record)


def items(count: int, entry: int = 1, domain: str = "example.net") -> list[bytes]:
    """Return so many items of one entry."""
    return [item(row, entry, domain) for row in range(count)]


def pack_of(count: int, entry: int, domain: str = "example.net") -> bytes:
    """Return a pack with so many recipients at one domain."""
    rows = [PackRow(number, f"u{number}@{domain}", []) for number in range(count)]
    return packs.encode(Pack(entry.to_bytes(ID_BYTES, "big"), entry, f"s{entry}", 1, 2**41, "", rows))


async def put(queue: Queue, name: str, count: int, entry: int, at: int = 0) -> None:
    """Put so many messages of an entry into a lane; what is put in any number keeps within the script's cap."""
    every = items(count, entry)
    for chunk, start in enumerate(range(0, count, 256), 1):
        assert await queue.put(f"acme:k{entry}", chunk, [[name, at, *every[start : start + 256]]])


class Worker:
    """Takes and settles under a name."""

    def __init__(self, queue: Queue, name: str = "w1", defaults: PathDefaults | None = None) -> None:
        self.queue, self.name, self.epoch = queue, name, 0
        self.defaults = defaults or PathDefaults(connections=20, batch=64)

    async def start(self) -> "Worker":
        """Register."""
        self.epoch, _ = await self.queue.register(self.name, LEASE)
        return self

    async def take(self, want: int = 256, most: int = 100, **more: Any) -> Taken:
        """Take."""
        return await self.queue.take(
            self.name, self.epoch, want=want, most=most, lease_ms=LEASE, defaults=self.defaults, **more
        )

    async def settle(self, *results: Result, pauses: Sequence[tuple[str, int]] = ()) -> int:
        """Settle."""
        return await self.queue.settle(self.name, self.epoch, LEASE, results, pauses)

    async def deliver(self, want: int = 256, most: int = 100, **more: Any) -> list[codec.Item]:
        """Take, deliver it all and let every connection go; return what it was."""
        taken = await self.take(want, most, **more)
        found = taken_items(taken)
        if found:
            await self.settle(*(final(one) for one in found))
            await self.idle(taken)
        return found

    async def idle(self, taken: Taken) -> None:
        """Report the sessions of these batches as closed."""
        reports = [Report(path, 0, 0, self.defaults.batch) for path in {one.path for one in taken.batches}]
        await self.take(want=0, most=0, reports=reports)


def taken_items(taken: Taken) -> list[codec.Item]:
    """Return the items of all batches."""
    return [one for batch in taken.batches for one in batch.items]


def scope(one: codec.Item) -> str:
    """Return the totals' scope of an item."""
    return "|".join(one.lane.split("|")[3:])


def final(one: codec.Item, kind: str = "delivered") -> Result:
    """Return the result of a message that is done with."""
    event = ["event", kind, "eid", f"{one.record.name}/{kind}", "id", one.record.name]
    return Result(OP_FINAL, one.id, one.lane, scope(one), kind, body=one.record.body, event=event)


def retry(one: codec.Item, wait: int) -> Result:
    """Return the result of a message that is to be tried again in so many ms."""
    return Result(OP_RETRY, one.id, one.lane, scope(one), "deferred", one.encode(), wait)


def back(one: codec.Item) -> Result:
    """Return the result of a message that nothing was done with."""
    return Result(OP_BACK, one.id, one.lane, scope(one), item=one.encode())
