"""A whole engine on loopback for a bench: name server, receiver, configuration, `mta run`, and its end.

Everything lives in one temporary directory and listens on loopback only; `close` ends what was started, by pid.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from bench.load import connect, tenant_name

READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Setup:
    """How the rig is built."""

    workers: int = 1
    tenants: int = 20
    durability: str = "always"
    signed: bool = True
    double: bool = False  # Ed25519 beside RSA
    suffix: str = "example.test"
    receiver: str = "smtp-sink"  # or "sink", or "mortal": one that can be killed
    sink: tuple[str, ...] = ()  # further flags of bench.sink or bench.mortal
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)  # over the bench's own
    records: dict[str, dict[str, list[str]]] = field(
        default_factory=dict
    )  # further names for the name server


class Rig:
    """The running pieces; a context manager."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.root = Path(tempfile.mkdtemp(prefix="mta-bench-"))
        self.state = self.root / "state"
        self.smtp_port, self.dns_port, self.metrics_port = free_port(), free_port(), free_port()
        self.web_port, self.inbound_port = free_port(), free_port()
        self.processes: list[subprocess.Popen[bytes]] = []
        self.engine: subprocess.Popen[bytes] | None = None
        self.control_port = 0
        self._sink_log = self.root / "sink.log"

    def __enter__(self) -> "Rig":
        try:
            self._keys()
            self._nameserver()
            self._receiver()
            self._configure()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def redis_url(self) -> str:
        """The engine's own server."""
        return f"unix://{self.state}/redis/redis.sock"

    def start_engine(self) -> float:
        """Start `mta run`; return the seconds until it says that it accepts mail."""
        began = time.monotonic()
        self.spawn_engine()
        self.until_ready()
        return time.monotonic() - began

    def spawn_engine(self) -> None:
        """Start `mta run` and do not wait."""
        with (self.root / "engine.log").open("ab") as log:
            self.engine = subprocess.Popen(
                [sys.executable, "-m", "mta", "run", "-c", str(self.root / "mta.toml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.root,
                env=_environment(),
            )

    def until_ready(self) -> None:
        """Wait until the engine says that it accepts mail; raise RuntimeError when it does not."""
        asyncio.run(self._until_ready(time.monotonic() + READY_SECONDS))

    async def _until_ready(self, ends: float) -> None:
        assert self.engine is not None
        while time.monotonic() < ends:
            if self.engine.poll() is not None:
                break
            if (self.state / "redis/redis.sock").exists():
                client = connect(self.redis_url)
                with contextlib.suppress(Exception):
                    if await client.hget("mta:status", "accepting") == "1":
                        await client.aclose()
                        return
                with contextlib.suppress(Exception):
                    await client.aclose()
            await asyncio.sleep(0.02)
        raise RuntimeError(f"the engine did not start:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """The last lines the engine wrote."""
        path = self.root / "engine.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-20:]) if path.exists() else ""

    def stop_engine(self, seconds: float = 60.0) -> int | None:
        """Drain the engine; return its exit code."""
        engine, self.engine = self.engine, None
        return _end(engine, seconds) if engine else None

    def received(self) -> dict[str, Any]:
        """Return what the receiver counted."""
        if self.setup.receiver != "smtp-sink":
            with socket.create_connection(("127.0.0.1", self.control_port), timeout=5) as wire:
                return dict(json.loads(b"".join(iter(lambda: wire.recv(65536), b""))))
        text = self._sink_log.read_text(errors="replace").replace("\r", "\n")
        counts = [line for line in text.splitlines() if "mesg=" in line]
        return {"messages": int(counts[-1].rpartition("mesg=")[2].split()[0]) if counts else 0}

    def close(self) -> None:
        """End everything and remove the directory."""
        self.stop_engine()
        for process in reversed(self.processes):
            _end(process, 10.0)
        shutil.rmtree(self.root, ignore_errors=True)

    # pieces

    def _keys(self) -> None:
        if not self.setup.signed:
            return
        for number in range(self.setup.tenants):
            folder = self.state / "dkim" / f"{tenant_name(number)}.example"
            folder.mkdir(parents=True)
            (folder / "s1.pem").write_bytes(_pem(rsa.generate_private_key(65537, 2048)))
            if self.setup.double:
                (folder / "s2.pem").write_bytes(_pem(ed25519.Ed25519PrivateKey.generate()))

    def _nameserver(self) -> None:
        zone = self.root / "zone.json"
        here = {"A": ["127.0.0.1"]}
        document = {
            "origins": ["test", "example.org", "example.net"],
            "numbered": {self.setup.suffix: "127.0.0.1"},
            # RFC 2606 names of the example producers, and what this bench adds.
            "records": {"example.org": here, "example.net": here} | self.setup.records,
        }
        zone.write_text(json.dumps(document))
        command = [
            sys.executable,
            "-m",
            "mta.demo.nameserver",
            "--port",
            str(self.dns_port),
            "--zone",
            str(zone),
        ]
        self._spawn(command, wait_line=True)

    def restart_receiver(self, *flags: str) -> None:
        """Put another bench.sink in the receiver's place, with more flags."""
        _end(self.processes.pop(), 10.0)
        self._sink(*flags)

    def kill_receiver(self) -> None:
        """End a mortal receiver by SIGKILL, once it has written what it counted."""
        process = self.processes.pop()
        process.send_signal(signal.SIGUSR1)
        process.wait(10.0)
        if process.stdout is not None:
            process.stdout.close()

    def revive_receiver(self) -> None:
        """Start a mortal receiver's next life."""
        self._sink()

    def _sink(self, *flags: str) -> None:
        mortal = self.setup.receiver == "mortal"
        own = (
            ["bench.mortal", "--state", str(self.root / "sink.state")] if mortal else ["bench.sink", "--json"]
        )
        command = [sys.executable, "-m", *own, "--port", str(self.smtp_port), *self.setup.sink, *flags]
        ready = self._spawn(command, wait_line=True, fixed_hashes=mortal)
        self.control_port = int(ready["control_port"])

    def _receiver(self) -> None:
        if self.setup.receiver != "smtp-sink":
            self._sink()
            return
        program = shutil.which("smtp-sink", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if program is None:
            raise RuntimeError("smtp-sink is missing: apt-get install postfix, or use --receiver sink")
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        log = self._sink_log.open("wb")
        self.processes.append(
            subprocess.Popen(
                [program, *user, "-c", f"127.0.0.1:{self.smtp_port}", "1000"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd="/",
            )
        )  # fmt: skip
        log.close()
        _until_open(self.smtp_port)

    def _spawn(self, command: list[str], *, wait_line: bool, fixed_hashes: bool = False) -> dict[str, Any]:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment() | ({"PYTHONHASHSEED": "0"} if fixed_hashes else {}),
        )
        self.processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline() if wait_line else b"{}"
        if not line:
            raise RuntimeError(f"{command[2]} did not start")
        return dict(json.loads(line))

    def _configure(self) -> None:
        tables: dict[str, dict[str, Any]] = {
            "paths": {"state": str(self.state)},
            "redis": {"durability": self.setup.durability},
            "workers": {"count": self.setup.workers},
            "limits": {"rate": "100000/s", "connections": 20},
            "net": {
                "smtp_port": self.smtp_port,
                "resolver": [f"127.0.0.1:{self.dns_port}"],
                "allow_private": True,
                "ipv6": False,
                "helo": "bench.example.test",
                "tls": "off",
            },
            "inbound": {"listen": f"127.0.0.1:{self.inbound_port}"},
            "web": {"listen": f"127.0.0.1:{self.web_port}"},
            "metrics": {"listen": f"127.0.0.1:{self.metrics_port}"},
        }
        for name, values in self.setup.settings.items():
            tables.setdefault(name, {}).update(values)
        lines = []
        for name, values in tables.items():
            lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
        (self.root / "mta.toml").write_text("\n".join(lines) + "\n")


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as wire:
        wire.bind(("127.0.0.1", 0))
        return int(wire.getsockname()[1])


def _until_open(port: int) -> None:
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port}")


def _end(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return process.returncode


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MTA_")}
    here = str(Path(__file__).resolve().parents[1])
    return kept | {"PYTHONPATH": here}


def _pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _toml(value: Any) -> str:
    return json.dumps(value)
