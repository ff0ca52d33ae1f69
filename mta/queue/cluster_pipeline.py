"""Several calls at once in a cluster: each to its node, side by side, answered in the order they were given in."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError, TryAgainError

from mta.queue.link import Client, QueueDown, _Pipeline, _said
from mta.queue.slots import Address, guarded, key_of, slot_of

if TYPE_CHECKING:
    from mta.queue.cluster import Cluster

REFUSED = (MovedError, AskError, TryAgainError, ClusterDownError)

Row = tuple[tuple[Any, ...], dict[str, Any]]  # a call's words, its options


class ClusterPipeline(_Pipeline):
    """Calls grouped by where they go. A transaction is one within each slot, slots in the order of their first call."""

    def __init__(self, cluster: "Cluster", transaction: bool, shard_hint: Any) -> None:
        super().__init__(cluster.connection_pool, cluster.response_callbacks, transaction, shard_hint)
        self._cluster = cluster

    async def execute(self, raise_on_error: bool = True) -> Any:
        rows: list[Row] = [(guarded(args), dict(options)) for args, options in self.command_stack]
        transaction = self.is_transaction
        await self.reset()  # type: ignore[no-untyped-call]
        slots = [slot_of(key_of(args) or "{0}") for args, _ in rows]
        replies: list[Any] = [None] * len(rows)
        if transaction:
            for slot in dict.fromkeys(slots):
                numbers = [n for n, one in enumerate(slots) if one == slot]
                for number, reply in zip(
                    numbers, await self._whole(slot, [rows[n] for n in numbers]), strict=True
                ):
                    replies[number] = reply
        else:
            await self._loose(slots, rows, replies)
        if raise_on_error:
            for reply in replies:
                if isinstance(reply, Exception):
                    raise _said(reply) or reply
        return replies

    async def _whole(self, slot: int, rows: list[Row]) -> list[Any]:
        async def call(node: Client, asking: bool) -> Any:
            if (
                asking
            ):  # ASKING counts for one call only, not for a transaction: it waits until the slot has moved
                raise TryAgainError("a transaction waits")
            return await in_turn(node, rows, transaction=True)

        replies: list[Any] = await self._cluster.once(slot, call)
        return replies

    async def _loose(self, slots: list[int], rows: list[Row], replies: list[Any]) -> None:
        groups: dict[Address, list[int]] = {}
        for number, slot in enumerate(slots):
            groups.setdefault((await self._cluster._serving(slot))[0], []).append(number)

        async def group(address: Address, numbers: list[int]) -> None:
            try:
                said = await in_turn(self._cluster.node(address), [rows[n] for n in numbers], keep=True)
            except QueueDown:
                self._cluster.stale()
                raise
            for number, reply in zip(numbers, said, strict=True):
                replies[number] = reply

        await every([group(address, numbers) for address, numbers in groups.items()])
        for number, reply in enumerate(replies):
            if isinstance(reply, REFUSED):
                args, options = rows[number]
                try:
                    replies[number] = await self._cluster.execute_command(*args, **options)
                except (RedisError, QueueDown) as error:
                    replies[number] = error


async def in_turn(
    node: Client, rows: list[Row], *, transaction: bool = False, asking: bool = False, keep: bool = False
) -> list[Any]:
    """Send calls by one connection; raise what the first failed with, or `keep` failures among the replies."""
    pipe = node.pipeline(transaction=transaction)
    if asking:
        pipe.execute_command("ASKING")
    for args, options in rows:
        pipe.execute_command(*args, **options)
    replies: list[Any] = await pipe.execute(raise_on_error=False)
    failed = next((reply for reply in replies if isinstance(reply, Exception)), None)
    if failed is not None and not keep:
        raise _said(failed) or failed
    return replies[1:] if asking else replies


async def every(calls: Iterable[Any]) -> list[Any]:
    """Run calls side by side to their ends; return what they gave, flat, or raise the first failure."""
    rows = await asyncio.gather(*calls, return_exceptions=True)
    found: list[Any] = []
    for row in rows:
        if isinstance(row, BaseException):
            raise row
        found += row or []
    return found


async def first(calls: Iterable[Any]) -> list[Any]:
    """Run calls side by side until one gives something; the others must be such as may be given up."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    waiting = set(tasks)
    found: list[Any] = []
    try:
        while waiting and not found:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                found += task.result() or []
        return found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
