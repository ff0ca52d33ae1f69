"""From `mta run` to the first delivery, on the embedded server: seconds, with a message already waiting.

python -m bench.start --json
"""

import asyncio
import json
import statistics
import time
from typing import Any

import click

from bench.load import connect, entry
from bench.machine import machine
from bench.rig import Rig, Setup
from mta.queue import embedded

SCHEMA = 1


async def leave_a_message(url: str, number: int) -> None:
    """Put a message into the stream while no engine runs."""
    redis = connect(url)
    document = {"from": "a@t0.example", "to": ["jo@d1.example.test"], "subject": "First", "text": "Hello"}
    await redis.xadd("mta:submit:transactional", entry("message", "t0", f"start-{number}", document))
    await redis.aclose()


def measure(rounds: int) -> dict[str, Any]:
    """Start the engine again and again; return the document."""
    seconds = []
    with Rig(Setup(tenants=1, receiver="sink", workers=1)) as rig:
        rig.start_engine()
        rig.stop_engine()
        for number in range(rounds):
            server = embedded.start(rig.state / "redis")
            asyncio.run(leave_a_message(server.url, number))
            server.stop()
            began = time.monotonic()
            rig.spawn_engine()
            while rig.received()["messages"] <= number:
                if time.monotonic() - began > 20:
                    raise TimeoutError(f"nothing was delivered\n{rig.log_tail()}")
                time.sleep(0.005)
            seconds.append(time.monotonic() - began)
            rig.until_ready()
            rig.stop_engine()
    return {
        "bench": "start",
        "schema": SCHEMA,
        "machine": machine(),
        "seconds": seconds,
        "median": statistics.median(seconds),
        "goal": 2.0,
    }


@click.command()
@click.option("--rounds", default=7)
@click.option("--json", "as_json", is_flag=True)
def main(rounds: int, as_json: bool) -> None:
    """Measure how soon a started engine delivers."""
    document = measure(rounds)
    click.echo(
        json.dumps(document, indent=1) if as_json else f"first delivery after {document['median']:.2f} s"
    )


if __name__ == "__main__":
    main()
