"""The ingest loop: entries off the submission streams, checked, carried out, acknowledged last.

An entry is done when all it asked for is in the queue; a crash before that leaves it to be read again, and every step
knows what it has done. Control comes before mail, and the classes come in their order.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from mta.event import event, flat
from mta.ingest.checked import Message
from mta.ingest.codes import ID_TAKEN, KEY_CONFLICT, UNKNOWN_CAMPAIGN, Refusal, Refused
from mta.ingest.entry import CONTROL_LABEL, Submission, read
from mta.ingest.foresight import Foresight
from mta.ingest.mailroom import Accepted, Mailroom, NotYet
from mta.ingest.office import Office
from mta.queue.intake import Intake, Opened, StreamEntry
from mta.queue.link import QueueDown, QueueFull
from mta.queue.opening import AlreadyOpen

CAMPAIGN_WAIT_MS = 60_000  # recipients may come before their campaign (docs/protocol.md)
ADOPT_IDLE_MS = 60_000
BLOCK_MS = 1000
CHARGE_MS = 4_000  # a process that is in charge of orders and silent for so long is no longer


@dataclass(slots=True)
class _Waiting:
    entry: StreamEntry
    until: float


def _uncounted(*_: object, **__: object) -> None:
    return None


def _is_purge(entry: StreamEntry) -> bool:
    # Good enough to choose a task; the entry is read and checked there.
    return b'"purge"' in entry[2].get(b"data", b"")


def _message_id(submission: Submission) -> str:
    return submission.document.id if isinstance(submission.document, Message) else ""


class Ingest:
    """One ingest process."""

    def __init__(self, intake: Intake, mailroom: Mailroom, office: Office) -> None:
        self.intake = intake
        self.mailroom = mailroom
        self.office = office
        self.accepted = 0
        self.refused = 0
        self.entries = 0
        self.counted: Callable[..., None] = _uncounted  # told (class label, n=) of accepted recipients
        self.refused_with: Callable[..., None] = _uncounted  # told (code, n=) of refused entries and rows
        self._waiting: list[_Waiting] = []
        self._draining = False

    def __repr__(self) -> str:
        return f"<Ingest {self.entries} entries, {self.accepted} accepted, {self.refused} refused>"

    def drain(self) -> None:
        """Finish the entry under way, then return from `run`."""
        self._draining = True

    async def run(self) -> None:
        """Take entries in until `drain`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._mail())
            group.create_task(self._orders(group))

    async def _mail(self) -> None:
        ready = False
        adopt_at = 0.0
        mail = self.intake.mail
        while not self._draining:
            try:
                if not ready:
                    await self.intake.prepare()
                    self._waiting.clear()  # they are among the pending ones
                    for entry in await self.intake.pending(mail):
                        await self.take_in(entry)
                    ready = True
                if time.monotonic() > adopt_at:
                    adopt_at = time.monotonic() + ADOPT_IDLE_MS / 1000
                    for entry in await self.intake.adopt(mail, ADOPT_IDLE_MS):
                        await self.take_in(entry)
                await self._look_again()
                for entry in await self.intake.read(BLOCK_MS):
                    await self.take_in(entry)
            except (QueueDown, QueueFull, OSError):
                # Nothing is lost: what was not acknowledged is read again from the start.
                ready = False
                await asyncio.sleep(0.5)

    async def _orders(self, group: asyncio.TaskGroup) -> None:
        """Carry out control entries one after the other, in one process at a time: their order is their meaning.

        A purge takes as long as there is mail to drop, so it goes on beside the orders that follow.
        """
        ready = False
        control = [self.intake.control]
        while not self._draining:
            try:
                if not await self.intake.in_charge(CHARGE_MS):
                    ready = False
                    await asyncio.sleep(CHARGE_MS / 4000)
                    continue
                entries = []
                if not ready:
                    await self.intake.prepare()
                    entries = await self.intake.pending(control)
                    entries += await self.intake.adopt(control, 0)  # the one that was in charge is gone
                    ready = True
                for entry in entries or await self.intake.orders(CHARGE_MS // 4):
                    if _is_purge(entry):
                        group.create_task(self._beside(entry))
                    else:
                        await self.take_in(entry)
            except (QueueDown, QueueFull, OSError):
                ready = False
                await asyncio.sleep(0.5)

    async def _beside(self, entry: StreamEntry) -> None:
        while True:
            try:
                await self.take_in(entry)
                return
            except (QueueDown, QueueFull, OSError):
                if self._draining:
                    return
                await asyncio.sleep(0.5)  # a purge may be begun again: it drops what is left

    async def take_in(self, entry: StreamEntry) -> None:
        """Carry one entry out and acknowledge it; an entry that waits for its campaign is kept."""
        if not await self._carry_out(entry):
            self._waiting.append(_Waiting(entry, time.monotonic() + CAMPAIGN_WAIT_MS / 1000))

    async def _look_again(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            late = time.monotonic() > one.until
            if not await self._carry_out(one.entry, late=late):
                self._waiting.append(one)

    async def _carry_out(self, entry: StreamEntry, *, late: bool = False) -> bool:
        stream, entry_id, fields = entry
        label = stream.rpartition(":")[2]
        submission = read(fields, label)
        if isinstance(submission, Refusal):
            await self._refuse(entry, submission)
            return True
        try:
            await self._accept(submission, entry_id, label)
        except Refused as refused:
            # A refused entry does not use up its key: the cure may be another document under the same one.
            if refused.code not in (KEY_CONFLICT, ID_TAKEN):
                await self.intake.forget(submission.tenant, submission.key, _message_id(submission))
            await self._refuse(entry, Refusal(refused.code, refused.why, submission.key, submission.tenant))
            return True
        except NotYet as missing:
            if not late:
                return False
            why = f"no campaign {missing} came within {CAMPAIGN_WAIT_MS // 1000} s; submit it before its recipients"
            await self._refuse(entry, Refusal(UNKNOWN_CAMPAIGN, why, submission.key, submission.tenant))
            return True
        self.entries += 1
        await self.intake.done(stream, entry_id)
        return True

    async def _accept(self, submission: Submission, entry_id: bytes, label: str) -> None:
        digest = hashlib.blake2b(
            submission.data, digest_size=16, person=f"{label[:7]}/{submission.kind[:7]}".encode()
        ).digest()
        born = int(entry_id.partition(b"-")[0])
        if isinstance(submission.document, Message) and len(self.mailroom.putter.queues) == 1:
            # Somebody may wait for this one message: what opens it puts it, too.
            opened = await self.intake.reserve(
                submission.tenant, submission.key, digest, submission.document.id
            )
            ahead = await asyncio.gather(*self.mailroom.foresee(submission))
            try:
                accepted = await self.mailroom.accept(
                    submission, opened, digest, entry_id.decode(), Foresight(*ahead)
                )
            except (AlreadyOpen, Refused):
                pass  # by two steps: whether its key is known is told before any other fault of it
            else:
                await self._close(submission, opened, accepted, entry_id, label)
                return
        await self._accept_opened(submission, digest, entry_id, born, label)

    async def _accept_opened(
        self, submission: Submission, digest: bytes, entry_id: bytes, born: int, label: str
    ) -> None:
        tenant, key = submission.tenant, submission.key
        message_id = _message_id(submission)
        begin = self.intake.begin(tenant, key, digest, message_id)
        opened, profile, suppressed, compiled = await asyncio.gather(
            begin, *self.mailroom.foresee(submission)
        )
        if opened.state == "conflict":
            raise Refused(
                KEY_CONFLICT, f"`key` {key} was used within 24 h for other bytes; use a new key for new mail"
            )
        if opened.state == "taken":
            raise Refused(ID_TAKEN, f"`id` {message_id} was submitted under another key; choose another id")
        if opened.state == "repeat" and opened.by == entry_id.decode():
            return  # this very entry, read again after a crash: all is done and said
        if opened.state == "repeat":
            await self._repeated(submission, entry_id, born, opened.accepted, opened.refused)
            return
        if label == CONTROL_LABEL:
            accepted = Accepted(await self.office.carry_out(submission, born))
        else:
            accepted = await self.mailroom.accept(
                submission, opened, digest, entry_id.decode(), Foresight(profile, suppressed, compiled)
            )
        await self._close(submission, opened, accepted, entry_id, label)

    async def _close(
        self, submission: Submission, opened: Opened, accepted: Accepted, entry_id: bytes, label: str
    ) -> None:
        tenant, key = submission.tenant, submission.key
        born = int(entry_id.partition(b"-")[0])
        self.accepted += accepted.count
        self.refused += accepted.refused
        if submission.cls is not None and submission.kind != "campaign":
            self.counted(submission.cls.label, n=accepted.count)
        campaign = str(getattr(submission.document, "campaign", "") or "")
        if submission.kind == "campaign":
            campaign = submission.document.id  # type: ignore[union-attr]
        told = event(
            "accepted", f"{tenant}/{key}/accepted", born, tenant=tenant, campaign=campaign, key=key,
            kind=submission.kind,
            count=accepted.count, refused=accepted.refused,
        )  # fmt: skip
        keep = [born, submission.cls, submission.kind, tenant, key, campaign, submission.data]
        first = await self.intake.accept(
            tenant, key, opened, accepted.count, accepted.refused,
            keep if label != CONTROL_LABEL else None, flat(told), entry_id,
        )  # fmt: skip
        if not first:
            # Two processes met the same key at once: each step was done once, and this entry is the repeat.
            await self._repeated(submission, entry_id, born, accepted.count, accepted.refused)

    async def _repeated(
        self, submission: Submission, entry_id: bytes, born: int, accepted: int, refused: int
    ) -> None:
        tenant, key = submission.tenant, submission.key
        again = event(
            "accepted", f"{tenant}/{key}/accepted/{entry_id.decode()}", born, tenant=tenant, key=key,
            kind=submission.kind, count=accepted, refused=refused, repeat=1,
        )  # fmt: skip
        await self.intake.tell([again])

    async def _refuse(self, entry: StreamEntry, refusal: Refusal) -> None:
        stream, entry_id, fields = entry
        now = int(time.time() * 1000)
        told = event(
            "rejected", f"{refusal.tenant}/{refusal.key}/rejected/{entry_id.decode()}", now,
            tenant=refusal.tenant, key=refusal.key, code=refusal.code, why=refusal.why,
        )  # fmt: skip
        await self.intake.refuse(fields, refusal.code, refusal.why, now, told)
        self.refused += 1
        self.refused_with(refusal.code)
        await self.intake.done(stream, entry_id)
