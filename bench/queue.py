"""What the queue itself costs per message, and whether that depends on how much is in it.

The real ingest role takes submission entries in and opens packs; this process takes and settles as a worker does,
without SMTP. One factor is varied at a time, each against a case that differs in nothing else; 40 % of the mail goes
to one site, the rest falls off by Zipf's law. Sites are known beforehand, as they are for all but a domain's first
mail of the day. What a campaign costs once is told by itself.

What a case costs is also told beside the whole cost of a message, from submission to receipt, as the last committed
`bench.delivery` measured it: its own queueing, the base case's, is exchanged for the case's.

python -m bench.queue --json [--large]
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import click

from bench.machine import machine
from bench.stand import Case, stand

SCHEMA = 3
DELIVERY = Path(__file__).parent / "results" / "delivery.json"
BASE = Case()
READY = 8_000  # of which the big site's share is below its ready window: all of it comes into lanes
SMALL = replace(BASE, rows=10)  # what a tenant of 10,000 hands in at once
CASES = {
    "base": BASE,
    "queued_10k": replace(BASE, queued=10_000, drained=8_000),
    "queued_1m": replace(BASE, queued=1_000_000),
    "domains_10": replace(BASE, domains=10),
    "domains_100k": replace(BASE, domains=100_000),
    "tenants_1": replace(BASE, tenants=1),
    "small": SMALL,
    "tenants_10k": replace(SMALL, tenants=10_000),
}
LARGE = {"queued_10m": replace(BASE, queued=10_000_000)}
QUICK_BASE = Case(8_000, 100, 5, 500, 4_000)
QUICK = {
    "base": QUICK_BASE,
    "queued_24k": replace(QUICK_BASE, queued=24_000),
    "domains_2k": replace(QUICK_BASE, domains=2_000),
    "small": replace(QUICK_BASE, rows=10),
    "tenants_300": replace(QUICK_BASE, rows=10, tenants=300),
}
AGAINST = {"tenants_10k": "small", "tenants_300": "small"}  # others: against base


async def one(case: Case) -> dict[str, Any]:
    """Measure a case on a fresh server."""
    async with stand() as here:
        campaign = await here.campaigns(case)
        start = await here.memory()
        put = await here.put(case)
        held = (await here.memory() - start) / case.queued
        drained = await here.drain(case.drained)
        parts = {"put": put, "take": drained["take"], "settle": drained["settle"]}
        return {
            "case": asdict(case),
            "campaign_us": campaign,
            **{f"{name}_us": cost for name, cost in parts.items()},
            "engine_us": sum(sum(cost.values()) for cost in parts.values() if isinstance(cost, dict)),
            "per_second": drained["per_second"],
            "bytes_per_queued": held,
        }


async def memory(queued: int) -> dict[str, float]:
    """Return the bytes per recipient of a backlog that nobody may send, and of mail that stands in lanes."""
    case = Case(queued, domains=1000, tenants=20)
    found = {}
    for name, count in (("backlog", queued), ("ready", min(queued, READY))):
        async with stand() as here:
            few = replace(case, queued=count)
            await here.campaigns(few)
            if name == "backlog":
                await here.close_tenants(few.tenants)
            start = await here.memory()
            await here.put(few)
            if name == "ready":
                await here.opened(count)
            await here.archived()
            found[name] = (await here.memory() - start) / count
    return found


async def suspended(waiting: int, drained: int, rounds: int) -> dict[str, Any]:
    """Return what others get done with and without so many messages waiting for one suspended site, by turns."""
    others = Case(3 * drained, domains=1000, tenants=20)
    blocked = Case(waiting, domains=1, tenants=1)
    rates: dict[str, list[float]] = {"without": [], "with": []}
    async with stand() as empty, stand() as full:
        await full.campaigns(others)
        await full.close_site("d0.example.test")
        await full.put(blocked)
        await empty.campaigns(others)
        await empty.close_site("d0.example.test")
        for _ in range(rounds):
            for name, here in (("without", empty), ("with", full)):
                await here.put(others)
                found = await here.drain(drained)
                assert isinstance(found["per_second"], float)
                rates[name].append(found["per_second"])
    middle = {name: median(found) for name, found in rates.items()}
    return {
        "waiting": waiting,
        "per_second": rates,
        "throughput": middle["with"] / middle["without"],
    }


async def measure(
    cases: Mapping[str, Case], rounds: int, waiting: int, held: int, drained: int
) -> dict[str, Any]:
    """Measure every case, interleaved, and return the document."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            rows[name].append(await one(case))
    middle = {
        name: sorted(found, key=lambda row: row["engine_us"])[len(found) // 2] for name, found in rows.items()
    }
    against = {name: AGAINST.get(name, "base") for name in middle}
    weighed = [await memory(held) for _ in range(rounds)]
    bytes_each = {what: median(one[what] for one in weighed) for what in weighed[0]}
    us = {name: row["engine_us"] for name, row in middle.items()}
    whole = json.loads(DELIVERY.read_text())["cpu_us_per_message"]
    return {
        "bench": "queue",
        "schema": SCHEMA,
        "machine": machine(),
        "rounds": rounds,
        "cases": middle,
        "delivery_us": whole,
        "against": {
            name: {
                "case": other,
                "ratio": us[name] / us[other],
                "of_whole": (whole - us["base"] + us[name]) / (whole - us["base"] + us[other]),
            }
            for name, other in against.items()
            if name != other
        },
        "spread_us": {
            name: [min(row["engine_us"] for row in found), max(row["engine_us"] for row in found)]
            for name, found in rows.items()
        },
        "bytes_per_recipient": bytes_each,
        "suspended_site": await suspended(waiting, drained, rounds),
        "goals": {"flat": 1.15, "backlog_bytes": 40, "ready_bytes": 250, "throughput": 0.9},
    }


@click.command(context_settings={"show_default": True})
@click.option("--rounds", default=3)
@click.option("--only", multiple=True, help="Cases to measure besides base and small.")
@click.option("--large", is_flag=True, help="10,000,000 queued as well: some minutes more.")
@click.option("--quick", is_flag=True, help="Small amounts, one round.")
@click.option("--json", "as_json", is_flag=True)
def main(rounds: int, only: tuple[str, ...], large: bool, quick: bool, as_json: bool) -> None:
    """Measure what put, take and settle cost, and what waits costs in memory."""
    if quick:
        document = asyncio.run(measure(QUICK, 1, 20_000, 20_000, 4_000))
    else:
        cases = CASES | (LARGE if large else {})
        if only:
            cases = {name: case for name, case in cases.items() if name in ("base", "small", *only)}
        document = asyncio.run(measure(cases, rounds, 1_000_000, 200_000, 16_000))
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    for name, row in document["cases"].items():
        ratio = document["against"].get(name)
        beside = (
            f", {ratio['ratio']:.2f} of {ratio['case']} ({ratio['of_whole']:.2f} with delivery)"
            if ratio
            else ""
        )
        click.echo(f"{name}: {row['engine_us']:.1f} us a message{beside}")
    click.echo(f"bytes per recipient: {document['bytes_per_recipient']}")
    click.echo(f"others' throughput beside a suspended site: {document['suspended_site']['throughput']:.2f}")


if __name__ == "__main__":
    main()
