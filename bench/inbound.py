"""How many reports are taken and read in a second on one core, and whether memory stays flat while they come.

python -m bench.inbound [--reports N] [--quick] [--json]

A whole engine; 1,000 people of a campaign are delivered to, then their reports come by SMTP: bounces of two systems,
complaints, notices of absence, delays, unsubscribes, forged ones and some that nobody can read. The inbound process and
the process that reads for it are bound to one core; Redis, the keeper and the senders use the others.
"""

import asyncio
import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import click
import psutil

from bench.audience import audience
from bench.machine import machine
from bench.returned import KINDS, made
from bench.rig import Rig, Setup
from mta.bounce import verp
from mta.daemon import secrets
from mta.message import MessageId
from mta.tracking.token import Keys

SCHEMA = 1
GOAL = 300.0
PEOPLE = 1000
PER_SESSION = 5
QUICK = 6_000
LOOK_SECONDS = 1.0
DONE_SECONDS = 600.0


@dataclass(slots=True)
class Seen:
    """What the inbound processes looked like: seconds since the first report, octets of memory, reports waiting."""

    at: list[float] = field(default_factory=list)
    rss: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)

    def memory(self, since: float, until: float) -> int:
        """The largest within a part of the time, given as shares of it."""
        end = self.at[-1]
        return max(rss for at, rss in zip(self.at, self.rss, strict=True) if since * end <= at <= until * end)


def _processes(rig: Rig) -> list[psutil.Process]:
    """Return the inbound process and the one that reads for it."""
    assert rig.engine is not None
    for process in psutil.Process(rig.engine.pid).children(recursive=True):
        if any(one.laddr.port == rig.inbound_port for one in process.net_connections("tcp")):
            return [process, *process.children(recursive=True)]
    raise LookupError("nobody listens for reports")


def _bind(processes: Sequence[psutil.Process]) -> None:
    core = {(os.cpu_count() or 1) - 1}
    for process in processes:
        for thread in process.threads():
            os.sched_setaffinity(thread.id, core)


def _cpu(processes: Sequence[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


class Sender:
    """Hands in reports over several connections, some to a session."""

    def __init__(self, port: int, keys: Keys, ids: Sequence[MessageId], reports: int) -> None:
        self.port = port
        self.keys = keys
        self.ids = ids
        self.chance = random.Random(7)
        self.day = int(time.time()) // 86400
        self.accepted = 0
        self._numbers: Iterator[int] = iter(range(reports))

    async def run(self, sessions: int) -> None:
        """Send all of them."""
        async with asyncio.TaskGroup() as group:
            for _ in range(sessions):
                group.create_task(self._connections())

    async def _connections(self) -> None:
        while numbers := list(islice(self._numbers, PER_SESSION)):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            await reader.readline()
            writer.write(b"EHLO mx.example.net\r\n")
            while (await reader.readline())[3:4] == b"-":
                pass
            for number in numbers:
                await self._one(reader, writer, number)
            writer.write(b"QUIT\r\n")
            await reader.readline()
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        id_ = self.ids[number % len(self.ids)]
        token = self.keys.make(verp.RETURN, id_, self.day)
        leave = self.keys.make(verp.LEAVE, id_, self.day)
        local, sender, raw = made(number, self.chance, token, leave)
        for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{local}@b.t0.example>", "DATA"):
            writer.write(line.encode() + b"\r\n")
            answer = await reader.readline()
            if answer[:1] not in b"23":
                raise RuntimeError(f"{line}: {answer!r}")
        writer.write(raw + b".\r\n")
        answer = await reader.readline()
        if not answer.startswith(b"250"):
            raise RuntimeError(f"a report was refused: {answer!r}")
        self.accepted += 1


async def _watch(rig: Rig, processes: Sequence[psutil.Process], seen: Seen, began: float) -> None:
    new = rig.state / "spool/reports/new"
    while True:
        seen.at.append(time.monotonic() - began)
        seen.rss.append(sum(process.memory_info().rss for process in processes))
        seen.waiting.append(sum(1 for _ in new.glob("*.eml")))
        await asyncio.sleep(LOOK_SECONDS)


async def _measure(
    rig: Rig, keys: Keys, ids: Sequence[MessageId], reports: int, sessions: int
) -> dict[str, Any]:
    # The first reports start the process that reads; then both are bound.
    await Sender(rig.inbound_port, keys, ids, 50).run(2)
    await _idle(rig)
    processes = _processes(rig)
    _bind(processes)
    sender, seen = Sender(rig.inbound_port, keys, ids, reports), Seen()
    before, began = [_cpu([one]) for one in processes], time.monotonic()
    watching = asyncio.create_task(_watch(rig, processes, seen, began))
    await sender.run(sessions)
    taken = time.monotonic() - began
    await _idle(rig)
    seconds = time.monotonic() - began
    taking, reading = (_cpu([one]) - was for one, was in zip(processes, before, strict=True))
    watching.cancel()
    if any(not process.is_running() for process in processes):
        raise RuntimeError("a process was replaced while it was measured")
    return {
        "reports": sender.accepted,
        "reports_per_second": round(reports / seconds, 1),
        "taken_per_second": round(reports / taken, 1),
        "cpu_us_per_report": {
            "taking": round(taking / reports * 1e6, 1),
            "reading": round(reading / reports * 1e6, 1),
        },
        "most_waiting": max(seen.waiting),
        "rss_mb": {
            "at_first": round(seen.rss[0] / 2**20, 1),
            "first_fifth": round(seen.memory(0.0, 0.2) / 2**20, 1),
            "last_fifth": round(seen.memory(0.8, 1.0) / 2**20, 1),
        },
    }


async def _idle(rig: Rig) -> None:
    new, ends = rig.state / "spool/reports/new", time.monotonic() + DONE_SECONDS
    while any(new.glob("*.eml")):
        if time.monotonic() > ends:
            raise TimeoutError("reports are left in the spool")
        await asyncio.sleep(0.02)


def measure(reports: int, sessions: int) -> dict[str, Any]:
    """Run it once; return the document."""
    with Rig(Setup(tenants=1, receiver="sink")) as rig:
        rig.start_engine()
        ids = audience(rig, PEOPLE, {"text": "Hello there\n"})
        keys = secrets.load(rig.state / "keys" / "tracking").tokens
        found = asyncio.run(_measure(rig, keys, ids, reports, sessions))
    growth = found["rss_mb"]["last_fifth"] / found["rss_mb"]["first_fifth"]
    return {
        "bench": "inbound", "schema": SCHEMA, "machine": machine(), "sessions": sessions,
        "kinds": {name: share for name, share, _ in KINDS}, **found, "memory_growth": round(growth, 3),
        "goal": {"reports_per_second": GOAL, "memory_growth": 1.1},
    }  # fmt: skip


@click.command()
@click.option("--reports", default=100_000, show_default=True)
@click.option("--sessions", default=8, show_default=True, help="Connections at a time.")
@click.option("--quick", is_flag=True, help=f"{QUICK:,} reports: under a minute, not to be quoted.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def main(reports: int, sessions: int, quick: bool, as_json: bool) -> None:
    """Measure how fast reports are taken and read."""
    document = measure(QUICK if quick else reports, sessions)
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    click.echo(
        f"{document['reports_per_second']:.0f} reports/s, {document['cpu_us_per_report']} us each;"
        f" memory {document['rss_mb']['first_fifth']} to {document['rss_mb']['last_fifth']} MB"
    )


if __name__ == "__main__":
    main()
