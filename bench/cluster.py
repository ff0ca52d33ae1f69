"""The engine on a cluster: a primary is killed and a slot is moved while mail is on its way; do the books add up?

    python -m bench.cluster --json
    python -m bench.cluster --quick --json

Three primaries with a replica each on loopback, `mta run` with several shards and `redis.replicas = 1`; the producer
waits for a replica, too (WAIT). First everything runs undisturbed, which gives the cost per primary; then the primary
that holds the most shards ends by SIGKILL, its replica is promoted, and it comes back as a replica; then a shard's slot
is moved key by key. At the end every recipient is accounted for (`bench.books`), and the receiver has counted
duplicates and open dots.
"""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import click

from bench.ledger import account
from bench.load import Domains, Plan, submissions
from bench.machine import machine
from bench.nodes import Node, Nodes, client_of
from bench.rig import READY_SECONDS, Rig, Setup
from mta.queue.inspect import Inspect
from mta.queue.keys import Keys
from mta.queue.link import Client, QueueDown
from mta.queue.slots import Address, View, slot_of

SCHEMA = 1
SHARDS = 6
SECONDS = 240.0  # until what was handed in must be done with
BATCH = 16
RETRY = {"first": "200ms", "factor": 0.1, "most": "2s"}


class ClusterRig(Rig):
    """A rig whose engine keeps its mail in a cluster."""

    def __init__(self, nodes: Nodes, workers: int) -> None:
        settings: dict[str, dict[str, Any]] = {
            "redis": {"url": nodes.url, "replicas": 1},
            "queue": {"lease": "5s", "shards": SHARDS},
            "limits": {"unreachable": "500ms", "connections": 20},
            **{f"retry.{cls}": RETRY for cls in ("urgent", "transactional", "bulk")},
        }
        super().__init__(
            Setup(
                workers=workers,
                tenants=3,
                signed=False,
                receiver="sink",
                durability="everysec",
                settings=settings,
            )
        )
        self.nodes = nodes

    async def _until_ready(self, ends: float) -> None:
        client = client_of(self.nodes)
        while time.monotonic() < ends and self.engine is not None and self.engine.poll() is None:
            with contextlib.suppress(QueueDown):
                if await client.hget("mta:status", "accepting") == b"1":
                    await client.aclose()
                    return
            await asyncio.sleep(0.05)
        raise RuntimeError(f"the engine did not start within {READY_SECONDS:g} s:\n{self.log_tail()}")


@dataclass(slots=True)
class Run:
    """What goes on and what came of it."""

    rig: ClusterRig
    client: Client
    keys: Keys
    count: int  # messages a phase
    submitted: int = 0
    again: int = 0  # submissions repeated for want of an answer
    phases: list[dict[str, Any]] = field(default_factory=list)

    async def phase(self, name: str, happening: Callable[[], Awaitable[dict[str, Any]]] | None) -> None:
        """Hand in a phase's mail; let something happen once a fifth of it is out; wait until all is done with."""
        began, before = time.monotonic(), {node.port: node.cpu_seconds() for node in self.rig.nodes.nodes}
        start = self.rig.received()["distinct_recipients"]
        handing = asyncio.create_task(self._hand_in(name))
        ends = began + SECONDS
        told: dict[str, Any] = {}
        if happening is not None:
            while self.rig.received()["distinct_recipients"] < start + self.count // 5:
                await self._pause(ends, name)
            told = await happening()
        await handing
        while not await self._done(self.submitted):
            await self._pause(ends, name)
        seconds = time.monotonic() - began
        cpu = {
            str(node.port): round((node.cpu_seconds() - before[node.port]) * 1e6 / self.count, 2)
            for node in self.rig.nodes.nodes
            if not told
        }
        self.phases.append(
            {"name": name, "messages": self.count, "seconds": round(seconds, 2),
             "messages_per_s": round(self.count / seconds), "node_us_per_message": cpu, **told}
        )  # fmt: skip

    async def _pause(self, ends: float, name: str) -> None:
        if time.monotonic() > ends:
            raise TimeoutError(f"{name}: not done after {SECONDS:g} s\n{self.rig.log_tail()}")
        await asyncio.sleep(0.1)

    async def _hand_in(self, name: str) -> None:
        plan = Plan(
            count=self.count, rate=float(self.count), mix={"bulk": 0.9, "transactional": 0.1}, tenants=3,
            domains=Domains(60), html_bytes=2000, links=2, rows=200, seed=1, run=f"cluster-{name}",
            first=self.submitted,
        )  # fmt: skip
        mail = list(submissions(plan))
        for at in range(0, len(mail), BATCH):
            batch = mail[at : at + BATCH]
            while True:
                pipe = self.client.pipeline(transaction=False)
                for one in batch:
                    pipe.xadd(self.keys.submit_stream(one.cls), one.fields)
                try:
                    await pipe.execute()
                    break
                except QueueDown:
                    self.again += len(batch)
                    await asyncio.sleep(0.1)
        self.submitted += self.count

    async def _done(self, count: int) -> bool:
        try:
            inspect = Inspect(self.client, self.keys)
            if any((await inspect.submitted()).values()):
                return False
            if any(one.ready + one.packed + one.scheduled for one in await inspect.depth()):
                return False
            return not any(one.in_flight for one in await inspect.workers()) and (
                self.rig.received()["distinct_recipients"] >= count
            )
        except QueueDown:
            return False


def homes(view: View, keys: Keys) -> dict[Address, list[int]]:
    """Return each primary's shards."""
    out: dict[Address, list[int]] = {address: [] for address in view.primaries}
    for shard in range(keys.shards):
        address = view.primary_of(slot_of(keys.base(shard)))
        assert address is not None
        out[address].append(shard)
    return out


async def fail_over(nodes: Nodes, keys: Keys) -> dict[str, Any]:
    """Kill the primary with the most shards; return when its replica served them."""
    held = homes(await nodes.view(), keys)
    address = max(held, key=lambda one: len(held[one]))
    victim: Node = nodes.at(address)
    began = time.monotonic()
    victim.kill()
    while address in (await nodes.view()).primaries:
        await asyncio.sleep(0.02)
    seconds = time.monotonic() - began
    victim.start()
    await nodes.until_whole()
    return {"killed_shards": held[address], "promoted_after_s": round(seconds, 2)}


async def slot_move(nodes: Nodes, keys: Keys) -> dict[str, Any]:
    """Move the first shard to a primary that has the fewest; return how many keys went and how long it took."""
    view = await nodes.view()
    held = homes(view, keys)
    slot = slot_of(keys.base(0))
    target = min((one for one in held if one != view.primary_of(slot)), key=lambda one: len(held[one]))
    began = time.monotonic()
    moved = await nodes.move(slot, nodes.at(target))
    return {"moved_keys": moved, "moved_in_s": round(time.monotonic() - began, 3)}


async def play(rig: ClusterRig, count: int) -> dict[str, Any]:
    """Run the phases and check the books; return the document."""
    nodes, keys = rig.nodes, Keys(shards=SHARDS)
    client = client_of(nodes, replicas=1)
    run = Run(rig, client, keys, count)
    shards = {f"{host}:{port}": held for (host, port), held in homes(await nodes.view(), keys).items()}
    await run.phase("undisturbed", None)
    await run.phase("fail-over", lambda: fail_over(nodes, keys))
    await run.phase("slot-move", lambda: slot_move(nodes, keys))
    verdict = await account(client, keys, rig.state / "archive")
    await client.aclose()
    return {"phases": run.phases, "shards": shards, "again": run.again, "books": verdict.document()}


def run(count: int) -> dict[str, Any]:
    """Run the whole of it; return the document."""
    with Nodes() as nodes, ClusterRig(nodes, workers=1) as rig:
        rig.start_engine()
        found = asyncio.run(play(rig, count))
        code = rig.stop_engine()
        received = rig.received()
    faults = [f"books: {kind}" for kind in found["books"]["faults"]]
    sums = Counter(found["books"]["sums"])
    if sums["delivered"] != received["distinct_recipients"]:
        faults.append(f"{sums['delivered']} are told as delivered, {received['distinct_recipients']} came")
    if received["duplicates"] > received["dots_unconfirmed"]:
        faults.append(f"{received['duplicates']} duplicates, only {received['dots_unconfirmed']} open dots")
    if received["distinct_recipients"] != 3 * count:
        faults.append(f"{3 * count - received['distinct_recipients']} did not come")
    if code != 0:
        faults.append(f"the engine ended with {code}")
    return {
        "bench": "cluster", "schema": SCHEMA, "machine": machine(), "messages": 3 * count, **found,
        "received": received["messages"], "duplicates": received["duplicates"],
        "open_dots": received["dots_unconfirmed"], "faults": faults, "ok": not faults,
    }  # fmt: skip


@click.command(context_settings={"show_default": True})
@click.option("--messages", default=60_000, help="Recipients in all, a third of them in each phase.")
@click.option("--quick", is_flag=True, help="3,000 messages.")
@click.option("--json", "as_json", is_flag=True)
def main(messages: int, quick: bool, as_json: bool) -> None:
    """Kill a primary and move a slot under a running engine; exit code 1 when the books do not add up."""
    document = run((3000 if quick else messages) // 3)
    if as_json:
        click.echo(json.dumps(document, indent=1))
    else:
        for one in document["phases"]:
            click.echo(f"{one['name']}: {one['messages_per_s']}/s")
        click.echo("\n".join(document["faults"]) or "the books add up")
    raise SystemExit(0 if document["ok"] else 1)


if __name__ == "__main__":
    main()
