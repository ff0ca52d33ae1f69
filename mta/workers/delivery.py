"""Messages in flight: what sessions ask about them, and what became of each.

Implements what a session asks of its owner (mta.workers.session.Owner); sessions themselves are in `dispatch`.
"""

import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from mta.dkim.key import KeyFault
from mta.message import Lane
from mta.mime.document import ContentError
from mta.queue.codec import Item
from mta.queue.lanes import OP_BACK, OP_RETRY, Batch, Result
from mta.smtp.dialogue import Envelope
from mta.smtp.wire import WireError
from mta.throttle.blocked import Blocked
from mta.throttle.window import wait_ms, zone
from mta.verdict import Deferred, Delivered, Failed, Stage, Verdict
from mta.workers import outcome as outcomes
from mta.workers import prepare
from mta.workers.answers import Answers
from mta.workers.contents import ContentGone
from mta.workers.dispatch import Dispatch
from mta.workers.making import Making
from mta.workers.outcome import REPLY_TEXT, Hop, Judged
from mta.workers.plan import Doors, Plan
from mta.workers.session import Session, Work
from mta.workers.settler import Lease
from mta.workers.stops import Stopped
from mta.workers.warming import Warming

SPREAD_MS = 60_000  # what a closed window kept comes back over this time, not at one instant
_log = logging.getLogger("mta.workers")
UNMAKEABLE = (ContentGone, ContentError, KeyFault, WireError, ValueError, FileNotFoundError)

# The connection is refused, whatever the message.
REFUSING = frozenset({Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.MAIL})
_OUTCOMES = {Delivered: "delivered", Deferred: "deferred", Failed: "failed"}


class Delivery:
    """What is in flight; `hand_in` gets every result, `pause` paths to leave alone for a while."""

    UNMAKEABLE = UNMAKEABLE

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
        self._hand_in = hand_in
        self.wake = wake
        self.chance = random.Random()
        self.answers = Answers(wake)  # the settler's, in a worker
        self.flying: dict[bytes, Item] = {}
        self.blocked = Blocked()
        self.warming = Warming()
        self.dispatch = Dispatch(plan, doors, self, pause, wake)
        self._making = Making(doors)
        self._bad: list[
            tuple[str, str, str, str, str]
        ] = []  # tenant, address, reason to suppress, reply, campaign
        self._stopped: dict[bytes, Stopped] = {}  # in flight, and suppressed since it was accepted

    def __repr__(self) -> str:
        return f"<Delivery {len(self.flying)} in flight {self.dispatch!r}>"

    def replan(self, plan: Plan) -> None:
        """Use new settings from the next message on."""
        self.plan = self.dispatch.plan = plan

    def send(self, batch: Batch, now: float) -> None:
        """Send a taken batch; `now` is the time (time.monotonic) its permission began."""
        self.flying.update((item.id, item) for item in batch.items)
        self.dispatch.send(batch, now)

    async def look_again(self, items: Iterable[Item]) -> None:
        """Find who of these was suppressed since their message was accepted: it is not sent. Raises QueueDown."""
        assert self.doors.stops is not None
        self._stopped |= await self.doors.stops.find(items, self._list_of)

    async def _list_of(self, item: Item) -> str:
        if item.record.body:
            return ""  # a single message is of no list
        try:
            return (await self.doors.contents.load(item)).mailing.list_
        except UNMAKEABLE:
            return ""  # it is not sent, and its session says why

    def hand_in(self, result: Result) -> None:
        """Have a result written back."""
        if self.warming:
            self.warming.mark(result)
        self._hand_in(result)

    # what sessions ask

    def may_send(self, until: float) -> bool:
        """Whether a message whose permission ends then (time.monotonic) may be started now, the lease being held."""
        return time.monotonic() < until and self.lease.held

    def envelope(self, work: Work) -> Envelope | None:
        """The envelope to offer; None when the message's time is over (it is settled here)."""
        now = self.now_ms()
        if work.item.record.expires <= now:
            self.hand_in(outcomes.expired(work.item, now))
            return None
        if self._stopped and (stopped := self._stopped.pop(work.item.id, None)):
            self.hand_in(outcomes.suppressed(work.item, *stopped, now))
            return None
        assert work.content is not None
        window = work.content.window
        if window is not None:
            wait = wait_ms(window, now, zone(window, work.item.record.tz))
            if wait:
                self.hand_in(outcomes.postponed(work.item, wait + int(self.chance.random() * SPREAD_MS)))
                return None
        work.began = time.monotonic()
        return prepare.envelope(work, work.item, work.content, self.doors.tokens, now // 1000)

    def content(self, work: Work, behind: Sequence[Work] = ()) -> prepare.Made | None:
        """The whole message; None when it can't be made (it is settled here). Some of `behind` may be made with it."""
        try:
            return self._making.make(work, behind, self.plan.signature_seconds)
        except UNMAKEABLE as error:
            self._unsigned(error)
            self.unsendable(work, str(error))
        except Exception as error:
            # A fault of ours: it costs this message, not the session's whole batch and not the worker.
            _log.exception("a message could not be made: %s", work)
            self.unsendable(work, f"the engine failed on it: {type(error).__name__}")
        return None

    def unmakeable(self, work: Work, error: Exception) -> None:
        """The message's content can't be had: set it aside."""
        self._unsigned(error)
        self.hand_in(outcomes.set_aside(work.item, str(error), self.now_ms()))

    def _unsigned(self, error: Exception) -> None:
        if isinstance(error, KeyFault | FileNotFoundError):
            self.doors.counted("dkim_failures_total")

    def attempted(self, item: Item, verdict: Verdict, hop: Hop, tried: bool) -> None:
        """An attempt has ended before a session could carry it; not `tried`: no host of the site was asked."""
        # A resolver that is silent, a password that can't be read: no sign that a receiver is out of order. A host
        # cut off from the network must not have others leave sites alone.
        self.hand_in(self.outcome(item, verdict, hop, time.monotonic() if tried else 0.0))

    def unbound(self, item: Item, verdict: Verdict) -> None:
        """There was no attempt: our own address is not on this host, and no other source may send it."""
        judged = self.doors.classify(verdict.reply, verdict.stage)
        schedule = self.plan.schedules[int(item.lane[0])]
        self.hand_in(outcomes.unbound(item, verdict, judged, self.now_ms(), schedule, self.chance.random()))

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
        if work.began:
            self.doors.timed("smtp_transaction_seconds", time.monotonic() - work.began)
        self.hand_in(self.outcome(work.item, verdict, session.hop, work.began))
        if type(verdict) is Delivered:
            self.answers.good(session.path, work.began)

    def back(self, work: Work) -> None:
        """It had no effect: anyone may try it."""
        if not work.settled:
            self.hand_in(give_back(work.item))

    def finished(self, session: Session) -> None:
        """The batch is through."""
        self.dispatch.finished(session)

    def gone(self, session: Session) -> None:
        """The connection has ended."""
        self.dispatch.gone(session)

    # verdicts

    def outcome(self, item: Item, verdict: Verdict, hop: Hop, began: float = 0.0) -> Result:
        """Return the result of an attempt, and note an address that is to be suppressed and what a refusal tells.

        `began` is when the attempt did (time.monotonic), 0 where nobody knows any more or no receiver was asked.
        """
        judged = (
            Judged() if isinstance(verdict, Delivered) else self.doors.classify(verdict.reply, verdict.stage)
        )
        if began and judged.cls:
            self._answered(item.lane, verdict, judged.cls, began, hop.via)
        self.doors.counted("attempts_total", verdict.stage.value, _OUTCOMES[type(verdict)])
        if isinstance(verdict, Deferred) and verdict.unsure:
            self.doors.counted("messages_unsure_total", item.lane.split("|")[2])
        schedule = self.plan.schedules[int(item.lane[0])]
        now = self.now_ms()
        result = outcomes.outcome(item, verdict, judged, hop, now, schedule, self.chance.random())
        if result.op == OP_RETRY:
            result.lane = self._routed_again(item)
        if hop.via:
            self._source(item, verdict, judged, hop.via)
            self.warming.judged(item.id, verdict, judged.cls)
        if judged.suppress and isinstance(verdict, Failed) and not verdict.reply.local:
            tenant, campaign = item.lane.split("|")[3:]
            self._bad.append((tenant, item.record.rcpt, judged.cls, str(verdict.reply), campaign))
        return result

    def _answered(self, lane: str, verdict: Verdict, cls: str, began: float, source: str) -> None:
        _, pool, site, _ = lane.split("|", 3)
        path = self.plan.pools.path(pool, site, source)
        known = self.dispatch.paths.table.get(path)
        rules = self.plan.shaping.rules(site, cls)
        self.answers.bad(path, cls, verdict.stage, began, known.open if known else 1, rules)

    def _source(self, item: Item, verdict: Verdict, judged: Judged, source: str) -> None:
        """Learn from an attempt what receivers think of its source."""
        if isinstance(verdict, Delivered):
            self.blocked.delivered(source)
            return
        turned_away = judged.cls == "reputation" and verdict.stage in REFUSING and not verdict.reply.local
        if turned_away and self.blocked.refused(source, item.lane.split("|")[2]):
            self.dispatch.blocked(source, f"refused everywhere, at last: {verdict.reply.text}"[:REPLY_TEXT])

    def _routed_again(self, item: Item) -> str:
        """Return the lane a message is retried in: its domain may have moved to another site since it was accepted."""
        domain = item.record.rcpt.rpartition("@")[2]
        known = self.doors.resolver.known(domain)
        lane = Lane.parse(item.lane)
        if known is None:
            return item.lane
        site = self.plan.shaping.site(domain, known.names)
        return item.lane if site == lane.site else str(msgspec.structs.replace(lane, site=site))

    async def before_settle(self, _: Sequence[Result]) -> None:
        """Suppress first, settle after: a kill in between repeats the one and never forgets it."""
        while self._bad:
            tenant, address, reason, said, campaign = self._bad[0]
            await self.doors.suppressions.add(
                tenant, "", [address], reason, "engine", self.now_ms(), said, campaign
            )
            self._bad.pop(0)  # not before it is done: whoever waits for it may be cancelled

    def settled(self, results: list[Result]) -> None:
        """The queue has these: they are no longer in flight."""
        for result in results:
            item = self.flying.pop(result.id, None)
            if item is not None and result.body:
                self.doors.contents.forget(item)
            if self._stopped:
                self._stopped.pop(result.id, None)  # it expired, or its batch came too late
            self.doors.told(result)
        self.doors.journal.settled([result.id for result in results])
        self.wake()

    def abandon(self, why: str) -> None:
        """Drop all that is under way: it belongs to another now, and nothing of it may be written."""
        self.dispatch.abandon(why)
        self.flying.clear()
        self.warming.clear()
        self._bad.clear()
        self._stopped.clear()

    def now_ms(self) -> int:
        """The wall clock in ms since 1970."""
        return int(time.time() * 1000)


def give_back(item: Item) -> Result:
    """Return the result that puts an item back at the head of its lane, unharmed."""
    tenant, campaign = item.lane.split("|")[3:]
    return Result(OP_BACK, item.id, item.lane, f"{tenant}|{campaign}", item=item.encode())
