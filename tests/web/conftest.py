"""A web application on a real socket, with doors that remember."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from mta.archive.recipient import Recipient
from mta.message import MessageId
from mta.tenancy import Profile
from mta.tracking import token
from mta.tracking.token import Keys, Purpose
from mta.web import doors as web_doors
from mta.web.app import Rules, make_app, serve
from mta.web.doors import Doors

DAY = 20_600
NOW = DAY * 86400.0 + 100.25
KEYS = Keys(1, {1: b"k" * 32})
BOB = Recipient(
    MessageId(3, 77, 4),
    "spring.x.4",
    "acme",
    "spring",
    "customers",
    "bob@example.org",
    "u-771",
    {"first": "Bob"},
    2,
)


class Gone(Exception):
    """A client library's own exception: no ConnectionError of Python's."""


@dataclass
class Away:
    """Redis, which can be away."""

    away: bool = False
    items: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    suppressed: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    calls: int = 0

    async def publish(self, items: Sequence[tuple[int, dict[str, str]]]) -> None:
        self.calls += 1
        if self.away:
            raise Gone("Redis is away")
        self.items += items

    async def add(
        self, tenant: str, list_: str, addresses: Sequence[str], reason: str, by: str, ts: int
    ) -> int:
        if self.away:
            raise Gone("Redis is away")
        rows = [(tenant, list_, address, reason, by) for address in addresses]
        new = [row for row in rows if row not in self.suppressed]
        self.suppressed += new
        return len(new)

    async def document(self, tenant: str, campaign: str) -> bytes | None:
        if self.away:
            raise Gone("Redis is away")
        return b'{"id": "spring", "from": "Acme <b>News</b> <news@acme.example>", "list": "customers"}'

    @property
    def events(self) -> list[dict[str, str]]:
        return [fields for _, fields in self.items]


@dataclass
class World:
    """The application's address and what is around it."""

    day = DAY
    now = NOW
    bob = BOB

    redis: Away
    folder: Path
    recipients: dict[MessageId, Recipient]
    links: dict[int, str]
    profile: Profile = field(default_factory=lambda: Profile("acme"))
    hosts: set[str] = field(default_factory=set)
    why: str = ""
    counted: list[tuple[str, str]] = field(default_factory=list)
    base: str = ""
    http: aiohttp.ClientSession = None  # type: ignore[assignment]
    rendered: str | None = "<p>Hi Bob</p><script>alert(1)</script>"
    hops: int = 0
    broken: bool = False

    def token(self, purpose: Purpose, day: int = DAY, keys: Keys = KEYS, id: MessageId = BOB.id) -> str:
        return token.make(keys, purpose, id, day)

    def _lookup(self, id: MessageId) -> Recipient | None:
        if self.broken:
            raise OSError("disk")
        return self.recipients.get(id)

    async def _profile(self, tenant: str) -> Profile | None:
        if self.redis.away:
            raise Gone("Redis is away")
        return self.profile

    async def _own_host(self, host: str, recipient: Recipient) -> bool:
        if self.redis.away:
            await asyncio.sleep(30)
        return not self.hosts or host in self.hosts

    def doors(self) -> Doors:
        return Doors(
            tokens=KEYS,
            lookup=self._lookup,
            link_target=lambda recipient, number: self.links.get(number),
            render=lambda recipient: self.rendered,
            feedback=self.redis,
            suppressions=self.redis,
            campaigns=self.redis,
            profile=self._profile,
            own_host=self._own_host,
            ready=lambda: self.why,
            metrics=lambda: b"mta_build_info 1\n",
            counted=lambda route, status: self.counted.append((route, status)),
            now=lambda: NOW,
        )

    def rules(self) -> Rules:
        return Rules(spool=self.folder / "web.ndjson", trusted_hops=self.hops, spool_bytes=100_000)

    def get(self, path: str, **more: object) -> "aiohttp.client._RequestContextManager":
        return self.http.get(self.base + path, allow_redirects=False, **more)  # type: ignore[arg-type]

    def post(self, path: str, **more: object) -> "aiohttp.client._RequestContextManager":
        return self.http.post(self.base + path, allow_redirects=False, **more)  # type: ignore[arg-type]

    def head(self, path: str) -> "aiohttp.client._RequestContextManager":
        return self.http.head(self.base + path, allow_redirects=False)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """The application, running."""
    monkeypatch.setattr(web_doors, "PATIENCE", 0.05)
    world = World(Away(), tmp_path / "spool", {BOB.id: BOB}, {0: "https://acme.example/?a=1&b=%20c#d"})
    runner = await serve(make_app(world.doors(), world.rules()), "127.0.0.1", 0)
    host, port = runner.addresses[0][:2]
    world.base = f"http://{host}:{port}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as world.http:
        yield world
    await runner.cleanup()
