"""A cluster as one client: every call goes to the node that serves its key's slot, and is sent once.

redis-py's own `asyncio.cluster.RedisCluster` is not used: it sends a call again, up to three times, when a connection
breaks, which would run a script twice; when a slot has no server it closes every connection, those of calls under way
among them; and it sends ASKING and the call it is for by two connections of a pool. What is sent again here was
refused: MOVED, ASK and TRYAGAIN say that nothing was done. A connection that breaks is QueueDown, as with one server.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from redis.exceptions import (
    AskError,
    ClusterDownError,
    ExecAbortError,
    MasterDownError,
    MovedError,
    TryAgainError,
)

from mta.queue.cluster_pipeline import ClusterPipeline, every, first, in_turn
from mta.queue.link import Client, QueueDown, _Client
from mta.queue.slots import Address, View, guarded, key_of, slot_of

MOVING_SECONDS = 5.0  # a call waits so long for a slot that is being moved
PAUSE = 0.02
LOOK_SECONDS = 2.0  # a node that takes longer to say who serves what is passed over
REST_SECONDS = 0.1  # between two looks


class Cluster(_Client):
    """The nodes behind one face; `dial` makes a client of one node's address."""

    def __init__(self, seeds: Sequence[Address], dial: Callable[[Address], Client]) -> None:
        super().__init__(host=seeds[0][0], port=seeds[0][1])
        self.seeds = list(seeds)
        self.dial = dial
        self.view = View()
        self.nodes: dict[Address, Client] = {}
        self._stale = True
        self._looked = 0.0
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Cluster {' '.join(f'{host}:{port}' for host, port in self.view.primaries or self.seeds)}>"

    def node(self, address: Address) -> Client:
        """Return the client of one node."""
        found = self.nodes.get(address)
        if found is None:
            found = self.nodes[address] = self.dial(address)
        return found

    def stale(self) -> None:
        """Have the next call ask first who serves what."""
        self._stale = True

    async def look(self) -> View:
        """Ask who serves what; raise QueueDown when no node answers."""
        async with self._lock:
            if not self._stale and time.monotonic() < self._looked + REST_SECONDS:
                return self.view
            known = list(dict.fromkeys([*self.view.primaries, *self.view.replicas, *self.seeds]))
            random.shuffle(known)  # not everybody asks the same node, nor the dead one first each time
            said: Exception | None = None
            for address in known:
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        rows = await self.node(address).execute_command("CLUSTER", "SLOTS")
                except (QueueDown, TimeoutError) as error:
                    said = error
                    continue
                if rows:
                    self.view, self._stale, self._looked = (
                        View.read(rows, address[0]),
                        False,
                        time.monotonic(),
                    )
                    return self.view
            raise QueueDown(
                f"Redis: no node of the cluster answers: {said or 'none serves a slot'}"
            ) from said

    async def primaries(self) -> list[Client]:
        """Return a client for each node that serves slots."""
        if self._stale:
            await self.look()
        return [self.node(address) for address in self.view.primaries]

    async def _serving(self, slot: int) -> tuple[Address, Client]:
        if self._stale and time.monotonic() >= self._looked + REST_SECONDS:
            await self.look()
        address = self.view.primary_of(slot)
        if address is None:
            self._stale = True
            raise QueueDown(f"Redis: no node of the cluster serves slot {slot}")
        return address, self.node(address)

    def _moved(self, error: MovedError, asked: Address) -> None:
        self.view.moved[error.slot_id] = (error.host or asked[0], error.port)
        self._stale = True

    async def once(self, slot: int, call: Callable[[Client, bool], Awaitable[Any]]) -> Any:
        """Have `call` (its arguments: a node, and whether to say ASKING first) carried out where the slot is served.

        Said again only to a node that refused to do any of it.
        """
        ends = time.monotonic() + MOVING_SECONDS
        ask: Address | None = None
        while True:
            address, node = (ask, self.node(ask)) if ask else await self._serving(slot)
            asking, ask = ask is not None, None
            try:
                return await call(node, asking)
            except MovedError as error:
                self._moved(error, address)
                said: Exception = error
            except AskError as error:
                ask, said = (error.host or address[0], error.port), error
            except (TryAgainError, ExecAbortError) as error:
                said = error
                await asyncio.sleep(PAUSE)
            except (ClusterDownError, MasterDownError) as error:
                self._stale = True
                raise QueueDown(f"Redis: {error}") from error
            except QueueDown:
                self._stale = True
                raise
            if time.monotonic() > ends:
                raise QueueDown(f"Redis: slot {slot} has been on the move for {MOVING_SECONDS:g} s: {said}")

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        key = key_of(args)
        if key is None:
            return await self._keyless(args, options)
        sent = guarded(args)

        async def call(node: Client, asking: bool) -> Any:
            if not asking:
                return await node.execute_command(*sent, **options)
            return (await in_turn(node, [(sent, options)], asking=True))[0]

        return await self.once(slot_of(key), call)

    async def _keyless(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if args[0] == "PING":
            from mta.queue.nodes import alive

            return await alive(self)
        if args[0] in ("FLUSHALL", "KEYS"):
            await self.look()
            rows = [await node.execute_command(*args, **options) for node in await self.primaries()]
            return [key for row in rows for key in row] if args[0] == "KEYS" else True
        # The first shard's node: its clock and its facts stand for the cluster's.
        return await self.once(slot_of("{0}"), lambda node, _: node.execute_command(*args, **options))

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> "ClusterPipeline":
        return ClusterPipeline(self, transaction, shard_hint)

    async def mget(self, keys: Any, *args: Any) -> Any:
        pipe = self.pipeline(transaction=False)
        for key in [*([keys] if isinstance(keys, str | bytes) else keys), *args]:
            pipe.get(key)
        return await pipe.execute()

    async def xread(  # type: ignore[override]
        self, streams: Any, count: int | None = None, block: int | None = None
    ) -> Any:
        """XREAD over any streams; with `block` until the first of them has something."""
        read = super().xread
        calls = [read({name: position}, count=count, block=block) for name, position in streams.items()]
        return await (every(calls) if block is None else first(calls))

    async def xreadgroup(
        self, groupname: Any, consumername: Any, streams: Any, *args: Any, **options: Any
    ) -> Any:
        """XREADGROUP over any streams, one after the other; `block` only with one stream.

        What was read by a call that another one ends would be nobody's until its reader looks for it.
        """
        read, found = super().xreadgroup, list[Any]()
        for name, position in streams.items():
            found += await read(groupname, consumername, {name: position}, *args, **options) or []
        return found

    async def scan_iter(  # type: ignore[override]
        self, match: Any = None, count: int | None = None, _type: str | None = None, **options: Any
    ) -> AsyncIterator[Any]:
        """Give the keys of the slot that `match` names by its hash tag, or those of all nodes."""
        tag = key_of(("SCAN", 0, "MATCH", match)) if match is not None else None
        if tag is None:
            nodes = await self.primaries()
        else:
            nodes = [(await self._serving(slot_of(tag)))[1]]
        for node in nodes:
            async for key in node.scan_iter(match, count, _type, **options):
                yield key

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        for node in self.nodes.values():
            await node.aclose()
        await super().aclose(close_connection_pool)
