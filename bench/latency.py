"""How long a transactional mail takes from XADD to the receiver's 250 while bulk is sent flat out.

Open loop: each mail is due at an instant that depends on its number alone, and its latency counts from that instant,
whatever the generator or the engine did (no coordinated omission). Half goes to sites that are busy with bulk, a fifth
to cold ones, the rest to warm ones without bulk. Measured at the receiver, by its clock on the same machine.

python -m bench.latency --json
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
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
from bench.visit import visit

SCHEMA = 2
BUSY, WARM, COLD = "busy", "warm", "cold"
KINDS = (BUSY, BUSY, WARM, COLD, BUSY, WARM, BUSY, COLD, BUSY, WARM)  # of ten
DOMAINS = 50  # bulk goes to these
DOT_SECONDS = {"loopback": 0.0, "distant": 0.3}
RECEIVERS = {"loopback": (), "distant": ("--delay-ms", "50", "--dot-delay-ms", "300")}
CONNECTIONS = {"loopback": 20, "distant": 10}  # a site: 500 sessions over the 50 domains of `distant`
GOALS = {"p50": 0.015, "p99": 0.100}
LAST_SECONDS = 30.0  # for the last mails to arrive
BUILT_IN = Domains(DOMAINS)


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


async def probe(url: str, options: Options) -> tuple[dict[str, float], list[float]]:
    """Submit the mails on time; return when each was due, by recipient, and how late each XADD was sent."""
    redis = connect(url)
    due: dict[str, float] = {}
    late: list[float] = []
    began = time.time() + 0.5
    try:
        for number in range(int(options.seconds * options.per_second)):
            at = began + number / options.per_second
            tenant = tenant_name(number % options.tenants)
            rcpt = f"due.{number}@{domain_of(number)[1]}"
            document = message_document(tenant, number, person(number, BUILT_IN)) | {"to": [rcpt]}
            document.pop("id", None)
            fields = entry("message", tenant, f"due-{number}", document)
            await asyncio.sleep(max(0.0, at - time.time()))
            due[rcpt] = at
            late.append(time.time() - at)
            await redis.xadd("mta:submit:transactional", fields)
    finally:
        await redis.aclose()
    return due, late


@asynccontextmanager
async def filling(url: str, options: Options, count: int) -> AsyncIterator[None]:
    """Submit more bulk evenly over the time, in a process of its own: making it must not delay the probe."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", "--redis", url, "--rate", str(count / options.seconds),
        "--count", str(count), "--tenants", str(options.tenants), "--domains", str(DOMAINS), "--rows", "1000",
        "--run", "more", "--first", str(options.backlog), cwd=_ROOT, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


_ROOT = Path(__file__).resolve().parents[1]


async def drive(rig: Rig, options: Options) -> tuple[dict[str, float], dict[str, Any]]:
    """Load half of the backlog, then probe while the other half is being submitted."""
    half = options.backlog // 2
    plan = Plan(
        count=half, mix={"bulk": 1.0}, tenants=options.tenants, domains=BUILT_IN, run="backlog", rows=1000
    )  # fmt: skip
    redis = connect(rig.redis_url)
    try:
        await send(plan, redis)
        while not (await totals(redis))[0].get("delivered"):
            await asyncio.sleep(0.1)
        async with filling(rig.redis_url, options, half):
            before, began = (await totals(redis))[0], time.monotonic()
            due, late = await probe(rig.redis_url, options)
            bulk, seconds = (await totals(redis))[0], time.monotonic() - began
        ends = time.monotonic() + LAST_SECONDS
        while (await totals(redis))[1].get("delivered", 0) < len(due) and time.monotonic() < ends:
            await asyncio.sleep(0.2)
    finally:
        await redis.aclose()
    return due, {
        "bulk_per_second": (bulk["delivered"] - before["delivered"]) / seconds,
        "bulk_waiting": bulk["accepted"] - bulk["delivered"],
        "submitted_late": percentiles(late),
    }


async def totals(redis: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Return the totals of all campaigns, and those of all single messages."""
    found: tuple[dict[str, int], dict[str, int]] = ({}, {})
    async for key in redis.scan_iter("mta:{0}:count:*", count=1000):
        into = found[key.endswith("|")]
        for kind, number in (await redis.hgetall(key)).items():
            into[kind] = into.get(kind, 0) + int(number)
    return found


def latencies(arrivals: Path, due: Mapping[str, float], dot_seconds: float) -> dict[str, list[float]]:
    """Return the seconds from due to 250 of each mail that arrived, by kind of site; a second copy counts not."""
    found: dict[str, list[float]] = {kind: [] for kind in (BUSY, WARM, COLD)}
    seen: set[str] = set()
    for one in read(arrivals):
        if one.rcpt in due and one.rcpt not in seen:
            seen.add(one.rcpt)
            kind = domain_of(int(one.rcpt[4:].partition("@")[0]))[0]
            # The sink stamps the dot when it reads it; its 250 leaves so much later.
            found[kind].append(one.at + dot_seconds - due[one.rcpt])
    return found


def report(
    found: Mapping[str, list[float]], due: Mapping[str, float], own: Mapping[str, float]
) -> dict[str, Any]:
    """Return percentiles of the latencies, and of what they are above the receiver's own delay.

    A mail to a cold site needs a new session; of any other only what an open session takes is the receiver's.
    """
    beyond = [
        value - own["new" if kind == COLD else "open"] for kind, values in found.items() for value in values
    ]
    every = [value for values in found.values() for value in values]
    return {
        "seconds": {
            "all": percentiles(every),
            **{kind: percentiles(values) for kind, values in found.items()},
        },
        "receiver_seconds": dict(own),
        "beyond_receiver": percentiles(beyond),
        "missing": len(due) - len(every),
    }


def faults(document: Mapping[str, Any]) -> list[str]:
    """Return why the run must not be quoted; empty when it may be."""
    out = []
    if document["missing"]:
        out.append(f"{document['missing']} mails did not arrive within {LAST_SECONDS:.0f} s")
    if document["bulk_waiting"] <= 0:
        out.append("the bulk backlog ran dry before the last mail was submitted; raise --backlog")
    if document["exit_code"] != 0:
        out.append(f"the engine ended with {document['exit_code']}")
    return out


def measure(options: Options) -> dict[str, Any]:
    """Run one configuration and return its document."""
    with tempfile.TemporaryDirectory(prefix="mta-latency-") as folder:
        path = Path(folder) / "arrivals"
        setup = Setup(
            workers=options.workers, tenants=options.tenants, receiver="sink",
            sink=(*RECEIVERS[options.receiver], "--arrivals", str(path)),
            settings={"limits": {"connections": CONNECTIONS[options.receiver]}},
        )  # fmt: skip
        with Rig(setup) as rig:
            own = asyncio.run(visit("127.0.0.1", rig.smtp_port))
            rig.start_engine()
            due, more = asyncio.run(drive(rig, options))
            sessions = rig.received()["connections_peak"]
            exit_code = rig.stop_engine()
        found = latencies(path, due, DOT_SECONDS[options.receiver])
    document = {
        "bench": "latency",
        "schema": SCHEMA,
        "machine": machine(),
        "options": asdict(options),
        **report(found, due, own),
        **more,
        "sessions_peak": sessions,
        "exit_code": exit_code,
        "goals": GOALS,
    }
    document["faults"] = faults(document)
    document["holds"] = not document["faults"] and all(
        document["beyond_receiver"][name] <= bound for name, bound in GOALS.items()
    )
    return document


@click.command()
@click.option("--backlog", default=1_000_000, help="Bulk mails: half before, half meanwhile.")
@click.option("--seconds", default=120.0)
@click.option("--workers", default=1)
@click.option("--receiver", type=click.Choice(list(RECEIVERS)), default="loopback")
@click.option("--quick", is_flag=True, help="60,000 bulk mails, 10 s.")
@click.option("--json", "as_json", is_flag=True)
def main(backlog: int, seconds: float, workers: int, receiver: str, quick: bool, as_json: bool) -> None:
    """Measure the latency of transactional mail under a flat-out backlog."""
    if quick:
        backlog, seconds = 60_000, 10.0
    document = measure(Options(backlog, seconds, workers=workers, receiver=receiver))
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    rows = {**document["seconds"], "all, beyond the receiver": document["beyond_receiver"]}
    for name, row in rows.items():
        click.echo(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in row.items()))
    for fault in document["faults"]:
        click.echo(f"VOID: {fault}")


if __name__ == "__main__":
    main()
