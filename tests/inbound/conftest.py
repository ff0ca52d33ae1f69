"""A listener on a real socket, with doors that remember, and an SMTP client of bare bytes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mta.archive.recipient import Recipient
from mta.bounce import classify, verp
from mta.inbound.doors import Doors
from mta.inbound.gate import Caps
from mta.inbound.listener import Listener, Settings
from mta.inbound.spool import Spool
from mta.message import MessageId
from mta.tracking.token import Keys

DAY = 20_600
RULES = classify.load((Path(classify.__file__).parent / "rules.toml").read_text())


class Gone(Exception):
    """A client library's own exception: no ConnectionError of Python's."""


@dataclass
class Redis:
    """Takes effects, unless it is away."""

    away: bool = False
    items: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    suppressed: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    poison: set[str] = field(default_factory=set)  # names of messages whose events are never taken
    order: list[str] = field(default_factory=list)

    async def publish(self, items: Sequence[tuple[int, dict[str, str]]]) -> None:
        if any(fields["id"] in self.poison for _, fields in items):
            raise Gone("ERR this one never passes")
        if self.away:
            raise Gone("Redis is away")
        self.items += items
        self.order.append("event")

    async def add(
        self,
        tenant: str,
        list_: str,
        addresses: Sequence[str],
        reason: str,
        by: str,
        ts: int,
        evidence: str = "",
        campaign: str = "",
    ) -> int:
        assert evidence
        if self.away:
            raise Gone("Redis is away")
        self.suppressed += [(tenant, list_, address, reason, by) for address in addresses]
        self.order.append("suppress")
        return len(addresses)


class Peer:
    """An SMTP client of bare bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def reply(self) -> str:
        """One whole reply; empty at the end of the stream."""
        lines = []
        while line := await self.reader.readline():
            lines.append(line.decode().rstrip("\r\n"))
            if line[3:4] != b"-":
                break
        return "\n".join(lines)

    async def say(self, *lines: str | bytes) -> str:
        """Send lines and return the last one's reply."""
        answer = ""
        for line in lines:
            self.writer.write((line.encode() if isinstance(line, str) else line) + b"\r\n")
            answer = await self.reply()
        return answer

    async def send(self, sender: str, recipient: str, raw: bytes) -> str:
        """One transaction; returns the reply to the final dot, or the refusal before."""
        for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA"):
            answer = await self.say(line)
            if answer[0] not in "23":
                return answer
        stuffed = b"\r\n".join(b"." + one if one.startswith(b".") else one for one in raw.split(b"\r\n"))
        self.writer.write(stuffed + b"\r\n.\r\n")
        return await self.reply()


@dataclass
class World:
    """The listener and what is around it."""

    folder: Path
    redis: Redis = field(default_factory=Redis)
    now: float = DAY * 86400.0 + 7.5
    people: dict[MessageId, Recipient] = field(default_factory=dict)
    counted: list[tuple[str, str]] = field(default_factory=list)
    caps: Caps = field(default_factory=Caps)
    listener: Any = None
    day = DAY
    rules = RULES
    keys: Keys = field(default_factory=lambda: Keys(0, {0: b"k" * 32}))
    id: MessageId = field(default_factory=lambda: MessageId(1, 500, 2))

    def __post_init__(self) -> None:
        self.people[self.id] = Recipient(
            self.id, "spring.x.2", "acme", "spring", "customers", "bob@example.org", "u-771", {}, 2
        )
        self.spool = Spool(self.folder / "reports", keep=3)

    def address(self, day: int = DAY, keys: Keys | None = None, id: MessageId | None = None) -> str:
        return verp.make(keys or self.keys, id or self.id, day, "b.acme.example")

    def leave_address(self, day: int = DAY) -> str:
        return verp.make_leave(self.keys, self.id, day, "b.acme.example")

    def doors(self) -> Doors:
        return Doors(
            tokens=self.keys,
            lookup=self.people.get,
            rules=RULES,
            feedback=self.redis,
            suppressions=self.redis,
            counted=lambda name, label: self.counted.append((name, label)),
            now=lambda: self.now,
        )

    async def start(self) -> None:
        self.listener = Listener(
            self.doors(), self.spool, Settings("127.0.0.1", 0, "mx.acme.example", self.caps)
        )
        await self.listener.start()

    async def stop(self) -> None:
        if self.listener is not None:
            await self.listener.stop(grace=0.1)
            self.listener = None

    @asynccontextmanager
    async def peer(self, *, hello: bool = True) -> AsyncIterator[Peer]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port, limit=1 << 22)
        peer = Peer(reader, writer)
        if hello:
            assert (await peer.reply()).startswith("220 mx.acme.example ESMTP")
            assert (await peer.say("EHLO c.example")).startswith("250")
        try:
            yield peer
        finally:
            writer.close()

    async def until(self, true: Any) -> None:
        async with asyncio.timeout(8):
            while not true():
                await asyncio.sleep(0.01)

    def files(self, folder: str) -> list[Path]:
        return sorted((self.folder / "reports" / folder).glob("*.eml"))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world whose listener the test starts."""
    world = World(tmp_path)
    yield world
    await world.stop()


@pytest.fixture
def make_world() -> type[World]:
    """Makes worlds, for tests that bring their own loop."""
    return World
