"""What the queue itself costs per message, and whether that depends on how much is in it.

The real ingest role takes submission entries in and opens packs; this process takes and settles as a worker does,
without SMTP. One factor is varied at a time: messages queued, domains, tenants; 40 % of the mail goes to one site, the
rest falls off by Zipf's law. Sites are known beforehand, as they are for all but a domain's first mail of the day.

python -m bench.queue --json [--large]
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import psutil

from bench.machine import machine
from mta.demo.newsletter import entry
from mta.queue import embedded
from mta.queue.control import Control, Gate, Scope
from mta.queue.keys import Keys
from mta.queue.lanes import OP_FINAL, PathDefaults, Queue, Report, Result
from mta.queue.link import Client, Server, connect
from mta.queue.sites import Sites

SCHEMA = 1
LEASE_MS = 60_000
FREE = PathDefaults(connections=100_000, batch=64)  # limits are bench.shaping's affair
BIG_SHARE = 0.4
FIRST_NAMES = ("Bob", "Eve", "Ann", "Tom", "Zoe", "Max", "Mia", "Leo", "Ida", "Kai")
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True)
class Case:
    """What is queued, and how many messages are then taken and settled."""

    queued: int = 100_000
    domains: int = 1_000
    tenants: int = 20
    drained: int = 20_000


BASE = Case()
CASES = {
    "base": BASE,
    "queued_10k": replace(BASE, queued=10_000, drained=8_000),
    "queued_1m": replace(BASE, queued=1_000_000),
    "domains_10": replace(BASE, domains=10),
    "domains_100k": replace(BASE, domains=100_000),
    "tenants_1": replace(BASE, tenants=1),
    "tenants_10k": replace(BASE, tenants=10_000),
}
LARGE = {"queued_10m": replace(BASE, queued=10_000_000)}


def people(case: Case) -> Iterator[list[str]]:
    """Yield e-mail, first name and an 8-character coupon, Zipf over the domains behind the big one."""
    chance = random.Random(1)
    weights = [1 / (number + 1) for number in range(case.domains - 1)] or [1.0]
    number = 0
    while True:
        tail = chance.choices(range(1, max(2, case.domains)), weights, k=1000)
        for at in tail:
            domain = 0 if chance.random() < BIG_SHARE else at % case.domains
            name = chance.choice(FIRST_NAMES)
            coupon = "".join(chance.choices(LETTERS, k=8))
            yield [f"{name.lower()}.{number}@d{domain}.example.test", name, coupon]
            number += 1


class Stand:
    """A server and an ingest process, and this process as a worker."""

    def __init__(self, client: Client, ingest: psutil.Process) -> None:
        self.client = client
        self.ingest = ingest
        self.keys = Keys()
        self.queue = Queue(client, self.keys)
        self.open: dict[str, int] = {}

    async def cpu(self) -> dict[str, float]:
        """Return the CPU seconds so far of Redis, ingest and this process."""
        info = await self.client.info("cpu")
        times = self.ingest.cpu_times()
        return {
            "redis": float(info["used_cpu_user"]) + float(info["used_cpu_sys"]),
            "ingest": times.user + times.system,
            "client": time.process_time(),
        }

    async def memory(self) -> int:
        """Return the bytes that Redis holds."""
        return int((await self.client.info("memory"))["used_memory"])

    async def accepted(self) -> int:
        """Return how many recipients have been accepted."""
        rows = [
            await self.client.hget(key, "accepted")
            async for key in self.client.scan_iter("mta:{0}:count:*", count=5000)
        ]
        return sum(int(row or 0) for row in rows)

    async def load(self, case: Case, *, hold: bool = False) -> None:
        """Submit the case's mail and wait until it is accepted; `hold` keeps every tenant closed."""
        sites = Sites(self.client, self.keys)
        names = [f"d{number}.example.test" for number in range(case.domains)]
        for start in range(0, len(names), 5000):
            await sites.put({name: (name, 86400.0) for name in names[start : start + 5000]})
        if hold:
            control = Control(self.client, self.keys)
            for tenant in range(case.tenants):
                await control.close(Scope.of_tenant(f"t{tenant}"), Gate("suspended"), {})
        rows, each = people(case), max(1, min(1000, case.queued // case.tenants))
        campaign = {"id": "c", "from": "a@t.example", "subject": "Hi {{first}}", "text": "{{coupon}}"}
        pipe = self.client.pipeline(transaction=False)
        for tenant in range(case.tenants):
            pipe.xadd("mta:submit:bulk", entry("campaign", f"t{tenant}", "c", campaign))
        for number, start in enumerate(range(0, case.queued, each)):
            batch = [next(rows) for _ in range(min(each, case.queued - start))]
            document = {"campaign": "c", "columns": ["email", "first", "coupon"], "rows": batch}
            pipe.xadd(
                "mta:submit:bulk", entry("recipients", f"t{number % case.tenants}", f"r{number}", document)
            )
            if number % 50 == 49:
                await pipe.execute()
                pipe = self.client.pipeline(transaction=False)
        await pipe.execute()
        while await self.client.xlen("mta:submit:bulk") or await self.accepted() < case.queued:
            await asyncio.sleep(0.2)

    async def drain(self, count: int) -> dict[str, float]:
        """Take and settle so many messages; return CPU microseconds per message, and messages per second."""
        epoch, _ = await self.queue.register("bench", LEASE_MS)
        before, began, done, empty = await self.cpu(), time.monotonic(), 0, 0
        while done < count:
            reports = [Report(path, held, held, 64) for path, held in self.open.items()]
            taken = await self.queue.take(
                "bench", epoch, want=128, most=64, lease_ms=LEASE_MS, defaults=FREE, reports=reports
            )
            self.open = {}
            results = []
            for batch in taken.batches:
                self.open[batch.path] = 1
                for one in batch.items:
                    *_, tenant, campaign = one.lane.split("|")
                    fields = _event(one.record.name, tenant, campaign, one.record.rcpt)
                    results.append(
                        Result(OP_FINAL, one.id, one.lane, f"{tenant}|{campaign}", "delivered", event=fields)
                    )
            for start in range(0, len(results), 64):
                await self.queue.settle("bench", epoch, LEASE_MS, results[start : start + 64])
            done += len(results)
            empty = 0 if results else empty + 1
            if empty > 2000:
                raise RuntimeError(f"only {done} of {count} came")
            if not results:
                await asyncio.sleep(0.005)
        seconds, after = time.monotonic() - began, await self.cpu()
        return {name: (after[name] - before[name]) / done * 1e6 for name in after} | {
            "per_second": done / seconds
        }


def _event(name: str, tenant: str, campaign: str, rcpt: str) -> list[str]:
    return [
        "v", "1", "event", "delivered", "eid", f"{tenant}/{name}/delivered/1", "ts", "1700000000000", "id", name,
        "tenant", tenant, "rcpt", rcpt, "code", "250", "status", "2.0.0", "reply", "2.0.0 ok", "mx", "mx [127.0.0.1]",
        "source", "127.0.0.1", "tls", "", "attempts", "1", "delay_ms", "100", "campaign", campaign,
    ]  # fmt: skip


@asynccontextmanager
async def stand() -> AsyncIterator[Stand]:
    """Start a server and an ingest role on it; end both."""
    with tempfile.TemporaryDirectory(prefix="mta-queue-") as folder:
        root = Path(folder)
        server = embedded.start(root / "redis")
        (root / "mta.toml").write_text(
            f'[redis]\nurl = "{server.url}"\n[paths]\nstate = "{root}/state"\n[limits]\nshaping = "none"\nrate = 0\n'
            '[dns]\nlifetime = "1s"\n[net]\nresolver = ["127.0.0.1:9"]\n'
        )
        command = [sys.executable, "-m", "mta", "run", "--role", "ingest", "-c", str(root / "mta.toml")]
        with (root / "log").open("wb") as log:
            ingest = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(_ROOT)}
            )
        client = connect(Server(server.url))
        try:
            yield Stand(client, psutil.Process(ingest.pid))
        finally:
            await client.aclose()
            ingest.terminate()
            ingest.wait(30)
            server.stop()


_ROOT = Path(__file__).resolve().parents[1]


async def one(case: Case) -> dict[str, Any]:
    """Measure a case on a fresh server."""
    async with stand() as here:
        await asyncio.sleep(1.0)
        before, start = await here.cpu(), await here.memory()
        began = time.monotonic()
        await here.load(case)
        after = await here.cpu()
        put = {name: (after[name] - before[name]) / case.queued * 1e6 for name in ("redis", "ingest")}
        loaded = await here.memory() - start
        drained = await here.drain(min(case.drained, case.queued - 500))
        return {
            "case": asdict(case),
            "load_seconds": time.monotonic() - began,
            "put_us": put,
            "drain_us": drained,
            "engine_us": drained["redis"]
            + drained["client"]
            + drained["ingest"]
            + put["redis"]
            + put["ingest"],
            "bytes_per_queued": loaded / case.queued,
        }


async def memory(queued: int) -> dict[str, float]:
    """Return the bytes per recipient of a backlog that nobody may send, and of mail that stands in lanes."""
    case = Case(queued, domains=1000, tenants=20)
    async with stand() as here:
        await asyncio.sleep(1.0)
        start = await here.memory()
        await here.load(case, hold=True)
        await asyncio.sleep(1.0)
        backlog = (await here.memory() - start) / queued
    async with stand() as here:
        await asyncio.sleep(1.0)
        few = replace(case, queued=min(queued, 4000))
        start = await here.memory()
        await here.load(few)
        while int(await here.client.hget("mta:{0}:ready", "2") or 0) < few.queued:
            await asyncio.sleep(0.1)
        ready = (await here.memory() - start) / few.queued
    return {"backlog": backlog, "ready": ready}


async def suspended(waiting: int, drained: int) -> dict[str, Any]:
    """Return what the others cost with and without so many messages waiting for one suspended site."""
    out: dict[str, Any] = {}
    for name, count in (("without", 0), ("with", waiting)):
        async with stand() as here:
            await asyncio.sleep(1.0)
            if count:
                await Control(here.client, here.keys).close(
                    Scope.of_site("d0.example.test"), Gate("suspended"), {}
                )
                await here.load(Case(count, domains=1, tenants=1, drained=0))
            others = Case(3 * drained, domains=1000, tenants=20)
            await here.load(replace(others, queued=others.queued + count) if count else others)
            out[name] = await here.drain(drained)
    out["throughput"] = out["with"]["per_second"] / out["without"]["per_second"]
    return out


async def measure(cases: dict[str, Case], rounds: int, waiting: int, held: int) -> dict[str, Any]:
    """Measure every case, interleaved, and return the document."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            rows[name].append(await one(case))
    middle = {
        name: sorted(found, key=lambda row: row["engine_us"])[len(found) // 2] for name, found in rows.items()
    }
    base = middle["base"]["engine_us"]
    return {
        "bench": "queue",
        "schema": SCHEMA,
        "machine": machine(),
        "rounds": rounds,
        "cases": middle,
        "against_base": {name: row["engine_us"] / base for name, row in middle.items()},
        "spread": {
            name: [min(row["engine_us"] for row in found), max(row["engine_us"] for row in found)]
            for name, found in rows.items()
        },
        "bytes_per_recipient": await memory(held),
        "suspended_site": await suspended(waiting, 20_000),
        "goals": {"flat": 1.15, "backlog_bytes": 40, "ready_bytes": 250, "throughput": 0.9},
    }


@click.command()
@click.option("--rounds", default=3)
@click.option("--large", is_flag=True, help="10,000,000 queued as well: half an hour.")
@click.option("--quick", is_flag=True, help="Small amounts, one round.")
@click.option("--json", "as_json", is_flag=True)
def main(rounds: int, large: bool, quick: bool, as_json: bool) -> None:
    """Measure what put, take and settle cost, and what waits costs in memory."""
    cases = CASES | (LARGE if large else {})
    if quick:
        small = {
            "base": Case(6_000, 100, 5, 3_000),
            "domains_2k": Case(6_000, 2_000, 5, 3_000),
            "tenants_300": Case(6_000, 100, 300, 3_000),
        }
        document = asyncio.run(measure(small, 1, 10_000, 10_000))
    else:
        document = asyncio.run(measure(cases, rounds, 1_000_000, 200_000))
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    for name, share in document["against_base"].items():
        click.echo(f"{name}: {document['cases'][name]['engine_us']:.1f} us a message, {share:.2f} of base")
    click.echo(f"bytes per recipient: {document['bytes_per_recipient']}")
    click.echo(f"others' throughput beside a suspended site: {document['suspended_site']['throughput']:.2f}")


if __name__ == "__main__":
    main()
