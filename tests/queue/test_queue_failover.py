"""A primary that is demoted under a client is a server that is away, until its address leads to a primary again."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mta.queue import embedded
from mta.queue.keys import Keys
from mta.queue.lanes import PathDefaults, Queue
from mta.queue.link import Client, QueueDown, Server, connect


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def pair() -> AsyncIterator[tuple[int, int]]:
    """Two servers, the second a replica of the first; their ports."""
    ports = free_port(), free_port()
    with tempfile.TemporaryDirectory(dir="/tmp") as one, tempfile.TemporaryDirectory(dir="/tmp") as two:
        servers = [
            embedded.start(Path(folder) / "d", port=port, durability="no")
            for folder, port in zip((one, two), ports, strict=True)
        ]
        try:
            await order(ports[1], "REPLICAOF", "127.0.0.1", str(ports[0]))
            yield ports
        finally:
            for server in servers:
                server.stop()


async def order(port: int, *words: str) -> object:
    client = connect(Server(f"redis://127.0.0.1:{port}"))
    try:
        return await client.execute_command(*words)
    finally:
        await client.aclose()


async def until_in_step(first: int, second: int) -> None:
    async with asyncio.timeout(20):
        while True:
            offsets = [(await info(port))["master_repl_offset"] for port in (first, second)]
            if offsets[0] == offsets[1] and (await info(second))["master_link_status"] == "up":
                return
            await asyncio.sleep(0.02)


async def info(port: int) -> dict[str, object]:
    client = connect(Server(f"redis://127.0.0.1:{port}"))
    try:
        return await client.info("replication")
    finally:
        await client.aclose()


class Address:
    """One address that leads to whichever server is the primary, as a virtual IP or a proxy does."""

    def __init__(self, port: int) -> None:
        self.leads_to = port

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection("127.0.0.1", self.leads_to)

        async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            try:
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            except OSError:
                pass
            sink.close()

        await asyncio.gather(pipe(reader, out), pipe(there, writer))


async def test_a_worker_goes_on_with_the_new_primary_and_its_flight_is_there(pair: tuple[int, int]) -> None:
    first, second = pair
    address = Address(first)
    proxy = await asyncio.start_server(address, "127.0.0.1", 0)
    client: Client = connect(Server(f"redis://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"))
    try:
        queue = Queue(client, Keys())
        epoch, _ = await queue.register("w1", 30_000)
        lane = "2|default|example.net|acme|spring"
        item = b"\x01\x00" + bytes(9) + b"\x93\xa1m\xafjo@example.net\x01"
        await queue.put("acme:k", 1, [[lane, 0, item]])
        await until_in_step(first, second)
        # The order of a fail-over: the replica is promoted, the old primary demoted, the address moved.
        await order(second, "REPLICAOF", "NO", "ONE")
        await order(first, "REPLICAOF", "127.0.0.1", str(second))
        with pytest.raises(QueueDown):
            await queue.put("acme:k2", 1, [[lane, 0, item]])
        address.leads_to = second
        taken = await queue.take("w1", epoch, want=9, most=9, lease_ms=30_000, defaults=PathDefaults())
        assert len(taken.batches) == 1, "the epoch, the lane and the item came over"
        assert len(await queue.flight("w1")) == 1
    finally:
        await client.aclose()
        proxy.close()
