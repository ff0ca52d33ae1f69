"""How long a transactional mail takes from XADD to the receiver's 250 while bulk is sent flat out.

Open loop: each mail is due at an instant that depends on its number alone, and its latency counts from that instant,
whatever the generator or the engine did (no coordinated omission). Half goes to sites that are busy with bulk, a fifth
to cold ones, the rest to warm ones without bulk. Measured at the receiver, by its clock on the same machine.

python -m bench.latency --json
"""

import asyncio
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from bench.arrivals import percentiles, read
from bench.documents import Domains, message_document, person, tenant_name
from bench.load import connect, entry, send
from bench.machine import machine
from bench.plan import Plan
from bench.rig import Rig, Setup

SCHEMA = 1
BUSY, WARM, COLD = "busy", "warm", "cold"
KINDS = (BUSY, BUSY, WARM, COLD, BUSY, WARM, BUSY, COLD, BUSY, WARM)  # of ten
DOMAINS = 50  # bulk goes to these
RECEIVERS = {"loopback": (), "distant": ("--delay-ms", "50", "--dot-delay-ms", "300")}
GOALS = {"p50": 0.015, "p99": 0.100}


@dataclass(frozen=True, slots=True)
class Options:
    """One configuration."""

    backlog: int = 1_000_000
    seconds: float = 120.0
    per_second: float = 10.0
    workers: int = 1
    tenants: int = 20
    receiver: str = "loopback"


def domain_of(number: int) -> tuple[str, str]:
    """Return the kind of site the n-th mail goes to, and its domain."""
    kind = KINDS[number % len(KINDS)]
    if kind == BUSY:
        return kind, f"d{number % DOMAINS}.example.test"
    return kind, f"d{DOMAINS + 1 + number % 5 if kind == WARM else 1000 + number}.example.test"


async def probe(url: str, options: Options) -> dict[str, float]:
    """Submit the mails on time; return when each was due, by recipient."""
    redis = connect(url)
    due: dict[str, float] = {}
    people = Domains(DOMAINS)
    began = time.time() + 0.5
    try:
        for number in range(int(options.seconds * options.per_second)):
            at = began + number / options.per_second
            tenant = tenant_name(number % options.tenants)
            rcpt = f"due.{number}@{domain_of(number)[1]}"
            document = message_document(tenant, number, person(number, people)) | {"to": [rcpt]}
            document.pop("id", None)
            fields = entry("message", tenant, f"due-{number}", document)
            await asyncio.sleep(max(0.0, at - time.time()))
            due[rcpt] = at
            await redis.xadd("mta:submit:transactional", fields)
    finally:
        await redis.aclose()
    return due


async def drive(rig: Rig, options: Options) -> tuple[dict[str, float], dict[str, Any]]:
    """Load the backlog, then probe while more of it is being submitted."""
    half = options.backlog // 2
    plan = Plan(
        count=half, mix={"bulk": 1.0}, tenants=options.tenants, domains=Domains(DOMAINS), run="backlog", rows=1000
    )  # fmt: skip
    redis, more = connect(rig.redis_url), connect(rig.redis_url)
    try:
        await send(plan, redis)
        while int(await redis.hget("mta:{0}:ready", "2") or 0) == 0:
            await asyncio.sleep(0.1)
        rest = Plan(
            count=half, rate=half / options.seconds, mix={"bulk": 1.0}, tenants=options.tenants,
            domains=Domains(DOMAINS), run="more", rows=1000, first=half,
        )  # fmt: skip
        filling = asyncio.create_task(send(rest, more))
        before = await _delivered(redis)
        due = await probe(rig.redis_url, options)
        bulk = (await _delivered(redis) - before) / options.seconds
        filling.cancel()
        await asyncio.sleep(3)
    finally:
        await redis.aclose()
        await more.aclose()
    return due, {"bulk_per_second": bulk}


async def _delivered(redis: Any) -> int:
    rows = [
        await redis.hget(key, "delivered") async for key in redis.scan_iter("mta:{0}:count:*", count=1000)
    ]
    return sum(int(row or 0) for row in rows)


def measure(options: Options) -> dict[str, Any]:
    """Run one configuration and return its document."""
    path = Path("/tmp") / f"mta-arrivals-{time.time_ns()}"
    setup = Setup(
        workers=options.workers, tenants=options.tenants, receiver="sink",
        sink=(*RECEIVERS[options.receiver], "--arrivals", str(path)),
    )  # fmt: skip
    try:
        with Rig(setup) as rig:
            rig.start_engine()
            due, more = asyncio.run(drive(rig, options))
        latencies: dict[str, list[float]] = {kind: [] for kind in (BUSY, WARM, COLD)}
        arrived: set[str] = set()
        for one in read(path):
            if one.rcpt in due and one.rcpt not in arrived:
                arrived.add(one.rcpt)
                kind = domain_of(int(one.rcpt[4:].partition("@")[0]))[0]
                latencies[kind].append(one.at - due[one.rcpt])
    finally:
        path.unlink(missing_ok=True)
    every = percentiles([value for values in latencies.values() for value in values])
    return {
        "bench": "latency",
        "schema": SCHEMA,
        "machine": machine(),
        "options": asdict(options),
        "seconds": {"all": every, **{kind: percentiles(values) for kind, values in latencies.items()}},
        "missing": len(due) - len(arrived),
        "goals": GOALS,
        **more,
    }


@click.command()
@click.option("--backlog", default=1_000_000)
@click.option("--seconds", default=120.0)
@click.option("--workers", default=1)
@click.option("--receiver", type=click.Choice(list(RECEIVERS)), default="loopback")
@click.option("--quick", is_flag=True, help="20,000 bulk mails, 10 s.")
@click.option("--json", "as_json", is_flag=True)
def main(backlog: int, seconds: float, workers: int, receiver: str, quick: bool, as_json: bool) -> None:
    """Measure the latency of transactional mail under a flat-out backlog."""
    options = Options(backlog, seconds, workers=workers, receiver=receiver)
    if quick:
        options = Options(20_000, 10.0, workers=workers, receiver=receiver)
    document = measure(options)
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    for name, row in document["seconds"].items():
        click.echo(f"{name}: " + ", ".join(f"{key} {value:.4f}" for key, value in row.items()))


if __name__ == "__main__":
    main()
