"""Workers killed in mid-campaign: who is lost, who is written to twice, and were those allowed to be?

    python -m bench.kills --messages 20000 --kills 10 --json

A duplicate is allowed where the final dot was out and its reply not seen (RFC 1047). The receiver counts those: dots
that lost their connection, and dots answered to a peer that never showed that it knew.
"""

import asyncio
import json
import os
import random
import signal
import socket
import time
from pathlib import Path
from typing import Any

import click
import psutil

from bench.load import Domains, Plan, connect, send
from bench.machine import machine
from bench.rig import Rig, Setup
from mta.event import FINAL

SCHEMA = 1
SINK = ("--delay-ms", "5", "--dot-delay-ms", "150")


def workers(root: int) -> list[int]:
    """Return the pids of the engine's workers: they are called mta-worker<n> and mta-courier<n>."""
    found = []
    for process in psutil.Process(root).children(recursive=True):
        try:
            if process.name().startswith(("mta-worker", "mta-courier")):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


async def finals(redis: Any) -> dict[str, int]:
    """Return the final events so far."""
    out: dict[str, int] = {}
    async for key in redis.scan_iter("mta:{0}:count:*", count=1000):
        for kind, number in (await redis.hgetall(key)).items():
            if kind in FINAL:
                out[kind] = out.get(kind, 0) + int(number)
    return out


async def play(rig: Rig, messages: int, kills: int, chance: random.Random) -> dict[str, Any]:
    """Submit, kill, wait; return what became of everybody."""
    assert rig.engine is not None
    redis = connect(rig.redis_url)
    await send(Plan(count=messages, domains=Domains(20), html_bytes=3000, run="kill"), redis)
    flying = []
    done = 0
    while done < kills:
        await asyncio.sleep(0.3 + chance.random() * 0.7)
        left = messages - sum((await finals(redis)).values())
        alive = workers(rig.engine.pid)
        if left < 50:
            break
        if not alive:
            continue
        victim = chance.choice(alive)
        number = Path(f"/proc/{victim}/comm").read_text().strip().removeprefix("mta-")
        number = f"{socket.gethostname()}.{number}"
        held = await redis.hlen(f"mta:{{0}}:flight:{number}")
        if held < 50:
            continue  # a kill counts with at least 50 messages in flight
        flying.append(held)
        os.kill(victim, signal.SIGKILL)
        done += 1
    ends = time.monotonic() + 300
    while sum((told := await finals(redis)).values()) < messages and time.monotonic() < ends:
        await asyncio.sleep(0.2)
    seen: dict[str, int] = {}
    position = "-"
    while rows := await redis.xrange("mta:{0}:events", position, count=5000):
        for _, fields in rows:
            if fields["event"] in FINAL:
                seen[fields["id"]] = seen.get(fields["id"], 0) + 1
        position = f"({rows[-1][0]}"
    await redis.aclose()
    return {
        "finals": told,
        "kills": done,
        "in_flight_at_kills": flying,
        "with_a_final_event": len(seen),
        "with_two": sum(count > 1 for count in seen.values()),
    }


def run(messages: int, kills: int, seed: int) -> dict[str, Any]:
    """Run the whole of it; return the document."""
    with Rig(Setup(workers=2, tenants=1, signed=False, receiver="sink", sink=SINK)) as rig:
        rig.start_engine()
        story = asyncio.run(play(rig, messages, kills, random.Random(seed)))
        code = rig.stop_engine()
        received = rig.received()
    lost = messages - received["distinct_recipients"]
    return {
        "bench": "kills",
        "schema": SCHEMA,
        "machine": machine(),
        "messages": messages,
        **story,
        "received": received["messages"],
        "lost": lost,
        "duplicates": received["duplicates"],
        "open_dots": received["dots_unconfirmed"],
        "exit_code": code,
        "holds": lost == 0
        and story["with_two"] == 0
        and received["duplicates"] <= received["dots_unconfirmed"],
    }


@click.command()
@click.option("--messages", default=20_000)
@click.option("--kills", default=10)
@click.option("--seed", default=1)
@click.option("--json", "as_json", is_flag=True)
def main(messages: int, kills: int, seed: int, as_json: bool) -> None:
    """Kill workers and count."""
    document = run(messages, kills, seed)
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    click.echo(
        f"{document['kills']} kills, {document['lost']} lost, {document['duplicates']} duplicates,"
        f" {document['open_dots']} open dots: {'holds' if document['holds'] else 'DOES NOT HOLD'}"
    )


if __name__ == "__main__":
    main()
