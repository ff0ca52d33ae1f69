"""Reads spooled reports and carries out what follows; whatever an earlier life left is picked up first."""

import asyncio
import contextlib
import inspect
import logging
from pathlib import Path
from typing import Final

from mta.archive.recipient import Recipient
from mta.bounce.report import Report
from mta.bounce.report import read as read_report
from mta.inbound import effects
from mta.inbound.addresses import Target, target_of
from mta.inbound.doors import Doors
from mta.inbound.effects import Effect
from mta.inbound.spool import Spool, Spooled
from mta.message import MessageId
from mta.tracking.token import Purpose, TokenError, read_any

SCAN_SECONDS: Final = 5.0
"""How often the folder is looked at when nothing wakes us: also the wait after Redis was away."""
MAX_TRIES: Final = 3
"""Times that a report may fail for a reason of its own before a person looks at it."""
_DAY: Final = 86400

_log = logging.getLogger("mta.inbound")


class Away(Exception):
    """Redis or the archive did not do what was asked: no fault of the report, which waits."""


class Processor:
    """`wake` it after each new file; `run` until `stop`."""

    def __init__(self, doors: Doors, spool: Spool, max_days: int) -> None:
        self.doors = doors
        self.spool = spool
        self.max_days = max_days
        self._wake = asyncio.Event()
        self._stopping = False
        self._tries: dict[Path, int] = {}  # times that Redis was away
        self._faults: dict[Path, int] = {}  # times that the report itself failed

    def wake(self) -> None:
        """Look at the folder now."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the report under way and return from `run`."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Process what is there and what comes."""
        while not self._stopping:
            self._wake.clear()
            paths = await asyncio.to_thread(self.spool.waiting)
            # Those never tried come first: one that always fails holds up no other.
            for path in sorted(paths, key=lambda path: self._tries.get(path, 0)):
                if self._stopping:
                    return
                if not await self._one(path):
                    break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SCAN_SECONDS):
                    await self._wake.wait()

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
        except Exception:
            faults = self._faults[path] = self._faults.get(path, 0) + 1
            _log.exception("report %s could not be read (try %d of %d)", path.name, faults, MAX_TRIES)
            if faults < MAX_TRIES:
                return True
            self.doors.counted("reports_total", "fault")
            await asyncio.to_thread(self.spool.keep_for_person, path, "unparsed")
        self._faults.pop(path, None)
        self._tries.pop(path, None)
        return True

    async def _process(self, found: Spooled) -> None:
        today = found.envelope.ts // 1000 // _DAY
        # The age limit was kept when the address was accepted; here it must only not have grown.
        targets = [
            target_of(address, self.doors.tokens, today, self.max_days + 1)
            for address in found.envelope.recipients
        ]
        folder = ""
        for target in dict.fromkeys(target for target in targets if target is not None):
            folder = await self._about(target, found) or folder
        if folder:
            await asyncio.to_thread(self.spool.keep_for_person, found.path, folder)
        else:
            await asyncio.to_thread(self.spool.done, found.path)

    async def _about(self, target: Target, found: Spooled) -> str:
        """Carry out what a mail means for one of its recipients; return the folder it is to be kept in, if any."""
        mark, ts = effects.digest(found.raw), found.envelope.ts
        if target.kind == "leave":
            assert target.id is not None
            person = await self._person(target.id)
            if person is not None:
                await self._carry_out(effects.leave(person, target.token, mark, ts), person)
            return ""
        reports = await asyncio.to_thread(read_report, found.raw)
        if target.kind == "postmaster":
            return await self._for_postmaster(reports, found, mark)
        assert target.id is not None
        person = await self._person(target.id)
        if person is None:
            return ""
        effect = effects.of_reports(reports, person, target.token, mark, ts, self.doors.rules)
        await self._carry_out(effect, person)
        return "unparsed" if effect.kind == "none" else ""

    async def _for_postmaster(self, reports: list[Report], found: Spooled, mark: str) -> str:
        """Feedback loops may write to postmaster: a report that holds our token counts, all else is for a person."""
        for report in effects.genuine(reports, lambda token: self._token(token, found) is not None):
            for token in report.tokens:
                id_ = self._token(token, found)
                person = await self._person(id_) if id_ is not None else None
                if person is None:
                    continue
                effect = effects.of_reports(
                    [report], person, token, mark, found.envelope.ts, self.doors.rules
                )
                await self._carry_out(effect, person)
                return ""
        return "postmaster"

    def _token(self, text: str, found: Spooled) -> MessageId | None:
        today = found.envelope.ts // 1000 // _DAY
        try:
            return read_any(self.doors.tokens, list(Purpose), text, today, self.max_days + 1)[1].id
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
                await self.doors.suppressions.add(person.tenant, list_, [person.rcpt], reason, effects.BY, ts)
            if effect.events:
                await self.doors.feedback.publish([(person.id.shard, told) for told in effect.events])
        except Exception as error:  # each client library has its own
            raise Away(f"an effect could not be carried out: {error}") from error
        self.doors.counted("reports_total", effect.kind)
