"""The client's side of `bench.smtp`, alone in its process: sessions as a worker has them, without a queue behind them.

Prints one JSON line: what opening a session and what a transaction cost this process, and what it holds in memory.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

import click
import psutil
import uvloop

import mta.daemon.worker_role  # what a worker has loaded counts in its memory
from mta.net.connect import Dialling, open_session
from mta.net.resolver import Host
from mta.net.tls import opportunistic_context
from mta.policy.tls import Level, TlsNeed
from mta.smtp import capabilities
from mta.smtp.dialogue import Dialogue, Envelope
from mta.verdict import Delivered, Verdict
from mta.workers.prepare import Made
from mta.workers.session import Session, Work

LOADED = mta.daemon.worker_role.__name__
OPENING = 32  # sessions at once, as a worker does
LINE = b"The quick brown fox jumps over the lazy dog, and once again over the dog.\r\n"
HEAD = b"From: News <news@acme.example>\r\nTo: %d@example.test\r\nMessage-ID: <%d@acme.example>\r\nSubject: s\r\n\r\n"


class Caller:
    """What sessions ask of their owner, with content at hand; `each` messages go in a batch."""

    def __init__(
        self, port: int, tls: ssl.SSLContext | None, octets: int, serial: bool, batch: int, domains: int = 1
    ) -> None:
        self.port = port
        self.domains = domains
        self.tls = tls
        self.serial = serial
        self.batch = batch
        self.body = (LINE * (octets // len(LINE) + 1))[: octets // len(LINE) * len(LINE)]
        self.number = 0
        self.left = 0
        self.delivered = 0
        self.lost = 0
        self.running = 0
        self.over = asyncio.Event()

    async def open(self, _: int = 0) -> Session:
        """Return a new session."""
        need = TlsNeed(Level.NONE if self.tls is None else Level.ENCRYPT, "domain")
        host = Host("localhost", "127.0.0.1")
        opened = await open_session(host, Dialling(port=self.port, helo="bench.test"), self.tls, need)
        dialogue = Dialogue(capabilities.parse(opened.ehlo), pipeline=not self.serial)
        return Session(self, "pool|site", "hosts", opened, dialogue, Dialling().timeouts)

    async def send(self, sessions: list[Session], messages: int) -> None:
        """Send so many messages over these sessions, and wait until all have their verdict."""
        self.left, self.running = messages, len(sessions)
        self.over.clear()
        for session in sessions:
            session.run(list(self._works()))
        await self.over.wait()

    def _works(self) -> Iterator[Work]:
        count = min(self.batch, self.left)
        self.left -= count
        for _ in range(count):
            self.number += 1
            yield Work(cast(Any, self.number))

    def _domain(self, number: int) -> str:
        return f"d{number % self.domains}.example.test"

    # mta.workers.session.Owner

    def may_send(self, until: float) -> bool:
        return True

    def envelope(self, work: Work) -> Envelope:
        return Envelope(
            work,
            "b.abcdefghijklmnopqrstuvwxyz234567@b.acme.example",
            (f"{work.item}@{self._domain(cast(int, work.item))}",),
            10_500,
        )

    def content(self, work: Work, behind: Sequence[Work] = ()) -> Made:
        number = cast(int, work.item)
        return Made([HEAD % (number, number), self.body], True)

    def unsendable(self, work: Work, why: str) -> None:
        self.lost += 1

    def dot(self, work: Work) -> None:
        return None

    def verdict(self, work: Work, verdict: Verdict, session: Session) -> None:
        self.delivered += isinstance(verdict, Delivered)

    def back(self, work: Work) -> None:
        self.lost += 1

    def finished(self, session: Session) -> None:
        works = list(self._works())
        if works:
            session.run(works)
            return
        self.running -= 1
        if not self.running:
            self.over.set()

    def gone(self, session: Session) -> None:
        return None


async def many(caller: Caller, count: int) -> list[Session]:
    """Open so many sessions, OPENING at a time."""
    room = asyncio.Semaphore(OPENING)

    async def one() -> Session:
        async with room:
            return await caller.open()

    return list(await asyncio.gather(*(one() for _ in range(count))))


def held() -> dict[str, float]:
    """Return what this process holds in memory, in megabytes."""
    found = psutil.Process().memory_full_info()
    return {"rss_mb": found.rss / 1e6, "pss_mb": found.pss / 1e6}


async def run(caller: Caller, sessions: int, messages: int, fresh: bool) -> dict[str, Any]:
    """Return the figures of one pass: with `fresh` every message has a connection of its own."""
    before = held()
    began = time.process_time()
    opened = await many(caller, sessions)
    opening = (time.process_time() - began) / sessions
    await caller.send(opened, len(opened))  # the first message of each is no transaction on a used session
    await asyncio.sleep(0.05)
    after = held()
    caller.delivered = 0
    began, clock = time.process_time(), time.monotonic()
    if fresh:
        room = asyncio.Semaphore(sessions)

        async def one() -> None:
            async with room:
                own = Caller(caller.port, caller.tls, len(caller.body), caller.serial, 1)
                session = await own.open()
                await own.send([session], 1)
                session.quit()
                while not session.lost:
                    await asyncio.sleep(0.001)
                caller.delivered += own.delivered

        await asyncio.gather(*(one() for _ in range(messages)))
    else:
        await caller.send(opened, messages)
    cpu, wall = time.process_time() - began, time.monotonic() - clock
    version = opened[0].hop.tls
    for session in opened:
        session.abort("over")
    return {
        "us": cpu / messages * 1e6,
        "per_second": messages / wall,
        "opening_us": opening * 1e6,
        "tls": version,
        "delivered": caller.delivered,
        "lost": caller.lost,
        "before": before,
        "open": after,
    }


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--tls/--no-tls", default=False)
@click.option("--sessions", default=20)
@click.option("--messages", default=10_000)
@click.option("--octets", default=10_000)
@click.option("--batch", default=64)
@click.option("--domains", default=1)
@click.option("--serial", is_flag=True, help="Without PIPELINING.")
@click.option("--fresh", is_flag=True, help="A connection for each message.")
def main(
    port: int,
    tls: bool,
    sessions: int,
    messages: int,
    octets: int,
    batch: int,
    serial: bool,
    fresh: bool,
    domains: int,
) -> None:
    """Send, and print what it cost."""
    context = opportunistic_context() if tls else None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        async def story() -> dict[str, Any]:
            return await run(Caller(port, context, octets, serial, batch, domains), sessions, messages, fresh)

        click.echo(json.dumps(runner.run(story())))


if __name__ == "__main__":
    main()
