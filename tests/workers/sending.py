"""What stories about policy share: a worker that keeps to it, an authority, a policy server, a relay with passwords."""

import base64
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from mta.net.connect import Contexts, contexts
from mta.net.https import PATH, PolicyFetch
from mta.net.mtasts import StsPolicies
from mta.net.policies import Policies
from mta.net.resolver import Answer
from mta.policy.tlsrpt import Counts, Row
from mta.queue.tlsbook import StsCache
from mta.workers.worker import Worker
from tests.net.authority import Made, make
from tests.scenarios.conftest import World
from tests.scenarios.peer import Conversation, Peer

ROOT = make("root", signs=True)
STRANGER = make("stranger", names=["mx1.example.net", "mx1.a.example"])
QUIET = {"EHLO", "STARTTLS", "QUIT"}  # what may be said in clear to a host that policy does not let us trust


def certified(*names: str) -> Made:
    """Return a certificate of our authority."""
    return make(names[0], ROOT, names=names)


def both(folder: Path) -> Contexts:
    """Return contexts that know our authority."""
    path = folder / "root.pem"
    path.write_bytes(ROOT.pem)
    return contexts(authorities=str(path))


class PolicyServer:
    """Serves MTA-STS policy files by domain, and counts how often each was fetched."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.fetched: list[str] = []
        self.port = 0

    def publish(self, world: World, domain: str, mode: str, mx: Sequence[str], name: str = "1") -> None:
        """Publish a policy: its file, its TXT record, its host."""
        lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {one}" for one in mx), "max_age: 86400", ""]
        self.files[domain] = "\n".join(lines)
        world.names[f"_mta-sts.{domain}", "TXT"] = Answer(((0, f"v=STSv1; id={name};"),), 300.0)
        world.names[f"mta-sts.{domain}", "A"] = Answer(((0, "127.0.0.1"),), 300.0)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        domain = request.host.partition(":")[0].removeprefix("mta-sts.")
        self.fetched.append(domain)
        if request.path != PATH or domain not in self.files:
            return web.Response(status=404)
        return web.Response(text=self.files[domain])


@asynccontextmanager
async def policy_server(*domains: str) -> AsyncIterator[PolicyServer]:
    """Run a policy server for these domains, with a certificate of our authority."""
    server = PolicyServer()
    app = web.Application()
    app.router.add_get("/{tail:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    context = certified(*(f"mta-sts.{domain}" for domain in domains)).server()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


async def keeping_to_policy(
    world: World, *, server: PolicyServer | None = None, dane: bool = True, more: dict[str, Any] | None = None
) -> Worker:
    """Start a worker that keeps to policies, and counts for TLS reports."""
    worker = await world.start(**(more or {}))
    doors = worker.doors
    doors.tls = both(world.folder)
    sts = None
    if server is not None:
        trusted = ssl.create_default_context(cadata=ROOT.pem.decode())
        fetch = PolicyFetch(doors.resolver, trusted, seconds=10, port=server.port)
        sts = StsPolicies(doors.resolver, fetch, StsCache(world.client, world.keys))
    doors.policies = Policies(doors.resolver, sts=sts, dane=dane)
    doors.tls_counts = Counts()
    return worker


def outcomes(worker: Worker) -> list[tuple[str, str, str]]:
    """Return (domain, kind of policy, result) of the sessions counted so far."""
    assert worker.doors.tls_counts is not None
    rows: list[tuple[Row, int]] = worker.doors.tls_counts.drain()
    return [(row.domain, row.policy, row.result) for row, _ in rows]


def said_in_clear(peer: Peer) -> set[str]:
    """Return the verbs a peer heard before TLS."""
    verbs = set()
    for one in peer.conversations:
        for command in one.commands:
            verbs.add(command.partition(" ")[0].upper())
            if command.upper() == "STARTTLS":
                break
    return verbs


class Relay(Peer):
    """A host that takes mail of those alone who say their password, and only under TLS."""

    password = "secret"
    logins: list[tuple[str, bool]]

    async def _command(self, one: Conversation) -> None:
        words = one.commands[-1].split(" ")
        verb = words[0].upper()
        self.logins = getattr(self, "logins", [])
        if verb == "AUTH":
            self.logins.append((base64.b64decode(words[2]).decode(), one.tls))
            good = base64.b64encode(f"\0me\0{self.password}".encode()).decode()
            await one.say(b"235 2.7.0 ok\r\n" if words[2] == good else b"535 5.7.8 no\r\n")
        elif (
            verb == "MAIL"
            and self.password
            and not any(login == f"\0me\0{self.password}" for login, _ in self.logins)
        ):
            await one.say(b"530 5.7.0 who are you\r\n")
        else:
            await super()._command(one)
