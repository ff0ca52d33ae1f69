"""How well the pace finds a limit that nobody told it, at a receiver that changes it.

The receiver takes so many recipients a second (a bucket of one second's worth), refuses the rest with 451, and takes
another number after a while. The engine knows nothing of it and has more to send than it may. At the receiver: the
share of what it would have taken that it got, and the share of attempts that it refused.

python -m bench.pace --json
"""

import asyncio
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from bench.arrivals import read
from bench.documents import tenant_name
from bench.load import connect, entry
from bench.machine import machine
from bench.rig import Rig, Setup

SCHEMA = 1
USED, REFUSED = 0.95, 0.01


@dataclass(frozen=True, slots=True)
class Options:
    """The hidden limits (recipients per second), how long each holds, and what the engine believes it may send."""

    steps: tuple[float, ...] = (60.0, 40.0, 75.0)
    step_seconds: float = 80.0
    rate: str = "100/s"
    workers: int = 2

    @property
    def seconds(self) -> float:
        """How long it all takes."""
        return self.step_seconds * len(self.steps)


@dataclass(frozen=True, slots=True)
class Look:
    """What the receiver had counted at a time, in seconds since its first recipient."""

    at: float
    refused: int


async def submit(url: str, count: int) -> None:
    """Submit more than the receiver takes."""
    redis = connect(url)
    document = {
        "id": "pace", "from": f"a@{tenant_name(0)}.example", "subject": "Hi", "text": "x {{unsubscribe_url}}",
    }  # fmt: skip
    try:
        await redis.xadd("mta:submit:bulk", entry("campaign", tenant_name(0), "c", document))
        for start in range(0, count, 1000):
            rows = [[f"u{number}@limit.example.test"] for number in range(start, min(start + 1000, count))]
            people = {"campaign": "pace", "columns": ["email"], "rows": rows}
            await redis.xadd("mta:submit:bulk", entry("recipients", tenant_name(0), f"p{start}", people))
    finally:
        await redis.aclose()


def judge(times: list[float], looks: list[Look], options: Options) -> dict[str, Any]:
    """Return what of each limit was used and refused, and of all; `times` are arrivals since the first, in seconds."""
    rows: list[dict[str, Any]] = []
    for number, limit in enumerate(options.steps):
        starts, ends = number * options.step_seconds, (number + 1) * options.step_seconds
        took = sum(starts <= at < ends for at in times)
        refused = _refused(looks, ends) - _refused(looks, starts)
        rows.append(
            {
                "limit": limit, "took": took, "used": took / (limit * options.step_seconds),
                "refused": refused, "refused_share": refused / max(1, took + refused),
            }
        )  # fmt: skip
    took, refused = sum(row["took"] for row in rows), sum(row["refused"] for row in rows)
    possible = sum(limit * options.step_seconds for limit in options.steps)
    return {
        "steps": rows, "took": took, "refused": refused, "used": took / possible,
        "refused_share": refused / max(1, took + refused),
    }  # fmt: skip


def _refused(looks: list[Look], at: float) -> int:
    return max((look.refused for look in looks if look.at <= at), default=0)


def measure(options: Options) -> dict[str, Any]:
    """Run it and return the document."""
    steps = ",".join(f"{step:g}" for step in options.steps)
    with tempfile.TemporaryDirectory(prefix="mta-pace-") as folder:
        path = Path(folder) / "arrivals"
        setup = Setup(
            workers=options.workers, tenants=1, receiver="sink", signed=False,
            sink=(
                "--arrivals", str(path), "--dot-delay-ms", "20",
                "--rate-steps", steps, "--rate-step-s", str(options.step_seconds),
            ),
            settings={"limits": {"rate": options.rate}, "retry.bulk": {"first": "1h"}},
            records={"limit.example.test": {"A": ["127.0.0.1"]}},
        )  # fmt: skip
        with Rig(setup) as rig:
            rig.start_engine()
            asyncio.run(submit(rig.redis_url, int(130 * options.seconds) + 2000))
            began = 0.0
            looks: list[Look] = []
            while not began or time.monotonic() < began + options.seconds + 0.5:
                time.sleep(0.1)
                seen = rig.received()
                if seen["commands"] and not began and (seen["messages"] or seen["refused"]):
                    began = time.monotonic()
                if began:
                    looks.append(Look(time.monotonic() - began, int(seen["refused"].get("rate", 0))))
            exit_code = rig.stop_engine()
        arrivals = [one.at for one in read(path)]
    first = min(arrivals, default=0.0)
    return {
        "bench": "pace",
        "schema": SCHEMA,
        "machine": machine(),
        "options": asdict(options),
        **judge([at - first for at in arrivals], looks, options),
        "exit_code": exit_code,
        "goals": {"used": USED, "refused_share": REFUSED},
    }


@click.command()
@click.option("--step-seconds", default=80.0, help="How long each of the limits holds.")
@click.option("--workers", default=2)
@click.option("--quick", is_flag=True, help="Two limits, 20 s each.")
@click.option("--json", "as_json", is_flag=True)
def main(step_seconds: float, workers: int, quick: bool, as_json: bool) -> None:
    """Measure how much of a hidden, changing limit is used, and how often it is passed."""
    options = Options(step_seconds=step_seconds, workers=workers)
    if quick:
        options = Options((60.0, 40.0), 20.0, workers=workers)
    document = measure(options)
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    for row in document["steps"]:
        click.echo(f"{row['limit']:g}/s: used {row['used']:.1%}, refused {row['refused_share']:.2%}")
    click.echo(f"all: used {document['used']:.1%}, refused {document['refused_share']:.2%}")


if __name__ == "__main__":
    main()
