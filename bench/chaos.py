"""Everything is killed while mail is on its way: is anybody lost, written to twice without cause, or told twice?

    python -m bench.chaos --kills 50 --messages 50000 --json
    python -m bench.chaos --quick --json

Workers, ingest, Redis, the receiver and others end by SIGKILL, and some workers are stopped past their lease, at
instants that a seed decides: evenly over the run, each with at least 50 messages in flight, and where it can be had at
a moment that is told beforehand, such as "dots": final dots are out and not answered. Every few kills, and at the end,
the ledger is checked (`bench.books`). A duplicate is allowed where the final dot was out and its reply not seen (RFC
1047): the receiver counts those.
"""

import asyncio
import json
import random
import time
from collections import Counter
from typing import Any

import click

from bench.load import Domains, Plan
from bench.machine import machine
from bench.rig import Rig, Setup
from bench.storm import Storm
from bench.watch import Watch

SCHEMA = 1
LEASE_SECONDS = 2.0
SECONDS = 1700.0
QUICK = (6000, 8, 100.0)  # messages, kills, seconds
SHARE = {  # of kills; what is wanted of each, in turn
    "worker": (50, ("take", "dots", "settle", "recover", "any")),
    "ingest": (16, ("put", "expand", "any")),
    "redis": (10, ("any", "dots", "put")),
    "sink": (10, ("any", "dots")),
    "pause": (4, ("any",)),
    "courier": (3, ("any",)),
    "express": (4, ("put", "any")),
    "keeper": (3, ("any",)),
}
AT_LEAST = ("worker", "pause", "ingest", "redis", "sink")  # in this order, however few kills
RETRY = {"first": "200ms", "factor": 0.1, "most": "2s"}
SETTINGS: dict[str, dict[str, Any]] = {
    "queue": {"lease": f"{LEASE_SECONDS}s"},
    "limits": {"unreachable": "500ms", "connections": 20},
    **{f"retry.{cls}": RETRY for cls in ("urgent", "transactional", "bulk")},
}


def deck(kills: int, chance: random.Random, victims: tuple[str, ...] = tuple(SHARE)) -> list[tuple[str, str]]:
    """Return so many (victim, moment), each victim as often as its share says."""
    whole = sum(SHARE[name][0] for name in victims)
    drawn = [name for name in AT_LEAST if name in victims][:kills]
    counts = Counter(drawn)
    while len(drawn) < kills:
        # Whoever is furthest behind its share comes next.
        name = min(victims, key=lambda one: (counts[one] + 1) * whole / SHARE[one][0])
        counts[name] += 1
        drawn.append(name)
    cards = []
    for name in victims:
        moments = SHARE[name][1]
        start = chance.randrange(len(moments))
        cards += [(name, moments[(start + number) % len(moments)]) for number in range(counts[name])]
    chance.shuffle(cards)
    # A stopped worker is away for many seconds: the first time early, so that it comes back before the end.
    early = next((number for number, card in enumerate(cards) if card[0] == "pause"), 0)
    cards[:1], cards[early : early + 1] = cards[early : early + 1], cards[:1]
    return cards


def run(
    messages: int, kills: int, seed: int, seconds: float = SECONDS, victims: tuple[str, ...] = tuple(SHARE)
) -> dict[str, Any]:
    """Run the whole of it; return the document."""
    chance = random.Random(seed)
    began = time.monotonic()
    plan = Plan(
        count=messages,
        rate=float(messages),
        mix={"bulk": 0.9, "transactional": 0.1},
        tenants=3,
        domains=Domains(20),
        html_bytes=2000,
        links=2,
        rows=min(500, max(25, messages // kills // 8)),  # a wave is several entries
        seed=seed,
        run="chaos",
    )
    flags = ("--temp-share", "0.02", "--perm-share", "0.01")
    with Rig(
        Setup(workers=3, tenants=3, signed=False, receiver="mortal", sink=flags, settings=SETTINGS)
    ) as rig:
        rig.start_engine()
        watch = Watch(rig, plan)
        storm = Storm(rig, watch, chance, began + seconds)
        asyncio.run(storm.play(deck(kills, chance, victims)))
        code = rig.stop_engine()
        received = rig.received()
    return document(storm, received, code) | {"seed": seed, "seconds": round(time.monotonic() - began, 1)}


def document(storm: Storm, received: dict[str, Any], code: int | None) -> dict[str, Any]:
    """Return what is told of a run."""
    last = storm.checks[-1]
    delivered = last["sums"]["delivered"]
    lost = max(0, delivered - received["distinct_recipients"])
    faults = list(storm.faults)
    if lost:
        faults.append(f"{lost} are told as delivered and never came")
    if received["distinct_recipients"] > delivered:
        faults.append(f"{received['distinct_recipients'] - delivered} came and are not told as delivered")
    if received["duplicates"] > received["dots_unconfirmed"]:
        faults.append(f"{received['duplicates']} duplicates, only {received['dots_unconfirmed']} open dots")
    if code != 0:
        faults.append(f"the engine ended with {code}")
    faults += [f"check {n}: {kind}" for n, one in enumerate(storm.checks) for kind in one["faults"]]
    return {
        "bench": "chaos",
        "schema": SCHEMA,
        "machine": machine(),
        "messages": storm.watch.plan.count,
        "kills": len(storm.log),
        "victims": dict(Counter(one["victim"] for one in storm.log)),
        "moments": dict(Counter(one["moment"] for one in storm.log)),
        "log": storm.log,
        "checks": storm.checks,
        "sums": last["sums"],
        "received": received["messages"],
        "lost": lost + sum(row["count"] for kind, row in last["faults"].items() if kind == "lost"),
        "duplicates": received["duplicates"],
        "open_dots": received["dots_unconfirmed"],
        "submitted_again": storm.watch.again,
        "exit_code": code,
        "faults": faults,
        "holds": not faults,
    }


@click.command(context_settings={"show_default": True})
@click.option("--kills", default=50)
@click.option("--messages", default=50_000)
@click.option("--seed", default=1)
@click.option("--seconds", default=SECONDS, help="After so long the run ends as it is, which is a fault.")
@click.option("--quick", is_flag=True, help="6,000 messages, 8 kills, in about a minute.")
@click.option("--json", "as_json", is_flag=True)
def main(kills: int, messages: int, seed: int, seconds: float, quick: bool, as_json: bool) -> None:
    """Kill whatever there is, and account for everybody; exit code 1 when the books do not add up."""
    if quick:
        messages, kills, seconds = QUICK
    told = run(messages, kills, seed, seconds)
    if as_json:
        click.echo(json.dumps(told, indent=1))
    else:
        click.echo(
            f"{told['kills']} kills in {told['seconds']} s, {told['lost']} lost, {told['duplicates']} duplicates,"
            f" {told['open_dots']} open dots, {len(told['checks'])} checks:"
            f" {'holds' if told['holds'] else 'DOES NOT HOLD: ' + '; '.join(told['faults'])}"
        )
    raise SystemExit(0 if told["holds"] else 1)


if __name__ == "__main__":
    main()
