"""A server, the ingest role on it, and this process in the place of a worker: the queue without SMTP.

Mail is submitted as producers do, taken and settled as workers do; each phase tells its CPU by process.
"""

import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from mta.demo.newsletter import entry
from mta.queue import embedded
from mta.queue.codec import Item
from mta.queue.control import Control, Gate, Scope
from mta.queue.keys import Keys
from mta.queue.lanes import OP_FINAL, PathDefaults, Queue, Report, Result
from mta.queue.link import Client, Server, connect
from mta.queue.sites import Sites
from mta.queue.upkeep import Upkeep

LEASE_MS = 600_000
FREE = PathDefaults(connections=100_000, batch=64)  # limits are bench.shaping's affair
BIG_SHARE = 0.4
SETTLED = 64  # results a call
IN_FLIGHT = 2_000  # taken, before they are settled
FIRST_NAMES = ("Bob", "Eve", "Ann", "Tom", "Zoe", "Max", "Mia", "Leo", "Ida", "Kai")
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
CAMPAIGN = {"id": "c", "from": "a@t.example", "subject": "Hi {{first}}", "text": "{{coupon}}"}
PATIENCE_SECONDS = 900.0
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Case:
    """What is queued, in entries of so many rows, and how many messages are then taken and settled."""

    queued: int = 100_000
    domains: int = 1_000
    tenants: int = 20
    rows: int = 1_000
    drained: int = 16_000


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
    """The pieces. CPU is in microseconds, by process: `redis`, `ingest`, `worker` (this one)."""

    def __init__(self, client: Client, ingest: psutil.Process) -> None:
        self.client = client
        self.ingest = ingest
        self.keys = Keys()
        self.queue = Queue(client, self.keys)
        self.open: dict[str, int] = {}
        self.loads = 0
        self.epoch = 0

    async def cpu(self) -> dict[str, float]:
        """Return what each process has used so far."""
        info = await self.client.info("cpu")
        times = self.ingest.cpu_times()
        seconds = {
            "redis": float(info["used_cpu_user"]) + float(info["used_cpu_sys"]),
            "ingest": times.user + times.system,
            "worker": time.process_time(),
        }
        return {name: one * 1e6 for name, one in seconds.items()}

    async def memory(self) -> int:
        """Return the bytes that Redis holds."""
        return int((await self.client.info("memory"))["used_memory"])

    async def archived(self) -> None:
        """Forget the copies of entries that wait for the archive, as the keeper does within seconds."""
        upkeep = Upkeep(self.client, self.keys)
        while waiting := await upkeep.entries():
            await upkeep.archived(list(waiting))

    async def ready(self) -> int:
        """Return how many bulk messages stand in lanes."""
        return int(await self.client.hget(f"{self.keys.base(0)}ready", "2") or 0)

    async def opened(self, count: int) -> None:
        """Wait until so many bulk messages stand in lanes; raise RuntimeError when they never do."""
        ends = time.monotonic() + 60.0
        while (ready := await self.ready()) < count:
            if time.monotonic() > ends:
                raise RuntimeError(f"only {ready} of {count} messages came into lanes")
            await asyncio.sleep(0.1)

    async def campaigns(self, case: Case) -> dict[str, float]:
        """Define each tenant's campaign and have the sites known; return the CPU of a campaign."""
        sites = Sites(self.client, self.keys)
        names = [f"d{number}.example.test" for number in range(case.domains)]
        for start in range(0, len(names), 5000):
            await sites.put({name: (name, 86400.0) for name in names[start : start + 5000]})
        before = await self.cpu()
        for start in range(0, case.tenants, 500):
            pipe = self.client.pipeline(transaction=False)
            for tenant in range(start, min(start + 500, case.tenants)):
                pipe.xadd("mta:submit:bulk", entry("campaign", f"t{tenant}", "c", CAMPAIGN))
            await pipe.execute()
        await self._taken_in()
        return _per(before, await self.cpu(), case.tenants)

    async def put(self, case: Case) -> dict[str, float]:
        """Submit the case's recipients; return the CPU of each until the last one is accepted."""
        self.loads += 1
        rows, before = people(case), await self.cpu()
        pipe = self.client.pipeline(transaction=False)
        for number, start in enumerate(range(0, case.queued, case.rows)):
            batch = [next(rows) for _ in range(min(case.rows, case.queued - start))]
            document = {"campaign": "c", "columns": ["email", "first", "coupon"], "rows": batch}
            key = f"{self.loads}-{number}"
            pipe.xadd("mta:submit:bulk", entry("recipients", f"t{number % case.tenants}", key, document))
            if number % 50 == 49:
                await pipe.execute()
                pipe = self.client.pipeline(transaction=False)
        await pipe.execute()
        await self._taken_in()
        return _per(before, await self.cpu(), case.queued)

    async def drain(self, count: int) -> dict[str, dict[str, float] | float]:
        """Take and settle so many messages by turns; return the CPU of a message for each, and messages a second.

        `take` holds what opening packs costs Redis and ingest, since it is what asks for it.
        """
        if not self.epoch:
            self.epoch, _ = await self.queue.register("bench", LEASE_MS)
        spent: dict[str, dict[str, float]] = {"take": {}, "settle": {}}
        done, began = 0, time.monotonic()
        while done < count:
            before = await self.cpu()
            items = await self._take(min(IN_FLIGHT, count - done))
            between = await self.cpu()
            await self._settle(items)
            after = await self.cpu()
            _add(spent["take"], before, between)
            _add(spent["settle"], between, after)
            done += len(items)
        seconds = time.monotonic() - began
        for part in spent.values():
            for name in part:
                part[name] /= done
        return {**spent, "per_second": done / seconds}

    async def close_site(self, site: str) -> None:
        """Suspend a site."""
        await Control(self.client, self.keys).close(Scope.of_site(site), Gate("suspended"), {})

    async def close_tenants(self, tenants: int) -> None:
        """Suspend tenants: their mail stays packed."""
        control = Control(self.client, self.keys)
        for tenant in range(tenants):
            await control.close(Scope.of_tenant(f"t{tenant}"), Gate("suspended"), {})

    async def _taken_in(self) -> None:
        ends = time.monotonic() + PATIENCE_SECONDS
        while await self.client.xlen("mta:submit:bulk"):
            if time.monotonic() > ends:
                raise RuntimeError(f"ingest did not take everything in within {PATIENCE_SECONDS:.0f} s")
            await asyncio.sleep(0.1)

    async def _take(self, count: int) -> list[Item]:
        items: list[Item] = []
        ends = time.monotonic() + 60.0
        while len(items) < count:
            reports = [Report(path, held, held, 64) for path, held in self.open.items()]
            taken = await self.queue.take(
                "bench", self.epoch, want=min(128, count - len(items)), most=64, lease_ms=LEASE_MS,
                defaults=FREE, reports=reports,
            )  # fmt: skip
            self.open = {batch.path: 1 for batch in taken.batches}
            found = [one for batch in taken.batches for one in batch.items]
            items += found
            if not found:
                if time.monotonic() > ends:
                    raise RuntimeError(f"only {len(items)} of {count} came")
                await asyncio.sleep(0.002)
        return items

    async def _settle(self, items: list[Item]) -> None:
        results = []
        for one in items:
            *_, tenant, campaign = one.lane.split("|")
            fields = _event(one.record.name, tenant, campaign, one.record.rcpt)
            results.append(
                Result(OP_FINAL, one.id, one.lane, f"{tenant}|{campaign}", "delivered", event=fields)
            )
        for start in range(0, len(results), SETTLED):
            await self.queue.settle("bench", self.epoch, LEASE_MS, results[start : start + SETTLED])


@asynccontextmanager
async def stand() -> AsyncIterator[Stand]:
    """Start a server and an ingest role on it; end both."""
    with tempfile.TemporaryDirectory(prefix="mta-queue-") as folder:
        root = Path(folder)
        server = embedded.start(root / "redis")
        (root / "mta.toml").write_text(
            f'[redis]\nurl = "{server.url}"\n[paths]\nstate = "{root}/state"\n[limits]\nshaping = "none"\nrate = 0\n'
            '[dns]\nlifetime = "1s"\n[net]\nresolver = ["127.0.0.1:9"]\n[metrics]\nlisten = ""\n'
        )
        command = [sys.executable, "-m", "mta", "run", "--role", "ingest", "-c", str(root / "mta.toml")]
        with (root / "log").open("wb") as log:
            ingest = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(_ROOT)}
            )
        client = connect(Server(server.url))
        try:
            await asyncio.sleep(1.0)
            yield Stand(client, psutil.Process(ingest.pid))
        finally:
            await client.aclose()
            ingest.terminate()
            ingest.wait(30)
            server.stop()


def _per(before: dict[str, float], after: dict[str, float], count: int) -> dict[str, float]:
    # This process only submits meanwhile: that is the producer's.
    return {name: (after[name] - before[name]) / count for name in ("redis", "ingest")}


def _add(into: dict[str, float], before: dict[str, float], after: dict[str, float]) -> None:
    for name in after:
        into[name] = into.get(name, 0.0) + after[name] - before[name]


def _event(name: str, tenant: str, campaign: str, rcpt: str) -> list[str]:
    return [
        "v", "1", "event", "delivered", "eid", f"{tenant}/{name}/delivered/1", "ts", "1700000000000", "id", name,
        "tenant", tenant, "rcpt", rcpt, "code", "250", "status", "2.0.0", "reply", "2.0.0 ok", "mx", "mx [127.0.0.1]",
        "source", "127.0.0.1", "tls", "", "attempts", "1", "delay_ms", "100", "campaign", campaign,
    ]  # fmt: skip
