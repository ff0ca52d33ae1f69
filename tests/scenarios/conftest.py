"""A story's world: a real worker on a real server, a name service in a dictionary, scripted receivers on loopback.

All construction is here, so that stories say only what happens. Times are milliseconds; a story that is about
waiting sets its own.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mta.daemon import assemble
from mta.demo import certificate
from mta.message import Class, Lane, MessageId, Record
from mta.mime.document import Document
from mta.mime.mailing import Mailing, encode
from mta.net.connect import Dialling, Timeouts, opportunistic_context
from mta.net.resolver import Answer, Resolver, Unroutable
from mta.queue import codec
from mta.queue.campaigns import Campaign, Campaigns
from mta.queue.keys import Keys
from mta.queue.lanes import PathDefaults, Queue
from mta.queue.link import Client, QueueDown, Server, connect
from mta.queue.suppression import Suppressions
from mta.queue.wake import Bell
from mta.throttle.limits import Limits
from mta.throttle.retry import Schedule
from mta.throttle.shaping import Shaping
from mta.tracking.token import Keys as Tokens
from mta.workers.contents import Contents, HostNames
from mta.workers.journal import Journal
from mta.workers.keyring import Keyring
from mta.workers.plan import Doors, Plan
from mta.workers.stops import Stops
from mta.workers.worker import Worker
from tests.scenarios.peer import Peer, until

SITE = "example.net"
QUICK = Timeouts(
    connect=2.0,
    greeting=2.0,
    ehlo=2.0,
    mail=2.0,
    rcpt=2.0,
    data=2.0,
    body=2.0,
    dot=2.0,
    quit=0.3,
    deadline=20.0,
)
LATER = Schedule(first=3600.0, jitter=0.0)  # a retry that no story waits for
SOON = Schedule(first=0.05, factor=0.0, jitter=0.0)
DOCUMENT = Document(
    sender="News <news@acme.example>", subject="Hello", text="Hello there\n", track_opens=False
)


class World:
    """What a story acts with."""

    def __init__(self, redis_url: str, client: Client, folder: Path) -> None:
        self.redis_url = redis_url
        self.client = client
        self.folder = folder
        self.keys = Keys()
        self.queue = Queue(client, self.keys)
        self.campaigns = Campaigns(client, self.keys)
        self.names: dict[tuple[str, str], Answer | Unroutable] = {}
        self.asked: list[tuple[str, str]] = []
        self.peers: list[Peer] = []
        self.port = 0
        self.chunk = 0
        self.worker: Worker | None = None
        self.told: list[Any] = []
        self._running: asyncio.Task[None] | None = None
        self._blocking: Client | None = None
        self._journal: Journal | None = None

    # the surroundings

    async def peer(
        self, domain: str = SITE, preference: int = 10, *, listen: bool = True, **script: Any
    ) -> Peer:
        """Add a mail host to a domain: it has the next loopback address, and listens unless told otherwise."""
        number = len(self.peers) + 1
        address = f"127.0.0.{number}"
        if not self.port:
            self.port = free_port()
        peer = Peer(f"mx{number}.{domain}", address, self.port, **script)
        self.peers.append(peer)
        known = self.names.get((domain, "MX"))
        values = known.values if isinstance(known, Answer) else ()
        self.names[domain, "MX"] = Answer((*values, (preference, peer.name)), 300.0)
        self.names[peer.name, "A"] = Answer(((0, address),), 300.0)
        if listen:
            await peer.listen()
        return peer

    async def _ask(self, name: str, kind: str) -> Answer:
        self.asked.append((name, kind))
        found = self.names.get(
            (name, kind), Answer((), 0.0, exists=any(key[0] == name for key in self.names))
        )
        if isinstance(found, Unroutable):
            raise found
        return found

    # mail

    async def put(
        self,
        *recipients: str,
        cls: Class = Class.BULK,
        site: str = SITE,
        document: Document = DOCUMENT,
        raw: bytes | None = None,
        born: int = 0,
        expires: int = 0,
        list_: str = "",
    ) -> None:
        """Put one message for each recipient in the queue, of one campaign with this content."""
        self.chunk += 1
        campaign = f"c{self.chunk}"
        mailing = Mailing(
            "acme", "acme.example", campaign, list_=list_, document=None if raw else document, raw=raw
        )
        await self.campaigns.define(
            Campaign("acme", campaign, cls, b"{}", encode(mailing), campaign.encode(), 1, True)
        )
        now = int(time.time() * 1000)
        lane = Lane(cls, "default", site, "acme", campaign)
        items = [
            codec.encode(
                MessageId(0, self.chunk, row).pack(),
                Record(f"{campaign}.{row}", rcpt, born or now, expires or now + 86_400_000),
            )
            for row, rcpt in enumerate(recipients)
        ]
        assert await self.queue.put(f"acme:{campaign}", 1, [[str(lane), 0, *items]])

    async def start(
        self,
        *,
        times: Timeouts = QUICK,
        schedule: Schedule = LATER,
        tls: ssl.SSLContext | None = None,
        connections: int = 1,
        name: str = "w1",
        helo: str = "out.acme.example",
        source: str = "",
        allow_private: bool = True,
        messages: int = 1000,
        **plan: Any,
    ) -> Worker:
        """Start the worker."""
        self._blocking = connect(Server(self.redis_url), blocking=True)
        self._journal = Journal(self.folder / "journal" / name)
        base = Plan(
            name=name,
            dialling=Dialling(
                port=self.port,
                helo=helo,
                source=source,
                tls="opportunistic" if tls else "off",
                timeouts=times,
            ),
            defaults=PathDefaults(connections=connections, batch=8),
            schedules=(schedule, schedule, schedule),
            shaping=Shaping(Limits(connections=connections, messages=messages)),
            unreachable_pause_ms=50,
            idle_seconds=5.0,
        )
        doors = Doors(
            queue=self.queue,
            bell=Bell(self._blocking, self.keys, 0, name),
            suppressions=Suppressions(self.client, self.keys, b"s" * 32),
            resolver=Resolver(self._ask, ipv6=False, allow_private=allow_private),
            contents=Contents(
                self.campaigns, self.queue, Keyring(self.folder / "dkim"),
                HostNames("b.acme.example", base_url="http://t.acme.example"), time.monotonic,
            ),
            tokens=Tokens(1, {1: b"k" * 32}),
            journal=self._journal,
            tls=tls,
            classify=partial(assemble.classify_reply, assemble.classifier()),
            told=self.told.append,
            stops=Stops(Suppressions(self.client, self.keys, b"s" * 32)),
        )  # fmt: skip
        self.worker = Worker(replace(base, **plan), doors)
        self._running = asyncio.create_task(self.worker.run())
        return self.worker

    async def stop(self) -> None:
        """Drain the worker and wait for its end, which comes only when nothing is in flight."""
        if self.worker is not None and self._running is not None:
            self.worker.drain()
            await asyncio.wait_for(self._running, 5.0)
        self._running = None

    async def kill(self) -> None:
        """End the worker as SIGKILL would: nothing is given back, nothing is settled, the journal stays."""
        running, self._running = self._running, None
        # Once may not be enough: a task group whose child fails while it is cancelled reports that failure instead.
        while running is not None and not running.done():
            running.cancel()
            await asyncio.wait([running], timeout=0.05)
        if self.worker is not None:
            for session in list(self.worker.delivery.dispatch.sessions):
                session.transport.abort()
            await asyncio.sleep(0)

    async def close(self) -> None:
        """End everything the story left."""
        for peer in self.peers:
            await peer.close()
        if self._running is not None:
            await self.stop()
        if self._journal is not None:
            self._journal.close()
        if self._blocking is not None:
            await self._blocking.aclose()

    # what came of it

    async def events(self, count: int, *kinds: str, seconds: float = 15.0) -> list[dict[str, str]]:
        """Wait until there are so many events (of these kinds) and return them; one too many fails."""
        ends = time.monotonic() + seconds
        while True:
            rows = []
            with contextlib.suppress(QueueDown):  # a story may restart the server
                rows = await self.client.xrange(self.keys.events(0))
            found = [{key.decode(): value.decode() for key, value in fields.items()} for _, fields in rows]
            wanted = [event for event in found if not kinds or event["event"] in kinds]
            if len(wanted) >= count:
                assert len(wanted) == count, wanted
                return wanted
            assert time.monotonic() < ends, f"{len(wanted)} of {count} {kinds}: {found}, {self.peers}"
            await asyncio.sleep(0.005)

    async def suppressed(self, address: str) -> str:
        """Return why an address gets no mail, "" if it does."""
        (reason,) = await Suppressions(self.client, self.keys, b"s" * 32).find("acme", "", [address])
        return reason

    async def waiting(self) -> list[Record]:
        """Return the records that wait for their next try."""
        out = []
        async for bucket in self.client.scan_iter(f"{self.keys.base(0)}wheel:*"):
            for entry in await self.client.lrange(bucket, 0, -1):
                lane, _, raw = entry.partition(b"\n")
                out.append(codec.decode(raw, lane.decode()).record)
        return out

    async def outcome(self, **expected: str) -> dict[str, str]:
        """Wait for the story's only event and hold it to these fields; return it."""
        (event,) = await self.events(1)
        assert {name: event.get(name, "") for name in expected} == expected, event
        return event

    async def ended(self, peer: Peer, connections: int = 1) -> None:
        """Wait until a peer's connections have all ended, and hold it to their number."""
        await until(lambda: [one for one in peer.conversations if one.end] == peer.conversations)
        assert len(peer.conversations) == connections, peer


def free_port() -> int:
    """Return a port that is free on every loopback address the stories use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def world(redis_url: str, client: Client, tmp_path: Path) -> AsyncIterator[World]:
    """A world that ends with the story."""
    made = World(redis_url, client, tmp_path)
    yield made
    await made.close()


@pytest.fixture
def trusting() -> ssl.SSLContext:
    """A client's context for opportunistic TLS."""
    return opportunistic_context()


@pytest.fixture
def serving() -> ssl.SSLContext:
    """A server's context with a self-signed certificate."""
    return certificate.server_context(*certificate.make(["mx1.example.net"]))
