"""The figures of bench/results at full size, one file each; what is there already is not made again.

python -m bench.evidence [--only NAME] [--again]
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import click

RESULTS = Path(__file__).resolve().parent / "results"
LIMIT_SECONDS = 1800
STEPS: dict[str, list[str]] = {
    "start": ["-m", "bench.start", "--json"],
    "delivery": ["-m", "bench.delivery", "--json"],
    "delivery-alone": ["-m", "bench.delivery", "--variant", "alone", "--json"],
    "delivery-double": ["-m", "bench.delivery", "--double", "--messages", "20000", "--json"],
    "delivery-unsigned": ["-m", "bench.delivery", "--unsigned", "--json"],
    "delivery-two-workers": ["-m", "bench.delivery", "--workers", "2", "--json"],
    "delivery-plain": ["-m", "bench.delivery", "--variant", "plain", "--messages", "20000", "--json"],
    "delivery-distant": ["-m", "bench.delivery", "--variant", "distant", "--messages", "20000", "--json"],
    "delivery-refusals": ["-m", "bench.delivery", "--variant", "refusals", "--messages", "20000", "--json"],
    "delivery-tls": ["-m", "bench.delivery", "--variant", "tls", "--messages", "20000", "--json"],
    "delivery-100k": ["-m", "bench.delivery", "--variant", "100k", "--messages", "10000", "--json"],
    "delivery-everysec": [
        "-m",
        "bench.delivery",
        "--durability",
        "everysec",
        "--messages",
        "20000",
        "--json",
    ],
    "delivery-1-domain": ["-m", "bench.delivery", "--domains", "1", "--messages", "20000", "--json"],
    "delivery-10000-domains": ["-m", "bench.delivery", "--domains", "10000", "--messages", "20000", "--json"],
    "signatures": ["-m", "bench.signatures", "--messages", "10000", "--json"],
    "shaping": ["-m", "bench.shaping", "--json"],
    "pace": ["-m", "bench.pace", "--json"],
    "web": ["-m", "bench.web", "--json"],
    "inbound": ["-m", "bench.inbound", "--json"],
    "latency": ["-m", "bench.latency", "--json"],
    "latency-distant": ["-m", "bench.latency", "--receiver", "distant", "--json"],
    "fuzz_replies": ["-m", "bench.fuzz_replies", "--inputs", "1000000", "--json"],
    "peers": ["-m", "bench.peers", "--json"],
    "smtp": ["-m", "bench.smtp", "--json"],
    "queue": ["-m", "bench.queue", "--json"],
    "cluster": ["-m", "bench.cluster", "--json"],
    "chaos": ["-m", "bench.chaos", "--kills", "50", "--messages", "50000", "--json"],
    "chaos-200": ["-m", "bench.chaos", "--kills", "200", "--messages", "200000", "--json"],
}


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(STEPS)))
@click.option("--again", is_flag=True, help="Make those that are there anew.")
def main(only: tuple[str, ...], again: bool) -> None:
    """Make the evidence, one step after the other: two measurements at once would spoil both."""
    RESULTS.mkdir(exist_ok=True)
    failed = []
    for name in only or STEPS:
        path = RESULTS / f"{name}.json"
        if path.exists() and not again:
            click.echo(f"{name}: there already")
            continue
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, *STEPS[name]], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )
        try:
            document = json.loads(done.stdout)
        except ValueError:
            click.echo(f"{name}: failed\n{done.stderr[-2000:]}", err=True)
            failed.append(name)
            continue
        path.write_text(json.dumps(document, indent=1) + "\n")
        click.echo(f"{name}: {time.monotonic() - began:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
