"""Reads spooled reports and carries out what follows; whatever an earlier life left is picked up first.

Whom a mail is about is said by the signed address it came to; where there is none (a mangled return path, a feedback
loop, postmaster) by a token of ours in the mail that it returns; else it changes nothing and is kept.
"""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mta.archive.recipient import Recipient
from mta.bounce.report import Report
from mta.inbound import effects
from mta.inbound.addresses import Target, target_of
from mta.inbound.doors import Doors
from mta.inbound.effects import Effect
from mta.inbound.reader import Reader, Unreadable
from mta.inbound.spool import Spool, Spooled
from mta.message import MessageId
from mta.tracking.token import Purpose, TokenError, read_any

SCAN_SECONDS: Final = 5.0
"""How often the folder is looked at when nothing wakes us: also the wait after Redis was away."""
MAX_TRIES: Final = 3
"""Times that a report may fail for a reason of its own before a person looks at it."""
TOGETHER: Final = 8
"""Reports under way at a time."""
SOFT_BACKLOG: Final = 200
"""Reports waiting to be read from which on senders are made to wait too, each a little."""
MOST_BACKLOG: Final = 100_000
"""From which on no more are taken: Redis is away, and senders keep theirs longer than we should."""
PATIENCE_SECONDS: Final = 2.0
_DAY: Final = 86400
_IN_HEADERS: Final = (Purpose.RETURN, Purpose.UNSUBSCRIBE)
"""Tokens that a message's header holds: what a returned header must have. Those of links and pages do not count."""

_log = logging.getLogger("mta.inbound")


class Away(Exception):
    """Redis or the archive did not do what was asked: no fault of the report, which waits."""


class Processor:
    """`wake` it after each new file; `run` until `stop`."""

    def __init__(self, doors: Doors, spool: Spool, max_days: int, reader: Reader | None = None) -> None:
        self.doors = doors
        self.reader = reader or Reader()
        self.spool = spool
        self.max_days = max_days
        self.backlog = 0  # reports on disk that are not read yet, as far as is known
        self._room = asyncio.Event()
        self._room.set()
        self._wake = asyncio.Event()
        self._stopping = False
        self._tries: dict[Path, int] = {}  # times that Redis was away
        self._faults: dict[Path, int] = {}  # times that the report itself failed

    @property
    def full(self) -> bool:
        """Whether so many wait that no more may be taken."""
        return self.backlog >= MOST_BACKLOG

    async def added(self) -> None:
        """A report came: look at the folder; return at once, or a little later when too many wait."""
        self._wake.set()
        self._counted(self.backlog + 1)
        if self.backlog > SOFT_BACKLOG and not self._tries:  # with Redis away, waiting helps nobody
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._room.wait()

    def _counted(self, backlog: int) -> None:
        self.backlog = max(0, backlog)
        if self.backlog > SOFT_BACKLOG:
            self._room.clear()
        else:
            self._room.set()

    def stop(self) -> None:
        """Finish the report under way and return from `run`."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Process what is there and what comes."""
        while not self._stopping:
            self._wake.clear()
            paths, count = await asyncio.to_thread(self.spool.waiting)
            self._counted(count)
            # Those never tried come first: one that always fails holds up no other.
            todo = iter(sorted(paths, key=lambda path: self._tries.get(path, 0)))
            # Side by side: while one waits for Redis or the disk, the next is read.
            await asyncio.gather(*(self._several(todo) for _ in range(min(TOGETHER, len(paths)))))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SCAN_SECONDS):
                    await self._wake.wait()

    async def _several(self, todo: Iterator[Path]) -> None:
        for path in todo:
            if self._stopping or not await self._one(path):
                return
            self._counted(self.backlog - 1)

    async def _one(self, path: Path) -> bool:
        """Process a file; False when Redis or the disk is away and all should wait."""
        try:
            await self._process(await asyncio.to_thread(self.spool.read, path))
        except FileNotFoundError:
            return True
        except (Away, OSError) as error:
            self._tries[path] = self._tries.get(path, 0) + 1
            _log.warning("reports wait: %s", error)
            return False
        except Exception as error:
            faults = self._faults[path] = self._faults.get(path, 0) + 1
            _log.exception("report %s could not be read (try %d of %d)", path.name, faults, MAX_TRIES)
            if faults < MAX_TRIES:
                return True
            self.doors.counted("reports_total", "fault")
            await self._keep(path, "unparsed", f"the engine failed on it: {type(error).__name__}")
        self._faults.pop(path, None)
        self._tries.pop(path, None)
        return True

    async def _keep(self, path: Path, folder: str, why: str) -> None:
        dropped = await asyncio.to_thread(self.spool.keep_for_person, path, folder, why)
        for _ in range(dropped):
            self.doors.counted("reports_total", "dropped")

    async def _process(self, found: Spooled) -> None:
        today = found.envelope.ts // 1000 // _DAY
        # By the day on which it came: a report that had to wait is not older for it.
        targets = dict.fromkeys(
            target
            for address in found.envelope.recipients
            if (target := target_of(address, self.doors.tokens, today, self.max_days)) is not None
        )
        reports: list[Report] = []
        kept: tuple[str, str] | None = None
        try:
            if any(target.kind != "leave" for target in targets):
                reports = await self.reader.read(found.raw)
        except Unreadable as error:
            self.doors.counted("reports_total", "unparsed")
            kept = ("unparsed", str(error))
        mark = effects.digest(found.raw)
        for target in targets:
            if target.kind == "leave":
                await self._leave(target, found, mark)
            elif reports and target.kind == "bounce":
                kept = await self._signed(target, reports, found, mark) or kept
            elif reports:
                kept = await self._unaddressed(target, reports, found, mark) or kept
        if kept is not None:
            await self._keep(found.path, *kept)
        else:
            await asyncio.to_thread(self.spool.done, found.path)

    async def _leave(self, target: Target, found: Spooled, mark: str) -> None:
        assert target.id is not None
        person = await self._person(target.id)
        if person is not None:
            await self._carry_out(effects.leave(person, target.token, mark, found.envelope.ts), person)

    async def _signed(
        self, target: Target, reports: list[Report], found: Spooled, mark: str
    ) -> tuple[str, str] | None:
        """Carry out what a report to a signed address says; return the folder it is to be kept in and why, if any."""
        assert target.id is not None
        person = await self._person(target.id)
        if person is None:
            return None
        effect = effects.of_reports(reports, person, target.token, mark, found.envelope.ts, self.doors.rules)
        await self._carry_out(effect, person)
        return ("unparsed", "it says nothing of a delivery") if effect.kind == "none" else None

    async def _unaddressed(
        self, target: Target, reports: list[Report], found: Spooled, mark: str
    ) -> tuple[str, str] | None:
        """The same for a report to an address that names no message: a token of ours in what it returns counts."""
        for report in effects.telling(reports):
            for token in report.tokens:
                id_ = self._token(token, report, found)
                person = await self._person(id_) if id_ is not None else None
                if person is None:
                    continue
                ts = found.envelope.ts
                effect = effects.of_reports([report], person, token, mark, ts, self.doors.rules)
                await self._carry_out(effect, person)
                return None
        if target.kind == "unsigned":
            self.doors.counted("reports_total", target.why)
            return ("unsigned", f"its return path is {target.why}, and no signed field of ours is in it")
        if any(True for _ in effects.telling(reports)):
            self.doors.counted("reports_total", "foreign")
            return ("postmaster", "a report without a signed field of ours")
        self.doors.counted("reports_total", "other")
        return ("postmaster", "for a person")

    def _token(self, text: str, report: Report, found: Spooled) -> MessageId | None:
        today = found.envelope.ts // 1000 // _DAY
        purposes = tuple(Purpose) if report.kind in effects.FEEDBACK else _IN_HEADERS
        try:
            return read_any(self.doors.tokens, purposes, text, today, self.max_days)[1].id
        except TokenError:
            return None

    async def _person(self, id_: MessageId) -> Recipient | None:
        try:
            value = self.doors.lookup(id_)
            person = await value if inspect.isawaitable(value) else value
        except Exception as error:
            raise Away(f"a message could not be looked up: {error}") from error
        if person is None:
            self.doors.counted("reports_total", "too_late")
        return person

    async def _carry_out(self, effect: Effect, person: Recipient) -> None:
        """Suppress first, then tell: a crash in between tells twice, under the same `eid`, and forgets nothing."""
        ts = int(self.doors.now() * 1000)
        try:
            for list_, reason in effect.suppress:
                await self.doors.suppressions.add(
                    person.tenant,
                    list_,
                    [person.rcpt],
                    reason,
                    effects.BY,
                    ts,
                    effect.evidence,
                    person.campaign,
                )
            if effect.events:
                await self.doors.feedback.publish([(person.id.shard, told) for told in effect.events])
        except Exception as error:  # each client library has its own
            raise Away(f"an effect could not be carried out: {error}") from error
        self.doors.counted("reports_total", "unparsed" if effect.kind == "none" else effect.kind)
