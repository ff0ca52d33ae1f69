"""How many beacon hits a second one web process answers on one core, and how late, while it tells events to Redis.

python -m bench.web [--seconds S] [--quick] [--json]

A whole engine; a campaign was delivered to 20,000 people, then their readers come, each hit with another person's
token: as fast as answers come, then at the goal's rate with each hit due at its instant. The web process is bound
to one core; visitors, Redis and the keeper, which archives the events, use the others.
"""

import json
import os
import random
import subprocess
import sys
import time
from typing import Any

import click
import psutil
import redis

from bench.audience import audience
from bench.machine import machine
from bench.rig import Rig, Setup
from mta.daemon import secrets
from mta.tracking import links
from mta.tracking.token import Purpose

SCHEMA = 1
RATE = 3000.0
P99_MS = 20.0
PEOPLE, QUICK_PEOPLE = 20_000, 1000
CONNECTIONS = 64
TOLD_SECONDS = 60.0
CONTENT = {
    "html": '<p>Hello <a href="https://shop.example/">shop</a></p>', "text": "Hello\n",
    "track": {"opens": True, "clicks": True},
}  # fmt: skip


def _web(rig: Rig) -> psutil.Process:
    assert rig.engine is not None
    for process in psutil.Process(rig.engine.pid).children(recursive=True):
        if any(one.laddr.port == rig.web_port for one in process.net_connections("tcp")):
            return process
    raise LookupError("nobody listens for readers")


def _bind(process: psutil.Process) -> None:
    for thread in process.threads():
        os.sched_setaffinity(thread.id, {(os.cpu_count() or 1) - 1})


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _visit(rig: Rig, process: psutil.Process, paths: str, seconds: float, rate: float) -> dict[str, Any]:
    before = _cpu(process)
    words = [str(rig.web_port), str(seconds), str(rate), str(CONNECTIONS)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.hits", *words],
        input=paths,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"cpu_us_per_hit": round((_cpu(process) - before) / found["hits"] * 1e6, 1)}


def _told(url: str, count: int) -> int:
    """Return how many openings the campaign's totals count, when they are all there or the time is over."""
    server, opened = redis.Redis(unix_socket_path=url.removeprefix("unix://")), 0
    ends = time.monotonic() + TOLD_SECONDS
    while opened < count and time.monotonic() < ends:
        opened = int(server.hget("mta:progress:t0:spring", "opened") or 0)  # type: ignore[arg-type]
        time.sleep(0.1)
    return opened


def measure(people: int, seconds: float) -> dict[str, Any]:
    """Run it once; return the document."""
    with Rig(Setup(tenants=1, receiver="sink")) as rig:
        rig.start_engine()
        ids = audience(rig, people, CONTENT)
        keys = secrets.load(rig.state / "keys" / "tracking").tokens
        day = int(time.time()) // 86400
        random.Random(7).shuffle(ids)
        paths = "\n".join(links.open_url("", keys.make(Purpose.OPEN, one, day)) for one in ids)
        process = _web(rig)
        _bind(process)
        _visit(rig, process, paths, 1.0, 0.0)  # what is read once is read
        flat_out = _visit(rig, process, paths, seconds, 0.0)
        at_rate = _visit(rig, process, paths, seconds, RATE)
        memory = process.memory_info().rss
        opened = _told(rig.redis_url, people)
    return {
        "bench": "web", "schema": SCHEMA, "machine": machine(), "people": people, "connections": CONNECTIONS,
        "flat_out": flat_out, "at_rate": at_rate, "opened": opened, "rss_mb": round(memory / 2**20, 1),
        "goals": {"per_second": RATE, "p99_ms": P99_MS},
        "holds": flat_out["per_second"] >= RATE and at_rate["ms"]["p99"] < P99_MS,
    }  # fmt: skip


@click.command()
@click.option("--seconds", default=30.0, show_default=True, help="Of each of the two parts.")
@click.option("--quick", is_flag=True, help="1,000 people, 5 s a part: not to be quoted.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def main(seconds: float, quick: bool, as_json: bool) -> None:
    """Measure the web endpoint."""
    document = measure(QUICK_PEOPLE, 5.0) if quick else measure(PEOPLE, seconds)
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    flat_out, at_rate = document["flat_out"], document["at_rate"]
    click.echo(
        f"{flat_out['per_second']:.0f} hits/s at most, {flat_out['cpu_us_per_hit']:.0f} us each;"
        f" at {RATE:.0f}/s p99 {at_rate['ms']['p99']} ms"
    )


if __name__ == "__main__":
    main()
