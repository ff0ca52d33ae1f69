"""The SMTP client alone: CPU of a transaction by kind of session, and what 1,000 open sessions hold in memory.

    python -m bench.smtp --json [--quick]

Server and client are processes of their own; only the client is measured. Cases run by turns; the median is kept.
"""

import contextlib
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from bench.machine import machine

SCHEMA = 1
ROOT = Path(__file__).resolve().parents[1]
SECONDS = 240
CASES: dict[str, dict[str, Any]] = {
    "reused": {"messages": 20_000},
    "reused_tls": {"messages": 20_000, "tls": True},
    "reused_serial": {"messages": 10_000, "serial": True},
    "reused_100k": {"messages": 4_000, "octets": 100_000},
    "fresh": {"messages": 2_000, "fresh": True},
    "fresh_tls": {"messages": 1_000, "fresh": True, "tls": True},
}
OPEN: dict[str, dict[str, Any]] = {"open": {}, "open_tls": {"tls": True}}
GOAL_US = 50.0
GOAL_MB = 120.0


@contextlib.contextmanager
def sink(*flags: str) -> Iterator[int]:
    """Run a receiver; its port."""
    command = [sys.executable, "-m", "bench.sink", "--port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield int(json.loads(process.stdout.readline())["port"])
        finally:
            process.terminate()


def call(port: int, **options: Any) -> dict[str, Any]:
    """Run one pass in a process of its own; return its figures."""
    flags = ["--port", str(port)]
    for name, value in options.items():
        flags += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    command = [sys.executable, "-m", "bench.caller", *flags]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"the client failed: {done.stderr[-1000:]}")
    return dict(json.loads(done.stdout))


def measure(rounds: int, share: float, sessions: int) -> dict[str, Any]:
    """Return the document; `share` of each case's messages, `sessions` held open for their memory."""
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name in CASES}
    memory: dict[str, dict[str, Any]] = {}
    faults = []
    with sink() as clear, sink("--tls") as tls:
        for _ in range(rounds):
            for name, case in CASES.items():
                asked = case | {"messages": max(20, int(case["messages"] * share))}
                found = call(tls if case.get("tls") else clear, **asked)
                seen[name].append(found)
                if found["delivered"] != asked["messages"] or found["lost"]:
                    faults.append(f"{name}: {found['delivered']} of {asked['messages']} delivered")
        for name, case in OPEN.items():
            found = call(tls if case.get("tls") else clear, sessions=sessions, messages=sessions, **case)
            grown = found["open"]["rss_mb"] - found["before"]["rss_mb"]
            memory[name] = {
                "sessions": sessions,
                "rss_mb": found["open"]["rss_mb"],
                "pss_mb": found["open"]["pss_mb"],
                "before_mb": found["before"]["rss_mb"],
                "kb_per_session": grown * 1000 / sessions,
                "tls": found["tls"],
            }
    cases = {name: _figures(CASES[name], found) for name, found in seen.items()}
    goals = {
        "reused_us": {"goal": GOAL_US, "is": cases["reused"]["us"]},
        "open_rss_mb": {"goal": GOAL_MB, "is": memory["open"]["rss_mb"]},
        "open_tls_rss_mb": {"goal": GOAL_MB, "is": memory["open_tls"]["rss_mb"]},
    }
    return {
        "bench": "smtp",
        "schema": SCHEMA,
        "machine": machine(),
        "rounds": rounds,
        "cases": cases,
        "memory": memory,
        "goals": goals,
        "holds": all(goal["is"] <= goal["goal"] for goal in goals.values()),
        "faults": faults,
    }


def _figures(case: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, Any]:
    costs = [one["us"] for one in found]
    return {
        "octets": case.get("octets", 10_000),
        "tls": found[0]["tls"],
        "us": statistics.median(costs),
        "least_us": min(costs),
        "most_us": max(costs),
        "opening_us": statistics.median(one["opening_us"] for one in found),
        "per_second": statistics.median(one["per_second"] for one in found),
    }


@click.command()
@click.option("--quick", is_flag=True, help="A tenth of the messages, one round, 100 open sessions.")
@click.option("--rounds", default=5)
@click.option("--json", "as_json", is_flag=True)
def main(quick: bool, rounds: int, as_json: bool) -> None:
    """Measure the client and print what it cost."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the children's: 1,000 sessions and then some
    document = measure(1, 0.1, 100) if quick else measure(rounds, 1.0, 1000)
    if as_json:
        click.echo(json.dumps(document, indent=1))
    else:
        for name, case in document["cases"].items():
            click.echo(f"{name}: {case['us']:.1f} us ({case['least_us']:.1f} to {case['most_us']:.1f})")
        for name, held in document["memory"].items():
            click.echo(f"{name}: {held['sessions']} sessions, {held['rss_mb']:.0f} MB")
        for fault in document["faults"]:
            click.echo(f"VOID: {fault}")
    sys.exit(1 if document["faults"] else 0)


if __name__ == "__main__":
    main()
