"""Batches onto sessions: contents loaded, hosts found, connections opened, every verdict handed in.

Implements what a session asks of its owner (mta.workers.session.Owner).
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

from mta.dkim.key import KeyFault
from mta.mime.document import ContentError
from mta.net.connect import CannotConnect, Opened, open_session
from mta.net.resolver import Unroutable
from mta.queue.codec import Item
from mta.queue.lanes import OP_BACK, Batch, Result
from mta.queue.link import QueueDown
from mta.reply import Reply
from mta.smtp import capabilities
from mta.smtp.dialogue import Dialogue, Envelope
from mta.smtp.wire import WireError
from mta.verdict import Deferred, Delivered, Failed, Stage, Verdict, judge
from mta.workers import outcome as outcomes
from mta.workers import prepare
from mta.workers.contents import ContentGone
from mta.workers.outcome import Hop, Judged
from mta.workers.paths import Paths
from mta.workers.plan import Doors, Plan
from mta.workers.session import Session, Work
from mta.workers.settler import Lease

FULL_SESSIONS = (
    2  # hosts that may refuse a conversation before the batch waits (Postfix: smtp_mx_session_limit)
)
_log = logging.getLogger("mta.workers")
UNMAKEABLE = (ContentGone, ContentError, KeyFault, WireError, ValueError, FileNotFoundError)


class Delivery:
    """What is in flight and the sessions that carry it; `hand_in` gets every result."""

    def __init__(
        self,
        plan: Plan,
        doors: Doors,
        lease: Lease,
        hand_in: Callable[[Result], None],
        pause: Callable[[str, int], None],
        wake: Callable[[], None],
    ) -> None:
        self.plan = plan
        self.doors = doors
        self.lease = lease
        self.hand_in = hand_in
        self.pause = pause
        self.wake = wake
        self.chance = random.Random()
        self.flying: dict[bytes, Item] = {}
        self.paths: Paths[Session] = Paths(plan.defaults.batch, plan.batch_most)
        self.sessions: set[Session] = set()
        self.opening = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._second = 0
        self._date = ""
        self._bad: list[tuple[str, str, str]] = []  # tenant, address, reason to suppress

    def __repr__(self) -> str:
        return f"<Delivery {len(self.flying)} in flight {len(self.sessions)} sessions {self.paths!r}>"

    # batches onto sessions

    def dispatch(self, batch: Batch, now: float) -> None:
        """Send a taken batch: at once on an idle session where all is at hand, else by a task."""
        self.flying.update((item.id, item) for item in batch.items)
        session = self.paths.begin(batch.path, batch.fresh)
        if session is not None:
            works = [Work(item, self.doors.contents.get(item)) for item in batch.items]
            if all(work.content is not None for work in works):
                session.run(works, now)
                return
        task = asyncio.ensure_future(self._start(batch, session, now))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self, batch: Batch, session: Session | None, now: float) -> None:
        fresh = session is None
        self.opening += fresh
        try:
            works = await self._loaded(batch)
            if fresh and works:
                session = await self._open(batch.path, works)
        finally:
            self.opening -= fresh
            if session is None:
                self.paths.closed(batch.path)
                self.wake()
        if session is not None:
            session.run(works, now)

    async def _loaded(self, batch: Batch) -> list[Work]:
        works = []
        for item in batch.items:
            try:
                works.append(Work(item, await self.doors.contents.load(item)))
            except QueueDown:
                self.back(Work(item))
            except UNMAKEABLE as error:
                self.hand_in(outcomes.set_aside(item, str(error), self.now_ms()))
        return works

    async def _open(self, path: str, works: list[Work]) -> Session | None:
        """Return a session to the path's site; None when there is none and the works have their verdicts."""
        domain = path.partition("|")[2]
        try:
            hosts = await self.doors.resolver.hosts(domain)
        except Unroutable as error:
            self._all(works, judge(Stage.CONNECT, error.reply))
            return None
        refused = 0
        verdict: Verdict = Deferred(Reply(451, ("4.4.1 no host",), local=True), Stage.CONNECT)
        for host in hosts:
            try:
                opened = await open_session(host, self.plan.dialling, self.doors.tls)
            except CannotConnect as error:
                verdict = judge(error.stage, error.reply)
                refused += error.stage is not Stage.CONNECT
                if refused >= FULL_SESSIONS:
                    break
                continue
            return self._session(path, opened)
        self.pause(path, self.plan.unreachable_pause_ms)
        self._all(works, verdict)
        return None

    def _session(self, path: str, opened: Opened) -> Session:
        dialogue = Dialogue(capabilities.parse(opened.ehlo))
        session = Session(self, path, opened, dialogue, self.plan.dialling.timeouts)
        self.sessions.add(session)
        return session

    def _all(self, works: list[Work], verdict: Verdict) -> None:
        for work in works:
            self.hand_in(self.outcome(work.item, verdict, Hop()))

    # what sessions ask

    def may_send(self, taken_at: float) -> bool:
        """Whether a message taken at that time (time.monotonic) may still be started: lease held, permission fresh."""
        return time.monotonic() - taken_at < self.plan.permission_seconds and self.lease.held

    def envelope(self, work: Work) -> Envelope | None:
        """The envelope to offer; None when the message's time is over (it is settled here)."""
        now = self.now_ms()
        if work.item.record.expires <= now:
            self.hand_in(outcomes.expired(work.item, now))
            return None
        assert work.content is not None
        return prepare.envelope(work, work.item, work.content, self.doors.tokens, now // 1000)

    def content(self, work: Work) -> prepare.Made | None:
        """The whole message; None when it can't be made (it is settled here)."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._date = format_datetime(datetime.fromtimestamp(now, UTC))
        assert work.content is not None
        try:
            return prepare.message(
                work.item, work.content, self.doors.tokens, now, self._date, self.plan.signature_seconds
            )
        except UNMAKEABLE as error:
            self.unsendable(work, str(error))
        except Exception as error:
            # A fault of ours: it costs this message, not the session's whole batch and not the worker.
            _log.exception("a message could not be made: %s", work)
            self.unsendable(work, f"the engine failed on it: {type(error).__name__}")
        return None

    def unsendable(self, work: Work, why: str) -> None:
        """Set a message aside that can't be made or must not reach the wire."""
        self.hand_in(outcomes.set_aside(work.item, why, self.now_ms()))
        work.settled = True

    def dot(self, work: Work) -> None:
        """The message's final dot goes out now."""
        self.doors.journal.dot(work.item.id)

    def verdict(self, work: Work, verdict: Verdict, session: Session) -> None:
        """What became of a message; one that was set aside while it was being made has its result already."""
        if work.settled:
            return
        if verdict.stage is Stage.DOT and not verdict.reply.local:
            self.doors.journal.answered(work.item.id, verdict.reply.code, verdict.reply.text)
        self.hand_in(self.outcome(work.item, verdict, session.hop))

    def back(self, work: Work) -> None:
        """It had no effect: anyone may try it."""
        if not work.settled:
            self.hand_in(give_back(work.item))

    def finished(self, session: Session) -> None:
        """The batch is through; the session takes another or, when it has done its share, ends."""
        self.paths.paced(session.path, session.in_batch, session.loop.time() - session.started_at)
        if session.sent >= self.plan.messages_per_connection:
            session.quit()
        else:
            self.paths.ready(session.path, session)
        self.wake()

    def gone(self, session: Session) -> None:
        """The connection has ended; its permit goes back."""
        self.sessions.discard(session)
        if session.last_word is not None and session.last_word.code == 421 and not session.sent:
            # Greeted and sent away with nothing tried: without a pause the next session would meet the same.
            self.pause(session.path, self.plan.unreachable_pause_ms)
        self.paths.closed(session.path, session)
        self.wake()

    # verdicts

    def outcome(self, item: Item, verdict: Verdict, hop: Hop) -> Result:
        """Return the result of an attempt, and note an address that is to be suppressed."""
        judged = (
            Judged() if isinstance(verdict, Delivered) else self.doors.classify(verdict.reply, verdict.stage)
        )
        schedule = self.plan.schedules[int(item.lane[0])]
        now = self.now_ms()
        result = outcomes.outcome(item, verdict, judged, hop, now, schedule, self.chance.random())
        if judged.suppress and isinstance(verdict, Failed) and not verdict.reply.local:
            tenant = item.lane.split("|")[3]
            self._bad.append((tenant, item.record.rcpt, judged.cls))
        return result

    async def before_settle(self, _: Sequence[Result]) -> None:
        """Suppress first, settle after: a kill in between repeats the one and never forgets it."""
        bad, self._bad = self._bad, []
        for tenant, address, reason in bad:
            await self.doors.suppressions.add(tenant, "", [address], reason, "engine", self.now_ms())

    def settled(self, results: list[Result]) -> None:
        """The queue has these: they are no longer in flight."""
        for result in results:
            item = self.flying.pop(result.id, None)
            if item is not None and result.body:
                self.doors.contents.forget(item)
            self.doors.told(result)
        self.doors.journal.settled([result.id for result in results])
        self.wake()

    # time

    def sweep(self, now: float) -> None:
        """End sessions whose stage took too long, say goodbye on those that were idle too long."""
        for session in list(self.sessions):
            session.check(now)
            if session.idle and now - session.idle_since > self.plan.idle_seconds:
                self.paths.retire(session.path, session)
                session.quit()

    def abandon(self, why: str) -> None:
        """Drop all that is under way: it belongs to another now, and nothing of it may be written."""
        for session in list(self.sessions):
            session.abort(why)
        self.flying.clear()
        self._bad.clear()

    async def close(self) -> None:
        """Say goodbye on every session, then drop those that do not answer."""
        for session in list(self.sessions):
            session.quit()
        ends = time.monotonic() + self.plan.dialling.timeouts.quit
        while self.sessions and time.monotonic() < ends:
            await asyncio.sleep(0.01)
        for session in list(self.sessions):
            session.abort("shutting down")

    def now_ms(self) -> int:
        """The wall clock in ms since 1970."""
        return int(time.time() * 1000)


def give_back(item: Item) -> Result:
    """Return the result that puts an item back at the head of its lane, unharmed."""
    tenant, campaign = item.lane.split("|")[3:]
    return Result(OP_BACK, item.id, item.lane, f"{tenant}|{campaign}", item=item.encode())
