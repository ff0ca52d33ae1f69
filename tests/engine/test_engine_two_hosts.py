"""Two worker hosts on one Redis: limits are shared, each takes over from the other, one cut off begins anew."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hosts import Host, two_hosts

from bench.load import Domains, Plan, submissions
from bench.rig import free_port
from mta.queue import embedded
from mta.queue.inspect import Inspect
from mta.queue.keys import Keys
from mta.queue.link import Server, connect

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 50.0
LEASE_SECONDS = 3
CONNECTIONS = 2
SITES = 30
SESSIONS = 8  # of a host at once, so that one host alone does not do for all sites
HOUR_AHEAD = """
import time
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + 3600
time.time_ns = lambda: _time_ns() + 3600 * 10**9
"""


class Place:
    """Redis, name server, receiver, keeper and ingest here; a worker on each host."""

    def __init__(self, folder: Path, hosts: tuple[Host, Host]) -> None:
        self.folder, self.hosts = folder, hosts
        self.redis_port, self.dns_port, self.smtp_port = free_port(), free_port(), free_port()
        self.control_port = free_port()
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.keys = Keys()
        self.submitted = 0

    def start(self) -> None:
        """Start everything; the workers last."""
        here = [host.here for host in self.hosts]
        redis = self.folder / "redis"
        redis.mkdir()
        self._run(
            "redis", [embedded.find_binary(), "--port", str(self.redis_port), "--bind", "127.0.0.1", *here,
            "--protected-mode", "no", "--dir", str(redis), "--appendonly", "yes", "--appendfsync", "everysec",
            "--save", "", "--maxmemory-policy", "noeviction"],
        )  # fmt: skip
        zone = self.folder / "zone.json"
        zone.write_text(
            json.dumps({"origins": ["test"], "numbered": {"example.test": here[0]}, "records": {}})
        )
        for host in self.hosts:
            self._run(
                f"dns-{host.name}", [sys.executable, "-m", "mta.demo.nameserver", "--host", host.here,
                "--port", str(self.dns_port), "--zone", str(zone)],
            )  # fmt: skip
        self._run(
            "sink", [sys.executable, "-m", "bench.sink", "--host", here[0], "--port", str(self.smtp_port),
            "--control-port", str(self.control_port), "--dot-delay-ms", "20", "--json"],
        )  # fmt: skip
        for name in ("keeper", "ingest"):
            self.role(name, name, None)
        self.worker(0)
        self.worker(1)

    def worker(self, number: int, **more: str) -> None:
        """Start a host's worker."""
        self.role("worker", f"worker{'ab'[number]}", self.hosts[number], **more)

    def role(self, role: str, name: str, host: Host | None, **more: str) -> None:
        """Start one role with a configuration and a state directory of its own."""
        address = host.here if host else "127.0.0.1"
        resolver = host.here if host else self.hosts[0].here
        state = self.folder / (host.name if host else "here")
        config = self.folder / f"{name}.toml"
        config.write_text(
            f"""
[paths]
state = "{state}"
[redis]
url = "redis://{address}:{self.redis_port}"
durability = "everysec"
[queue]
lease = "{LEASE_SECONDS}s"
[limits]
rate = "1000/s"
connections = {CONNECTIONS}
unreachable = "500ms"
[workers]
sessions = {SESSIONS}
[metrics]
listen = ""
[net]
smtp_port = {self.smtp_port}
resolver = ["{resolver}:{self.dns_port}"]
allow_private = true
ipv6 = false
helo = "hosts.example.test"
tls = "off"
[retry.bulk]
first = "200ms"
factor = 0.1
most = "2s"
"""
        )
        before = host.prefix if host else []
        command = [
            *before,
            sys.executable,
            "-m",
            "mta",
            "run",
            "--role",
            role,
            "--name",
            name,
            "-c",
            str(config),
        ]
        self._run(name, command, **more)

    def _run(self, name: str, command: list[str], **more: str) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("MTA_")}
        path = os.pathsep.join([*([more.pop("first")] if "first" in more else []), str(ROOT)])
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env=kept | {"PYTHONPATH": path} | more,
            )  # fmt: skip

    def end(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End one process."""
        process = self.running.pop(name)
        process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End everything, the youngest first."""
        for host in self.hosts:
            host.heal()
        for name in reversed(list(self.running)):
            self.end(name, signal.SIGKILL if name == "redis" else signal.SIGTERM)

    def received(self) -> dict[str, Any]:
        """Return what the receiver counted."""
        address = (self.hosts[0].here, self.control_port)
        with socket.create_connection(address, timeout=5) as wire:
            return dict(json.loads(b"".join(iter(lambda: wire.recv(65536), b""))))

    def submit(self, count: int) -> None:
        """Hand in mail for all sites."""
        plan = Plan(
            count=count, rate=float(count), mix={"bulk": 1.0}, tenants=1, domains=Domains(SITES), html_bytes=500,
            links=0, rows=100, seed=1, run=f"h{self.submitted}", first=self.submitted,
        )  # fmt: skip

        async def hand_in() -> None:
            client = connect(Server(f"redis://127.0.0.1:{self.redis_port}"))
            for one in submissions(plan):
                await client.xadd(self.keys.submit_stream(one.cls), one.fields)
            await client.aclose()

        asyncio.run(hand_in())
        self.submitted += count

    def flights(self) -> dict[str, int]:
        """Return what each worker holds, by its name without the machine's."""

        async def ask() -> dict[str, int]:
            client = connect(Server(f"redis://127.0.0.1:{self.redis_port}"))
            found = await Inspect(client, self.keys).workers()
            await client.aclose()
            return {one.name.rpartition(".")[2]: one.in_flight for one in found}

        return asyncio.run(ask())

    def until(self, holds: Callable[[], Any]) -> Any:
        """Wait until something holds; say what the processes wrote when it never does."""
        ends = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < ends:
            try:
                if found := holds():
                    return found
            except OSError:
                pass
            time.sleep(0.05)
        logs = {path.name: path.read_text(errors="replace")[-800:] for path in self.folder.glob("*.log")}
        found = [self.say(*words) for words in (("queue", "show"), ("queue", "list"), ("site", "list"))]
        pytest.fail("\n".join(["never:", str(logs), *found, str(self.received())]))

    def say(self, *words: str) -> str:
        """Return what the command line tells about the queue."""
        command = [sys.executable, "-m", "mta", *words, "-c", str(self.folder / "keeper.toml")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT, check=False)
        return done.stdout + done.stderr

    def all_came(self) -> bool:
        """Whether every recipient's mail has come."""
        return bool(self.received()["distinct_recipients"] == self.submitted)


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    yield from two_hosts()


@pytest.fixture
def place(hosts: tuple[Host, Host], tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, hosts)
    try:
        made.start()
        made.until(lambda: len(made.flights()) == 2 and made.received())
        yield made
    finally:
        made.close()


@pytest.mark.timeout(150)
def test_limits_are_shared_and_a_dead_host_is_taken_over_from(place: Place) -> None:
    place.submit(1500)
    seen: set[str] = set()

    def both() -> bool:
        seen.update(name for name, held in place.flights().items() if held)
        return seen == {"workera", "workerb"}

    place.until(both)
    place.end("workerb", signal.SIGKILL)
    place.until(place.all_came)
    found = place.received()
    assert max(found["peak_for"].values()) <= CONNECTIONS, "at a site, whatever the number of hosts"
    assert found["duplicates"] <= found["dots_unconfirmed"]
    place.until(lambda: not any(place.flights().values()))


@pytest.mark.timeout(150)
def test_a_host_that_is_cut_off_is_taken_over_from_and_begins_anew(place: Place) -> None:
    place.submit(1500)
    place.until(lambda: place.flights().get("workerb"))
    place.hosts[1].cut()
    # A receiver may have said yes to what the host could no longer tell: all it held may come twice, no more.
    held = place.flights()["workerb"]
    place.until(place.all_came)
    place.until(lambda: not any(place.flights().values()))
    before = place.received()
    place.hosts[1].heal()
    place.until(lambda: "workerb" in place.flights())
    place.submit(500)
    place.until(place.all_came)
    found = place.received()
    assert before["duplicates"] <= held
    assert found["duplicates"] <= held + found["dots_unconfirmed"] - before["dots_unconfirmed"]


@pytest.mark.timeout(150)
def test_a_host_whose_clock_is_an_hour_ahead_takes_nothing_from_others(place: Place, tmp_path: Path) -> None:
    ahead = tmp_path / "ahead"
    ahead.mkdir()
    (ahead / "sitecustomize.py").write_text(HOUR_AHEAD)
    place.end("workerb")
    place.worker(1, first=str(ahead))
    place.until(lambda: "workerb" in place.flights())
    place.submit(1000)
    seen: set[str] = set()

    def both_and_all() -> bool:
        seen.update(name for name, held in place.flights().items() if held)
        return place.all_came()

    place.until(both_and_all)
    assert seen == {"workera", "workerb"}
    assert place.received()["duplicates"] == 0
