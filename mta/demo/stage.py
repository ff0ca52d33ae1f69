"""The demo's surroundings: directory, keys, name server, receiving side, configuration, and the engine itself.

Everything listens on loopback on unprivileged ports and lives in one directory; `close` ends all of it.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

from mta.demo import certificate, town
from mta.demo.capture import Capture
from mta.demo.nameserver import Nameserver
from mta.demo.receiver import Receiver
from mta.dkim.generate import generate
from mta.dkim.key import load
from mta.dkim.record import dns_name, dns_record
from mta.queue.keys import Keys
from mta.queue.link import Client, Server, connect

READY_SECONDS = 20.0
SENDER_DOMAIN = "shop.example"
CLUSTER_SHARDS = 6
MOST_CAPTURED = 8000
SELECTORS: dict[str, Literal["rsa", "ed25519"]] = {"s1": "rsa", "e1": "ed25519"}


class StageFault(RuntimeError):
    """The demo can't go on; the message says what failed and shows what the engine said."""


class Stage:
    """The running surroundings; `open` before, `close` after."""

    def __init__(self, rate: str, redis: str = "") -> None:
        self.root = Path(tempfile.mkdtemp(prefix="mta-demo-"))
        self.state = self.root / "state"
        self.rate = rate
        self.server = Server(redis) if redis else None  # None: the engine starts one of its own
        self.capture = Capture(MOST_CAPTURED)
        self.smtp_port, self.inbound_port, self.web_port, self.metrics_port = (_free_port() for _ in range(4))
        self.nameserver: Nameserver | None = None
        self.receiver: Receiver | None = None
        self.engine: asyncio.subprocess.Process | None = None
        self.client: Client | None = None
        self.keys = Keys(shards=CLUSTER_SHARDS if self.server and self.server.is_cluster else 1)
        self.txt: dict[str, str] = {}  # published DKIM records by name

    @property
    def redis(self) -> Client:
        """A producer's connection to the engine's queue."""
        assert self.client is not None
        return self.client

    @property
    def log(self) -> Path:
        """What the engine wrote."""
        return self.root / "engine.log"

    async def open(self) -> None:
        """Start everything; raise StageFault, also for a server that holds a queue already."""
        await self._until_empty()
        self._make_keys()
        extra = {name: {"TXT": (_quoted(text),)} for name, text in self.txt.items()}
        self.nameserver = Nameserver(town.zone(extra))
        dns_port = await self.nameserver.start("127.0.0.1")
        tls = certificate.server_context(*certificate.make(["mx.town.test"]))
        self.receiver = town.receiver(
            bounce_to=("127.0.0.1", self.inbound_port), capture=self.capture, tls=tls
        )
        try:
            await self.receiver.start(town.addresses(), self.smtp_port)
        except OSError as error:
            raise StageFault(f"the receiving side can't listen on 127.0.0.11 and up: {error}") from error
        self._configure(dns_port)
        with self.log.open("wb") as log:
            self.engine = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "mta", "run", "-c", str(self.root / "mta.toml"),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(),
            )  # fmt: skip
        await self._until_ready()

    async def close(self) -> int | None:
        """Drain the engine and end everything; return the engine's exit code."""
        code = None
        if self.client is not None:
            await self.client.aclose()
        if self.engine is not None:
            if self.engine.returncode is None:
                self.engine.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(self.engine.wait(), 30)
                except TimeoutError:
                    self.engine.kill()
                    await self.engine.wait()
            code = self.engine.returncode
        if self.receiver is not None:
            await self.receiver.stop()
        if self.nameserver is not None:
            await self.nameserver.stop()
        shutil.rmtree(self.root, ignore_errors=True)
        return code

    def said(self) -> str:
        """The last lines the engine wrote."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])

    def txt_record(self, name: bytes) -> bytes | None:
        """Return a published TXT record, as a verifier asks for it."""
        text = self.txt.get(name.decode().rstrip("."))
        return text.encode() if text else None

    def _make_keys(self) -> None:
        folder = self.state / "dkim" / SENDER_DOMAIN
        folder.mkdir(parents=True)
        for selector, kind in SELECTORS.items():
            pem = generate(kind)
            (folder / f"{selector}.pem").write_bytes(pem)
            signer = load(SENDER_DOMAIN, selector, pem)
            self.txt[dns_name(signer)] = dns_record(signer)

    def _configure(self, dns_port: int) -> None:
        quick = 'first = "2s"\nfactor = 0.5\nmost = "10s"\nlifetime = "2m"\n'
        (self.root / "mta.toml").write_text(
            f"""[paths]
state = {json.dumps(str(self.state))}
[redis]
url = {json.dumps(self.server.url if self.server else "embedded")}
durability = "{"everysec" if self.server else "always"}"
[queue]
shards = {self.keys.shards}
[net]
smtp_port = {self.smtp_port}
resolver = ["127.0.0.1:{dns_port}"]
allow_private = true
ipv6 = false
helo = "out.{SENDER_DOMAIN}"
[limits]
rate = "{self.rate}"
burst = 10
connections = 4
unreachable = "5s"
[inbound]
listen = "127.0.0.1:{self.inbound_port}"
[web]
listen = "127.0.0.1:{self.web_port}"
[metrics]
listen = "127.0.0.1:{self.metrics_port}"
[retry.urgent]
{quick}
[retry.transactional]
{quick}
[retry.bulk]
{quick}
"""
        )

    async def _until_empty(self) -> None:
        if self.server is None:
            return
        client = connect(self.server)
        try:
            if await client.exists(self.keys.status) or await client.exists(self.keys.tenants):
                raise StageFault(f"{self.server} holds an engine's queue; --redis is to name an empty server")
        finally:
            await client.aclose()

    async def _until_ready(self) -> None:
        assert self.engine is not None
        path = self.state / "redis" / "redis.sock"
        server = self.server or Server(f"unix://{path}")
        loop = asyncio.get_running_loop()
        ends = loop.time() + READY_SECONDS
        while loop.time() < ends and self.engine.returncode is None:
            if self.server or path.exists():
                client = connect(server)
                with suppress(OSError):
                    if await client.hget(self.keys.status, "accepting") == b"1":
                        self.client = client
                        return
                await client.aclose()
            await asyncio.sleep(0.03)
        raise StageFault(f"the engine did not start:\n{self.said()}")


def _free_port() -> int:
    with socket.socket() as wire:
        wire.bind(("127.0.0.1", 0))
        return int(wire.getsockname()[1])


def _environment() -> dict[str, str]:
    # The demo's engine has the demo's settings, whatever this shell has set for another.
    return {name: value for name, value in os.environ.items() if not name.startswith("MTA_")}


def _quoted(text: str) -> str:
    return " ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))
