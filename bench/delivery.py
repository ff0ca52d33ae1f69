"""End to end: N personalised, tracked, signed messages from XADD to the receiver's 250, through the whole engine.

    python -m bench.delivery --json [--quick] [--messages N] [--workers W] ...

The ratio is the CPU of all engine processes and Redis per message, in units of one RSA-2048 signature measured in the
same run. bench/README.md says how to read it and what voids a run.
"""

import asyncio
import json
import statistics
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import click

from bench.load import Domains, Plan, connect, entry, send, tenant_document, tenant_name
from bench.machine import RsaUnit, cpu_by_name, machine, memory
from bench.rig import Rig, Setup
from mta.queue.keys import Keys
from mta.queue.link import Server
from mta.queue.link import connect as connect_queue
from mta.queue.suppression import Suppressions

SCHEMA = 1
SCRAPE_SECONDS = 5.0
VARIANTS: dict[str, dict[str, Any]] = {
    # Round trips of 50 ms and 300 ms for the message itself: 500 sessions, ten to each of 50 sites.
    "distant": {
        "receiver": "sink",
        "sink": ("--delay-ms=50", "--dot-delay-ms=300"),
        "settings": {"limits": {"connections": 10}, "workers": {"sessions": 500}},
    },
    # One recipient in twenty is told to come again, once.
    "refusals": {
        "receiver": "sink",
        "sink": ("--temp-share=0.05", "--temp-times=1"),
        "settings": {"retry.bulk": {"first": "2s", "factor": 0.0}},
    },
    # TLS 1.3 with a handshake for each connection, of 100 messages each (workers.messages_per_connection).
    "tls": {"receiver": "sink", "sink": ("--tls",), "settings": {"net": {"tls": "opportunistic"}}},
    # As on a processor that signs one message at a time.
    "alone": {"settings": {"dkim": {"multibuffer": False}}},
    "100k": {"receiver": "sink", "html_bytes": 88_000},
    "plain": {"receiver": "sink"},  # what the others differ from: the same receiver, doing nothing special
}


@dataclass(frozen=True, slots=True)
class Options:
    """One configuration of the bench."""

    messages: int = 50_000
    workers: int = 1
    domains: int = 50
    tenants: int = 20
    html_bytes: int = 8_800
    suppressions: int = 1_000_000
    durability: str = "always"
    signed: bool = True
    double: bool = False
    receiver: str = "smtp-sink"
    sink: tuple[str, ...] = ()
    variant: str = ""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)  # over the rig's own
    limit_s: float = 600.0


async def suppress(rig: Rig, count: int, tenants: int) -> float:
    """Load the suppression lists, spread over the tenants; return the seconds it took."""
    client = connect_queue(Server(rig.redis_url))
    lists = Suppressions(client, Keys(), b"bench" * 8)
    began = time.monotonic()
    try:
        for start in range(0, count, 10_000):
            tenant = tenant_name(start // 10_000 % tenants)
            addresses = [f"gone{number}@nowhere.test" for number in range(start, min(start + 10_000, count))]
            await lists.add(tenant, "", addresses, "recipient_unknown", "bench", 0)
    finally:
        await client.aclose()
    return time.monotonic() - began


async def deliver(rig: Rig, options: Options, run: str, first: int) -> dict[str, Any]:
    """Submit N messages and wait until each has its final event; return counts, times and CPU."""
    assert rig.engine is not None
    redis = connect(rig.redis_url)
    keys = Keys()
    plan = Plan(
        count=options.messages, rate=0.0, mix={"bulk": 1.0}, tenants=options.tenants, domains=Domains(options.domains),
        rows=500, html_bytes=options.html_bytes, links=10, track=True, seed=1, run=run, first=first,
    )  # fmt: skip
    scraper = asyncio.create_task(scrape(rig.metrics_port))
    before = cpu_by_name(rig.engine.pid)
    began = time.monotonic()
    try:
        summary = await send(plan, redis)
        submitted = time.monotonic() - began
        finals: dict[str, int] = {}
        names: list[str] = []
        while sum(finals.values()) < options.messages:
            if time.monotonic() - began > options.limit_s:
                raise TimeoutError(f"after {options.limit_s} s only {finals} of {options.messages} are final")
            await asyncio.sleep(0.25)  # the polling is the bench's own cost: keep it small
            if len(names) < options.tenants:
                names = await scopes(redis, keys, run)
            finals = await totals(redis, names)
        seconds = time.monotonic() - began
        while await redis.hlen(f"{keys.base(0)}entry") or await unarchived(redis, keys):
            await asyncio.sleep(0.05)  # the archive's share of the work is the engine's too
        after = cpu_by_name(rig.engine.pid)
        distinct = await distinct_delivered(redis, keys, run)
    finally:
        scraper.cancel()
        await redis.aclose()
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    return {
        "messages": options.messages,
        "seconds": seconds,
        "submit_seconds": submitted,
        "rate": options.messages / seconds,
        "finals": finals,
        "distinct_delivered": distinct,
        "cpu_us": {name: seconds_ * 1e6 / options.messages for name, seconds_ in spent.items()},
        "cpu_us_per_message": sum(spent.values()) * 1e6 / options.messages,
        "memory_bytes": memory(rig.engine.pid),
        "load": asdict(summary),
    }


async def scopes(redis: Any, keys: Keys, run: str) -> list[str]:
    """Return the keys of the totals of a run's campaigns."""
    return [key async for key in redis.scan_iter(f"{keys.base(0)}count:*|{run}-*", count=1000)]


async def totals(redis: Any, names: Sequence[str]) -> dict[str, int]:
    """Return the final events so far of campaigns."""
    out: dict[str, int] = {}
    pipe = redis.pipeline(transaction=False)
    for name in names:
        pipe.hgetall(name)
    for row in await pipe.execute():
        for kind in ("delivered", "bounced", "expired", "suppressed", "purged", "failed"):
            if kind in row:
                out[kind] = out.get(kind, 0) + int(row[kind])
    return out


async def unarchived(redis: Any, keys: Keys) -> bool:
    """Whether the archive still has events to read."""
    for group in await redis.xinfo_groups(keys.events(0)):
        if group["name"] == "archive":
            return bool(group["pending"] or group.get("lag"))
    return False


async def distinct_delivered(redis: Any, keys: Keys, run: str) -> int:
    """Return how many distinct `delivered` eids of a run are on the stream."""
    seen: set[str] = set()
    position = "-"
    while rows := await redis.xrange(keys.events(0), position, count=5000):
        for _, fields in rows:
            if fields["event"] == "delivered" and fields.get("campaign", "").startswith(f"{run}-"):
                seen.add(fields["eid"])
        position = f"({rows[-1][0]}"
    return len(seen)


async def scrape(port: int) -> None:
    """Read the metrics page every five seconds, as Prometheus would."""
    while True:
        await asyncio.sleep(SCRAPE_SECONDS)
        await asyncio.to_thread(_get, f"http://127.0.0.1:{port}/metrics")


def _get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as page:
        return len(page.read())


async def register(rig: Rig, options: Options) -> None:
    """Submit the tenants' documents, naming the keys that are to sign, and wait until they are known."""
    tenants = options.tenants
    selectors = ("s1", "s2") if options.double else ("s1",)
    redis = connect(rig.redis_url)
    try:
        for number in range(tenants):
            document = tenant_document(number)
            domain = f"{tenant_name(number)}.example"
            document["dkim"] = (
                [{"domain": domain, "selector": one} for one in selectors] if options.signed else []
            )
            fields = entry("tenant", tenant_name(number), f"bench-t{number}", document)
            await redis.xadd("mta:submit:control", fields)
        while await redis.scard("mta:tenants") < tenants:
            await asyncio.sleep(0.02)
    finally:
        await redis.aclose()


def run_once(options: Options, *, half: bool = True) -> dict[str, Any]:
    """Run one configuration, N and N/2, and return its document."""
    unit = RsaUnit()
    unit.measure()
    setup = Setup(
        workers=options.workers, tenants=options.tenants, durability=options.durability, signed=options.signed,
        double=options.double, receiver=options.receiver, sink=options.sink,
        settings=options.settings,
    )  # fmt: skip
    with Rig(setup) as rig:
        start_seconds = rig.start_engine()
        loading = asyncio.run(suppress(rig, options.suppressions, options.tenants))
        asyncio.run(register(rig, options))
        parts: list[dict[str, Any]] = []
        sizes: Sequence[int] = (options.messages // 2, options.messages) if half else (options.messages,)
        first = 0
        for number, size in enumerate(sizes):
            one = Options(**{**asdict(options), "messages": size})
            parts.append(asyncio.run(deliver(rig, one, f"b{number}", first)))
            first += size
        received = rig.received()
        code = rig.stop_engine()
    unit.measure()
    whole = parts[-1]
    document = {
        "bench": "delivery",
        "schema": SCHEMA,
        "machine": machine(),
        "options": asdict(options),
        "rsa_us": {
            "readings": unit.readings,
            "unit": unit.unit,
            "drift": unit.drift,
            "together": unit.together(),
        },
        "rate": whole["rate"],
        "cpu_us_per_message": whole["cpu_us_per_message"],
        "ratio": whole["cpu_us_per_message"] / unit.unit,
        "ratio_half": parts[0]["cpu_us_per_message"] / unit.unit if half else None,
        "start_seconds": start_seconds,
        "suppression_load_seconds": loading,
        "runs": parts,
        "receiver": {key: value for key, value in received.items() if isinstance(value, int | float)},
        "exit_code": code,
    }
    if "octets" in received:
        document["megabytes_per_second"] = received["octets"] / sum(sizes) * whole["rate"] / 1e6
    document["faults"] = faults(document, sum(sizes))
    return document


def faults(document: dict[str, Any], total: int) -> list[str]:
    """Return why the run must not be quoted; empty when it may be."""
    out = []
    if document["rsa_us"]["drift"] > 0.10:
        out.append(f"the RSA unit drifted by {document['rsa_us']['drift']:.0%}")
    if document["receiver"].get("messages") != total:
        out.append(f"the receiver counted {document['receiver'].get('messages')} of {total}")
    if document["options"]["variant"] == "tls":
        clear = document["receiver"]["connections_total"] - document["receiver"]["connections_tls"]
        if clear:
            out.append(f"{clear} connections were not encrypted")
    for part in document["runs"]:
        if part["distinct_delivered"] != part["messages"]:
            out.append(f"{part['distinct_delivered']} distinct delivered of {part['messages']}")
    if document["exit_code"] != 0:
        out.append(f"the engine ended with {document['exit_code']}")
    return out


@click.command()
@click.option("--messages", default=50_000)
@click.option("--workers", default=1)
@click.option("--domains", default=50)
@click.option("--tenants", default=20)
@click.option("--suppressions", default=1_000_000)
@click.option("--durability", type=click.Choice(["always", "everysec"]), default="always")
@click.option("--signed/--unsigned", default=True)
@click.option("--double", is_flag=True, help="Ed25519 beside RSA.")
@click.option("--html-bytes", default=8_800)
@click.option("--receiver", type=click.Choice(["smtp-sink", "sink"]), default="smtp-sink")
@click.option("--sink-flag", "sink", multiple=True, help="Passed on to bench.sink.")
@click.option("--variant", type=click.Choice(list(VARIANTS)), default=None, help="Another receiver or size.")
@click.option("--repeat", default=1, help="Whole runs; the median ratio is given beside them.")
@click.option("--quick", is_flag=True, help="5,000 messages, 10,000 suppressions, one pass: under a minute.")
@click.option("--json", "as_json", is_flag=True)
def main(repeat: int, quick: bool, as_json: bool, variant: str | None, **given: Any) -> None:
    """Measure the delivery path and print what it cost."""
    if variant:
        given |= VARIANTS[variant] | {"variant": variant}
    if quick:
        given |= {"messages": 5_000, "suppressions": 10_000}
    options = Options(**given)
    runs = [run_once(options, half=not quick) for _ in range(repeat)]
    document = runs[0] if repeat == 1 else runs[0] | {
        "repeats": runs,
        "median_ratio": statistics.median(run["ratio"] for run in runs),
        "median_rate": statistics.median(run["rate"] for run in runs),
    }  # fmt: skip
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    click.echo(
        f"{document['rate']:.0f} messages/s, {document['cpu_us_per_message']:.0f} us of CPU each ="
        f" {document['ratio']:.2f} signatures of {document['rsa_us']['unit']:.0f} us"
        + "".join(f"\nVOID: {fault}" for fault in document["faults"])
    )


if __name__ == "__main__":
    main()
