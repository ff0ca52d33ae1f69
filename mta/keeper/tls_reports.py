"""TLS reports (RFC 8460): once a day, to each domain that asks for them, how sessions with its hosts came out.

Workers count (mta.workers.opening), Redis adds up (mta.queue.tlsbook), this sends: by mail through the engine's own
queue, so that a report waits and is retried as all mail, or by HTTPS. A domain's counts are forgotten when it has its
report, or when it wants none.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import unquote

from mta.address import AddressError, parse
from mta.net.resolver import Unroutable
from mta.policy import tlsrpt
from mta.policy.tlsrpt import Row, Sender, Wanted
from mta.policy.tlsrpt_mail import mail
from mta.queue.link import QueueDown, QueueFull
from mta.queue.producer import Producer
from mta.queue.tlsbook import ReportBook

LOOK_SECONDS: Final = 600.0
GRACE: Final = timedelta(minutes=15)
"""After a day's end, until all workers have added up what they counted."""
GIVE_UP: Final = timedelta(days=2)
"""After a day's end a report that nobody took is dropped."""
DUTY_SECONDS: Final = 600
MOST_ROWS: Final = 5000
"""Of one domain's day, the most frequent: what a domain's hosts do must not make a report without end."""
DAY: Final = timedelta(days=1)
_log = logging.getLogger("mta.keeper")


@dataclass(frozen=True, slots=True)
class Settings:
    """Who reports, from which address, as whose mail; `delay` after a day's end spreads the engines of the world."""

    sender: Sender
    address: str
    tenant: str
    delay: timedelta = timedelta()


@dataclass(slots=True)
class Doors:
    """`texts` returns the TXT records of a name and raises Unroutable; `post` hands a report in and says why not."""

    book: ReportBook
    producer: Producer
    texts: Callable[[str], Awaitable[Sequence[str]]]
    post: Callable[[str, bytes], Awaitable[str]]


class TlsReports:
    """Sends what is due until `drain`; `settings` None: nothing is sent."""

    def __init__(self, name: str, settings: Settings | None, doors: Doors) -> None:
        self.name = name
        self.settings = settings
        self.doors = doors
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """Return from `run` when the report under way is done."""
        self._draining.set()

    async def run(self) -> None:
        """Look for reports that are due, every ten minutes."""
        while not self._draining.is_set():
            try:
                await self.send_due(datetime.now(UTC))
            except (QueueDown, QueueFull, OSError):
                pass  # Redis is away: reports wait with everything else
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._draining.wait()
            except TimeoutError:
                pass

    async def send_due(self, now: datetime) -> int:
        """Send the reports of all days that are over at `now` (UTC); return how many domains got one."""
        settings, book = self.settings, self.doors.book
        if settings is None:
            return 0
        over = [day for day in await book.days() if now >= _end(day) + GRACE + settings.delay]
        if not over or not await book.on_duty(self.name, DUTY_SECONDS):
            return 0
        sent = 0
        try:
            for day in over:
                by_domain: dict[str, list[tuple[Row, int]]] = {}
                for row, count in await book.rows(day):
                    by_domain.setdefault(row.domain, []).append((row, count))
                for domain, rows in by_domain.items():
                    if self._draining.is_set() or not await book.on_duty(self.name, DUTY_SECONDS):
                        return sent
                    done = await self._report(settings, day, domain, rows)
                    sent += bool(done)
                    if done is not None or now >= _end(day) + GIVE_UP:
                        await book.drop(rows)
        finally:
            await book.off_duty(self.name)
        return sent

    async def _report(
        self, settings: Settings, day: str, domain: str, rows: list[tuple[Row, int]]
    ) -> bool | None:
        """Return whether the domain wanted a report and has it; None: not yet."""
        try:
            wanted = tlsrpt.wanted(await self.doors.texts(f"_smtp._tls.{domain}"))
        except Unroutable as error:
            return None if error.reply.kind == 4 else False
        if not wanted:
            return False
        rows = sorted(rows, key=lambda pair: -pair[1])[:MOST_ROWS]
        body = tlsrpt.packed(tlsrpt.report(rows, settings.sender, day, domain))
        return await self._hand_in(settings, day, domain, wanted, body)

    async def _hand_in(
        self, settings: Settings, day: str, domain: str, wanted: Wanted, body: bytes
    ) -> bool | None:
        taken = False
        for uri in wanted.web:
            why = await self.doors.post(uri, body)
            if why:
                _log.warning("the TLS report about %s was not taken by %s: %s", domain, uri, why)
            taken = taken or not why
        for number, uri in enumerate(wanted.mail):
            taken = await self._submit(settings, day, domain, number, uri, body) or taken
        return True if taken else None

    async def _submit(
        self, settings: Settings, day: str, domain: str, number: int, uri: str, body: bytes
    ) -> bool:
        producer = self.doors.producer
        try:
            rcpt = str(parse(unquote(uri.removeprefix("mailto:"))))
            sent = _end(day) + GRACE + settings.delay
            raw = mail(body, settings.sender, settings.address, rcpt, _end(day) - DAY, domain, sent)
        except (AddressError, UnicodeEncodeError):
            _log.warning("the TLS report about %s can't go to %s: no address for mail", domain, uri)
            return False
        if await producer.hindrance("transactional"):
            return False
        document = {"from": settings.address, "to": [rcpt], "raw": base64.b64encode(raw).decode()}
        # The key is the same at a second try, and so are the bytes: nobody gets a report twice.
        key = f"tlsrpt.{day}.{domain}.{number}"
        await producer.submit(
            "transactional",
            "message",
            settings.tenant,
            key,
            json.dumps(document, separators=(",", ":")).encode(),
        )
        return True


def _end(day: str) -> datetime:
    return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) + DAY
