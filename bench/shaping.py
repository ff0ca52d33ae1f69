"""Whether what receivers see keeps to the limits, with four worker processes on one Redis.

Four kinds of sites: one with a rate and a burst, one with few connections, one with both, one with neither. At the
receiver: the rate over the whole run, the burst as the deepest bucket that its arrivals would have filled, and the
connections open at once, each from accept to FIN.

python -m bench.shaping --json
"""

import asyncio
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from bench.arrivals import excess, read
from bench.documents import tenant_name
from bench.load import connect, entry
from bench.machine import machine
from bench.rig import Rig, Setup

SCHEMA = 1
RATE, BURST, CONNECTIONS = 50.0, 10, 3
SITES = {
    "rate": f'rate = "{RATE:.0f}/s"\nburst = {BURST}\nconnections = 100\n',
    "connections": f'rate = "none"\nconnections = {CONNECTIONS}\n',
    "both": f'rate = "{RATE:.0f}/s"\nburst = {BURST}\nconnections = {CONNECTIONS}\n',
    "free": 'rate = "none"\nconnections = 100\n',
}
ADDRESSES = {site: f"127.0.0.{11 + number}" for number, site in enumerate(SITES)}  # to count connections by
WITH_RATE = ("rate", "both")
SETTLE_SECONDS = 2.0  # of the beginning, not in the rate: sessions open, the first burst goes


@dataclass(frozen=True, slots=True)
class Options:
    """One configuration."""

    seconds: float = 60.0
    workers: int = 4
    free: int = 3000  # messages for the sites without a rate


def domain(site: str) -> str:
    """The recipient domain that stands for a site."""
    return f"{site}.example.test"


def shaping_file(path: Path) -> Path:
    """Write the limits of the four sites."""
    path.write_text("".join(f'[domain."{domain(site)}"]\n{text}' for site, text in SITES.items()))
    return path


async def submit(url: str, options: Options) -> None:
    """Submit more for the sites with a rate than they may get in that time."""
    redis = connect(url)
    enough = int(RATE * (options.seconds + 10))
    counts = {site: enough if site in WITH_RATE else options.free for site in SITES}
    document = {
        "id": "shape", "from": f"a@{tenant_name(0)}.example", "subject": "Hi", "text": "x {{unsubscribe_url}}",
    }  # fmt: skip
    try:
        await redis.xadd("mta:submit:bulk", entry("campaign", tenant_name(0), "c", document))
        for site, count in counts.items():
            for start in range(0, count, 500):
                rows = [[f"u{number}@{domain(site)}"] for number in range(start, min(start + 500, count))]
                people = {"campaign": "shape", "columns": ["email"], "rows": rows}
                await redis.xadd(
                    "mta:submit:bulk", entry("recipients", tenant_name(0), f"{site}.{start}", people)
                )
    finally:
        await redis.aclose()


def judge(times: list[float], peak: int, options: Options, site: str) -> dict[str, Any]:
    """Return what one site saw, and by how much that is over or under its limits."""
    out: dict[str, Any] = {"messages": len(times), "connections_peak": peak}
    if site in ("connections", "both"):
        out["connections_limit"] = CONNECTIONS
        out["connections_over"] = max(0, peak - CONNECTIONS)
    if site in WITH_RATE and times:
        began = times[0] + SETTLE_SECONDS
        within = [at for at in times if began <= at < began + options.seconds]
        rate = len(within) / options.seconds
        out |= {"rate": rate, "rate_limit": RATE, "rate_error": rate / RATE - 1}
        out |= {"burst": excess(times, RATE), "burst_limit": BURST}
    return out


def measure(options: Options) -> dict[str, Any]:
    """Run it and return the document."""
    hosts = [word for address in ("127.0.0.1", *ADDRESSES.values()) for word in ("--host", address)]
    with tempfile.TemporaryDirectory(prefix="mta-shaping-") as folder:
        path = Path(folder) / "arrivals"
        setup = Setup(
            workers=options.workers, tenants=1, receiver="sink", signed=False,
            sink=("--arrivals", str(path), "--dot-delay-ms", "20", *hosts),
            settings={"limits": {"shaping": str(shaping_file(Path(folder) / "shaping.toml"))}},
            records={domain(site): {"A": [address]} for site, address in ADDRESSES.items()},
        )  # fmt: skip
        with Rig(setup) as rig:
            rig.start_engine()
            asyncio.run(submit(rig.redis_url, options))
            time.sleep(options.seconds + 2 * SETTLE_SECONDS + 2)
            peaks = rig.received()["peak_at"]
            exit_code = rig.stop_engine()
        times: dict[str, list[float]] = {site: [] for site in SITES}
        for one in read(path):
            times[one.domain.partition(".")[0]].append(one.at)
    sites = {site: judge(times[site], int(peaks.get(ADDRESSES[site], 0)), options, site) for site in SITES}
    return {
        "bench": "shaping",
        "schema": SCHEMA,
        "machine": machine(),
        "options": asdict(options),
        "sites": sites,
        "exit_code": exit_code,
        "goals": {"rate_error": 0.02, "burst_over": 0, "connections_over": 0},
    }


@click.command()
@click.option("--seconds", default=60.0)
@click.option("--workers", default=4)
@click.option("--quick", is_flag=True, help="10 s.")
@click.option("--json", "as_json", is_flag=True)
def main(seconds: float, workers: int, quick: bool, as_json: bool) -> None:
    """Measure how exactly the limits hold at the receiver."""
    document = measure(Options(10.0 if quick else seconds, workers))
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    for site, row in document["sites"].items():
        click.echo(f"{site}: {row}")


if __name__ == "__main__":
    main()
