"""A cluster on loopback: primaries with their replicas, made without redis-cli, gone with its block.

Every server is one the engine would start itself (`mta.queue.embedded.find_binary`), with the cluster switched on.
"""

import asyncio
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from mta.queue import embedded
from mta.queue.link import Client, QueueDown, Server, connect
from mta.queue.slots import SLOTS, View

START_SECONDS = 30.0
HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Return so many ports nobody listens on, below those the system gives away."""
    held = []
    for _ in range(count):
        probe = socket.socket()
        probe.bind((HOST, 0))
        held.append(probe)
    ports = [int(probe.getsockname()[1]) for probe in held]
    for probe in held:
        probe.close()
    return ports


class Node:
    """One server of the cluster."""

    def __init__(self, folder: Path, port: int, bus: int, timeout_ms: int, options: tuple[str, ...]) -> None:
        self.folder, self.port, self.bus, self.timeout_ms, self.options = (
            folder,
            port,
            bus,
            timeout_ms,
            options,
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server with what its directory holds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [
                embedded.find_binary(),
                *("--port", str(self.port), "--bind", HOST, "--dir", str(self.folder)),
                *("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"),
                *("--cluster-port", str(self.bus), "--cluster-node-timeout", str(self.timeout_ms)),
                *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
                *("--repl-diskless-sync-delay", "0", "--maxmemory-policy", "noeviction"),
                *("--logfile", str(self.folder / "log")),
                *self.options,
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=embedded._end_with_parent,
        )  # fmt: skip

    def kill(self) -> None:
        """End it by SIGKILL."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    async def call(self, *words: Any) -> Any:
        """Send one command to this node."""
        client = connect(Server(f"redis://{HOST}:{self.port}"))
        try:
            return await client.execute_command(*words)
        finally:
            await client.aclose()

    def cpu_seconds(self) -> float:
        """Processor time this server has used."""
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(text[11]) + int(text[12])) / os.sysconf("SC_CLK_TCK")


class Nodes:
    """A cluster of `primaries`, each with `replicas`; slots are cut evenly. The first nodes are the primaries."""

    def __init__(
        self, primaries: int = 3, replicas: int = 1, timeout_ms: int = 1000, options: tuple[str, ...] = ()
    ) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="mta-nodes-", dir="/tmp")
        count = primaries * (1 + replicas)
        ports = free_ports(2 * count)
        self.nodes = [
            Node(Path(self.folder.name) / str(n), ports[2 * n], ports[2 * n + 1], timeout_ms, options)
            for n in range(count)
        ]
        self.primaries = primaries

    def __enter__(self) -> "Nodes":
        for node in self.nodes:
            node.start()
        asyncio.run(self._join())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End every server."""
        for node in self.nodes:
            if node.process and node.process.poll() is None:
                node.kill()
        self.folder.cleanup()

    @property
    def url(self) -> str:
        """The cluster's URL, with every node named."""
        return "cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    def at(self, address: tuple[str, int]) -> Node:
        """Return the node that listens at an address."""
        return next(node for node in self.nodes if node.port == address[1])

    async def view(self) -> View:
        """Return who serves what, as the first node that lives says."""
        for node in self.nodes:
            if node.process and node.process.poll() is None:
                return View.read(await node.call("CLUSTER", "SLOTS"), HOST)
        raise QueueDown("no node lives")

    async def id_of(self, node: Node) -> str:
        """Return a node's id."""
        return str((await node.call("CLUSTER", "MYID")).decode())

    async def move(self, slot: int, target: Node, step: int = 10) -> int:
        """Move a slot key by key as `redis-cli --cluster reshard` does; return how many keys went."""
        address = (await self.view()).primary_of(slot)
        assert address is not None
        source = self.at(address)
        here, there = await self.id_of(source), await self.id_of(target)
        await target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", here)
        await source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", there)
        moved = 0
        while keys := await source.call("CLUSTER", "GETKEYSINSLOT", slot, step):
            await source.call("MIGRATE", HOST, target.port, "", 0, 5000, "KEYS", *keys)
            moved += len(keys)
        for node in (target, source):
            await node.call("CLUSTER", "SETSLOT", slot, "NODE", there)
        return moved

    async def _join(self) -> None:
        await self._until(self._answers)
        share = SLOTS / self.primaries
        for number, node in enumerate(self.nodes):
            await node.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < self.primaries:
                span = int(share * number), int(share * (number + 1)) - 1
                await node.call("CLUSTER", "ADDSLOTSRANGE", *span)
            if number:
                await node.call("CLUSTER", "MEET", HOST, self.nodes[0].port, self.nodes[0].bus)
        await self._until(self._known)
        for number, node in enumerate(self.nodes[self.primaries :]):
            await node.call("CLUSTER", "REPLICATE", await self.id_of(self.nodes[number % self.primaries]))
        await self._until(self.whole)

    async def _answers(self) -> bool:
        return all([await node.call("PING") for node in self.nodes])

    async def _known(self) -> bool:
        for node in self.nodes:
            rows = (await node.call("CLUSTER", "NODES")).decode().splitlines()
            if len(rows) < len(self.nodes) or any("handshake" in row for row in rows):
                return False
        return True

    async def whole(self) -> bool:
        """Whether every node that lives sees all slots served, and every replica is in step."""
        for node in self.nodes:
            if node.process and node.process.poll() is not None:
                continue
            said = (await node.call("CLUSTER", "INFO")).decode()
            if "cluster_state:ok" not in said:
                return False
            facts = await node.call("INFO", "replication")
            if facts["role"] == "slave" and facts["master_link_status"] != "up":
                return False
            rows = View.read(await node.call("CLUSTER", "SLOTS"), HOST)
            if len(rows.replicas) < len(self.nodes) - self.primaries - self._dead():
                return False
        return True

    def _dead(self) -> int:
        return sum(node.process is None or node.process.poll() is not None for node in self.nodes)

    async def _until(self, holds: Callable[[], Any]) -> None:
        ends = time.monotonic() + START_SECONDS
        while True:
            try:
                if await holds():
                    return
            except (QueueDown, OSError):
                pass
            if time.monotonic() > ends:
                raise TimeoutError(f"the cluster in {self.folder.name} did not come together")
            await asyncio.sleep(0.05)

    async def until_whole(self) -> None:
        """Wait until `whole`; raises TimeoutError."""
        await self._until(self.whole)


def client_of(nodes: Nodes, *, replicas: int = 0, blocking: bool = False) -> Client:
    """Return a client of the whole cluster."""
    return connect(Server(nodes.url, replicas=replicas), blocking=blocking)
