"""A live SMTP session: a dialogue on a transport, driven by callbacks so that a message needs no task.

The dialogue decides everything that SMTP decides. This module moves bytes, keeps the deadline of the stage
it waits in, and asks its owner for what the dialogue needs: permission, content, a place for verdicts.
"""

import asyncio
import select
from collections import deque
from collections.abc import Sequence
from typing import cast

import msgspec

from mta.net.connect import Opened, Timeouts
from mta.reply import Reply
from mta.smtp.dialogue import Dialogue, Done, Ended, Envelope, Happening, NeedContent, Unsent
from mta.smtp.happening import MAX_RECIPIENTS
from mta.smtp.wire import WireError
from mta.verdict import Stage
from mta.workers.outcome import Hop
from mta.workers.outflow import Outflow
from mta.workers.work import Owner, Work, same

__all__ = ["Owner", "Session", "Work"]


class Session(asyncio.Protocol):
    """One open connection to a host of a path."""

    def __init__(
        self, owner: Owner, path: str, hosts: str, opened: Opened, dialogue: Dialogue, times: Timeouts
    ) -> None:
        self.owner = owner
        self.path = path
        self.hosts = hosts
        self.dialogue = dialogue
        self.transport = opened.transport
        local = opened.transport.get_extra_info("sockname")
        self.hop = Hop(
            f"{opened.host.name} [{opened.host.address}]", str(local[0]) if local else "", opened.tls
        )
        self.times = times
        self._seconds = {
            Stage.MAIL: times.mail,
            Stage.RCPT: times.rcpt,
            Stage.DATA: times.data,
            Stage.BODY: times.body,
            Stage.DOT: times.dot,
        }
        self.loop = asyncio.get_running_loop()
        self.waiting: deque[Work] = deque()
        self.ahead = 0  # of those waiting, how many overtook the batch
        self.started_at = 0.0
        self.messages = 1000  # after which it ends
        self.sent = 0  # messages offered in this session's life
        self.in_batch = 0
        self.running = False
        self.quitting = False
        self.lost = False
        self.last_word: Reply | None = None  # the server's, if one ended the session
        self.deadline = 0.0
        self._heard = 0  # replies when the deadline was set
        self._outflow = Outflow(times.body, times.least_rate)
        self._poll: select.poll | None = None
        self.opened_at = self.idle_since = self.moved_at = self.loop.time()
        opened.transport.set_protocol(self)

    def __repr__(self) -> str:
        state = "lost" if self.lost else "running" if self.running else "idle"
        return f"<Session {self.path} {self.hop.mx} {state} {self.sent} sent, {self.dialogue!r}>"

    @property
    def usable(self) -> bool:
        """Whether another batch may start on it; one that waits is probed for what the loop has not read yet."""
        return self._open and (self.running or self._quiet())

    @property
    def idle(self) -> bool:
        """Whether it waits for a batch."""
        return self._open and not self.running

    @property
    def _open(self) -> bool:
        return not (self.lost or self.quitting or self.dialogue.ended or self.transport.is_closing())

    def _quiet(self) -> bool:
        """Whether the server has neither closed its side nor said anything: a goodbye, as nothing is due."""
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(
                self.transport.get_extra_info("socket").fileno(), select.POLLIN | select.POLLRDHUP
            )
        said = self._poll.poll(0)
        # Under TLS what has come may be a session ticket, which ends nothing.
        return not said or (bool(self.hop.tls) and said[0][1] == select.POLLIN)

    def run(self, batch: Sequence[Work]) -> None:
        """Send a batch; the owner hears of each message, then `finished` or `gone`."""
        self.waiting.extend(batch)
        if not self._open:
            self._give_back()
            return
        self.started_at = self.moved_at = self.loop.time()
        self.in_batch = 0
        self.running = True
        if self.sent:
            self.dialogue.rest()
        self._pump()

    def overtake(self, works: Sequence[Work]) -> None:
        """Send these next, ahead of what of the batch has not begun: they are of a higher class."""
        for work in reversed(works):
            self.waiting.insert(self.ahead, work)
        self.ahead += len(works)
        self._pump()

    def quit(self) -> None:
        """Say goodbye; what comes of it changes no result."""
        if self.idle:
            self.quitting = True
            self.dialogue.quit()
            self.deadline = self.loop.time() + self.times.quit
            self._flush()

    def check(self, now: float) -> None:
        """End the session when its stage's time is over; called a few times a second for all sessions."""
        if self.lost:
            return
        why = ""
        if self.running:
            left = self.transport.get_write_buffer_size()
            if left and self.dialogue.stage is Stage.DOT:
                self.deadline = (
                    now + self.times.dot
                )  # for an answer, which can't come before the message is out
            why = self._outflow.look(left, now)
            if now - self.moved_at > self.times.deadline:
                why = "the transaction took too long"
        if self.deadline and now > self.deadline:
            why = why or "timed out"
        if why:
            self.deadline = 0.0
            # Under TLS what waits is counted in other octets than ours: then all of it counts as written.
            unwritten = 0 if self.hop.tls else self.transport.get_write_buffer_size()
            self._handle(self.dialogue.eof(why, unwritten))
            self._over()

    def abort(self, why: str) -> None:
        """Drop the connection; open verdicts become Deferred."""
        if not self.lost:
            self._handle(self.dialogue.eof(why))
            self._over()

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        """Bytes from the server."""
        self._handle(self.dialogue.receive(data))
        if self.running:
            self._pump()
        elif self.dialogue.ended:
            self._over()
        else:
            self._flush()

    def eof_received(self) -> bool:
        """The server has closed its side."""
        self._handle(self.dialogue.eof("connection closed by the server"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        why = "connection lost" if exc is None else f"connection lost ({exc})"
        self._handle(self.dialogue.eof(why))
        self._over()

    # the pump

    def _pump(self) -> None:
        dialogue, owner = self.dialogue, self.owner
        permitted = True
        while self.waiting and dialogue.room:
            permitted = owner.may_send(self.waiting[0].until)
            if not permitted:
                break
            work = self.waiting.popleft()
            self.ahead = max(0, self.ahead - 1)
            envelope = owner.envelope(work)
            if envelope is None:
                continue
            if work.content is not None and work.content.shared and self.waiting:
                envelope = self._joined(work, envelope)
            try:
                happenings = dialogue.offer(envelope)
            except WireError as error:
                owner.unsendable(work, str(error))
                for other in work.others:
                    owner.back(other)
                continue
            self.sent += 1
            self.in_batch += 1
            self._handle(happenings)
        self._flush()
        if dialogue.ended:
            self._over()
        elif dialogue.idle and not (self.waiting and permitted):
            self._give_back()
            self.running = False
            self.deadline = 0.0
            self.idle_since = self.loop.time()
            owner.finished(self)

    def _joined(self, work: Work, envelope: Envelope) -> Envelope:
        """Return the envelope with the recipients of the same message that wait behind it (RFC 5321 section 3.3)."""
        others: list[Work] = []
        while self.waiting and len(others) + 1 < MAX_RECIPIENTS and self._joins(work, self.waiting[0]):
            other = self.waiting.popleft()
            self.ahead = max(0, self.ahead - 1)
            if self.owner.envelope(other) is not None:
                others.append(other)
        if not others:
            return envelope
        self.sent += len(others)
        self.in_batch += len(others)
        work.others = tuple(others)
        rcpts = (other.item.record.rcpt for other in others)
        return msgspec.structs.replace(envelope, recipients=(*envelope.recipients, *rcpts))

    def _joins(self, work: Work, other: Work) -> bool:
        return same(work, other) and self.owner.may_send(other.until)

    def _several(self, work: Work, done: Done) -> None:
        """Tell the verdict of each recipient; those who were one too many go at once, in another transaction."""
        surplus = done.surplus()
        for number, (one, verdict) in enumerate(zip((work, *work.others), done.verdicts, strict=True)):
            if number in surplus:
                self.owner.back(one)
            else:
                self.owner.verdict(one, verdict, self)

    def _flush(self) -> None:
        chunks = self.dialogue.outgoing()
        if chunks and not self.transport.is_closing():
            self.transport.writelines(chunks)
        stage, heard = self.dialogue.stage, self.dialogue.heard
        # A whole reply or something to write begins a new wait; an octet more of a reply does not.
        if stage is not None and (chunks or heard != self._heard):
            self._heard = heard
            self.deadline = self.loop.time() + self._seconds[stage]

    def _handle(self, happenings: list[Happening]) -> None:
        for happening in happenings:
            # By type and most frequent first: this runs for every message.
            if type(happening) is NeedContent:
                self._send_content(cast(Work, happening.envelope.key))
            elif type(happening) is Done:
                self.moved_at = self.loop.time()
                work = cast(Work, happening.envelope.key)
                if work.others:
                    self._several(work, happening)
                else:
                    self.owner.verdict(work, happening.verdicts[0], self)
            elif type(happening) is Unsent:
                work = cast(Work, happening.envelope.key)
                for one in (work, *work.others):
                    self.owner.back(one)
            elif type(happening) is Ended:
                self.last_word = happening.reply

    def _send_content(self, work: Work) -> None:
        made = self.owner.content(work, self.waiting)
        happenings: list[Happening]
        if made is None:
            for other in work.others:
                self.owner.content(other)  # what can't be made for one can't be for the others, each says so
            # After 354 there is no polite way back (RFC 5321 3.3): the connection ends, nothing was accepted.
            happenings = self.dialogue.decline("the message could not be made")
        else:
            try:
                happenings = self.dialogue.content(made.parts, clean=made.clean)
                for one in (work, *work.others) if work.others else (work,):
                    self.owner.dot(one)  # noted before `_flush` lets it out
            except WireError as error:
                for one in (work, *work.others):
                    self.owner.unsendable(one, str(error))
                happenings = self.dialogue.decline("the message could not be sent")
        self._handle(happenings)

    def _give_back(self) -> None:
        self.ahead = 0
        while self.waiting:
            self.owner.back(self.waiting.popleft())

    def _over(self) -> None:
        if self.lost:
            return
        self.lost = True
        self._give_back()
        self.running = False
        self.transport.close()
        self.owner.gone(self)
