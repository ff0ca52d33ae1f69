"""Others on the same work in the same run: Postfix with OpenDKIM, Haraka with its DKIM plugin, and the engine.

    python -m bench.peers --json [--quick] [--only NAME]

10 KB messages to 50 domains, signed with RSA-2048, to the same receiver on the same machine. Peers get theirs by SMTP,
the engine by XADD and with personalisation, tracking, limits and events besides. What a peer needs is fetched into a
cache folder by itself; a peer that can't be had is named with the reason. Loopback only.
"""

import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import click
import dkim

from bench import delivery
from bench.machine import cpu_by_name, machine, memory
from bench.packages import Unavailable
from bench.peer import DOMAIN, DOMAINS, SELECTOR, Running
from bench.peer_haraka import haraka
from bench.peer_postfix import postfix
from mta.dkim.generate import generate
from mta.dkim.key import load
from mta.dkim.record import dns_name, dns_record

SCHEMA = 1
ROOT = Path(__file__).resolve().parents[1]
Start = Callable[[Path, Path, int], AbstractContextManager[Running]]
PEERS: dict[str, Start] = {"postfix_opendkim": postfix, "haraka_2_workers": haraka}
MESSAGES = {"postfix_opendkim": 3_500, "haraka_2_workers": 4_000}  # 8 to 12 s of work each
OURS = 40_000
WORKERS = 2  # of the engine, as Haraka has; Postfix has as many processes as it likes
STARTS = 2  # of an engine that could not start, before it is a fault
SOURCE_SESSIONS = 20
TAIL_SECONDS = 2.0  # of work a queue may still have when the last message is out
LIMIT_SECONDS = 240.0


class Sink:
    """The receiver of all, on one loopback address for each domain."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self.process = process
        self.folder = folder
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        self.port, self._control = int(ready["port"]), int(ready["control_port"])

    def messages(self) -> int:
        """Return how many it took so far."""
        with socket.create_connection(("127.0.0.1", self._control), timeout=5) as wire:
            return int(json.loads(b"".join(iter(lambda: wire.recv(65536), b"")))["messages"])

    def captured(self) -> list[bytes]:
        """Return the first messages it took."""
        return [path.read_bytes() for path in sorted(self.folder.glob("*.eml"))]


@contextmanager
def sink(folder: Path) -> Iterator[Sink]:
    """Run a receiver."""
    hosts = [flag for number in range(DOMAINS) for flag in ("--host", f"127.0.0.{number + 1}")]
    captures = folder / "captured"
    flags = ["--port", "0", "--capture", str(captures), "--capture-max", "2", *hosts]
    with subprocess.Popen(
        [sys.executable, "-m", "bench.sink", *flags], stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        try:
            yield Sink(process, captures)
        finally:
            process.terminate()


def once(name: str, messages: int, pem: bytes) -> dict[str, Any]:
    """Run a peer once; return its figures. Raises Unavailable."""
    with tempfile.TemporaryDirectory(prefix="mta-peer-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        key = folder / "key.pem"
        key.write_bytes(pem)
        (folder / "peer").mkdir()
        with sink(folder) as receiver, PEERS[name](folder / "peer", key, receiver.port) as peer:
            total = messages + SOURCE_SESSIONS  # one on each session before the others
            before = _cpu(peer)
            began = 0.0
            source = _source(peer.port, messages)
            try:
                ends = time.monotonic() + LIMIT_SECONDS
                while (count := receiver.messages()) < total:
                    if count and not began:
                        began, first = time.monotonic(), count
                    if time.monotonic() > ends:
                        raise Unavailable(f"only {count} of {total} messages came in {LIMIT_SECONDS:.0f} s")
                    time.sleep(0.05)
                seconds = time.monotonic() - began
                said = source.communicate(timeout=60)[0]
            finally:
                source.kill()
                source.wait()
            held = sum(memory(pid) for pid in peer.pids)
            time.sleep(TAIL_SECONDS)
            spent = _cpu(peer) - before
            verified = sum(_verified(message, pem) for message in receiver.captured())
            return {
                "messages": total,
                "rate": (total - first) / seconds,
                "cpu_us_per_message": spent / total * 1e6,
                "memory_mb": held / 1e6,
                "accepted": json.loads(said)["delivered"] + SOURCE_SESSIONS,
                "received": receiver.messages(),
                "verified": verified,
            }


def _source(port: int, messages: int) -> "subprocess.Popen[bytes]":
    flags = ["--port", str(port), "--messages", str(messages), "--sessions", str(SOURCE_SESSIONS)]
    command = [
        sys.executable,
        "-m",
        "bench.caller",
        *flags,
        "--serial",
        "--batch",
        "1",
        "--domains",
        str(DOMAINS),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)


def _cpu(peer: Running) -> float:
    return sum(sum(cpu_by_name(pid).values()) for pid in peer.pids)


def _verified(message: bytes, pem: bytes) -> bool:
    signer = load(DOMAIN, SELECTOR, pem)
    name, record = dns_name(signer).encode(), dns_record(signer).encode()
    with contextlib.suppress(dkim.DKIMException):
        return bool(
            dkim.verify(message, dnsfunc=lambda asked, timeout=5: {name: record}.get(asked.rstrip(b".")))
        )
    return False


def ours(messages: int, suppressions: int) -> dict[str, Any]:
    """Run the engine on the same receiver; return its figures."""
    options = delivery.Options(
        messages=messages, suppressions=suppressions, receiver="sink", domains=DOMAINS, workers=WORKERS
    )
    found = _engine(options)
    return {
        "messages": messages,
        "rate": found["rate"],
        "cpu_us_per_message": found["cpu_us_per_message"],
        "memory_mb": found["runs"][-1]["memory_bytes"] / 1e6,
        "faults": found["faults"],
    }


def _engine(options: delivery.Options) -> dict[str, Any]:
    for _ in range(STARTS):
        # A port that was free when the rig chose it may be some connection's by the time it is listened on.
        with contextlib.suppress(RuntimeError):
            return delivery.run_once(options, half=False)
    return delivery.run_once(options, half=False)


def measure(names: list[str], rounds: int, share: float, suppressions: int) -> dict[str, Any]:
    """Return the document: peers and engine by turns, the median of each."""
    pem = generate("rsa")
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name in [*names, "mta"]}
    skipped: dict[str, str] = {}
    faults = []
    for _ in range(rounds):
        for name in names:
            if name in skipped:
                continue
            try:
                found = once(name, int(MESSAGES[name] * share), pem)
            except Unavailable as error:
                skipped[name] = str(error)
                continue
            if found["verified"] != 2:
                faults.append(f"{name}: {found['verified']} of 2 signatures verify")
            if not found["messages"] == found["received"] == found["accepted"]:
                faults.append(f"{name}: {found['accepted']} accepted, {found['received']} received")
            seen[name].append(found)
        found = ours(int(OURS * share), suppressions)
        faults += [f"mta: {fault}" for fault in found["faults"]]
        seen["mta"].append(found)
    systems = {name: _figures(found) for name, found in seen.items() if found}
    us = systems["mta"]
    return {
        "bench": "peers",
        "schema": SCHEMA,
        "machine": machine(),
        "rounds": rounds,
        "systems": systems,
        "skipped": skipped,
        "times": {
            name: {
                "rate": us["rate"] / one["rate"],
                "cpu": one["cpu_us_per_message"] / us["cpu_us_per_message"],
            }
            for name, one in systems.items()
            if name != "mta"
        },
        "faults": faults,
    }


def _figures(found: list[dict[str, Any]]) -> dict[str, Any]:
    rates = [one["rate"] for one in found]
    costs = [one["cpu_us_per_message"] for one in found]
    return {
        "messages": found[0]["messages"],
        "rate": statistics.median(rates),
        "least_rate": min(rates),
        "most_rate": max(rates),
        "cpu_us_per_message": statistics.median(costs),
        "least_cpu_us": min(costs),
        "most_cpu_us": max(costs),
        "memory_mb": max(one["memory_mb"] for one in found),
    }


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(PEERS)))
@click.option("--rounds", default=3)
@click.option("--quick", is_flag=True, help="A tenth of the messages, one round.")
@click.option("--json", "as_json", is_flag=True)
def main(only: tuple[str, ...], rounds: int, quick: bool, as_json: bool) -> None:
    """Measure peers and the engine, and print how they compare."""
    names = list(only or PEERS)
    document = measure(names, 1, 0.1, 10_000) if quick else measure(names, rounds, 1.0, 1_000_000)
    if as_json:
        click.echo(json.dumps(document, indent=1))
    else:
        for name, one in document["systems"].items():
            click.echo(
                f"{name}: {one['rate']:.0f} messages/s, {one['cpu_us_per_message']:.0f} us of CPU each"
            )
        for name, why in document["skipped"].items():
            click.echo(f"{name}: skipped, {why}")
        for fault in document["faults"]:
            click.echo(f"VOID: {fault}")
    sys.exit(1 if document["faults"] else 0)


if __name__ == "__main__":
    main()
