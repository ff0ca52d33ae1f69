"""Batches onto sessions: contents loaded, hosts found, connections opened, reused, chained and ended.

What a session may serve is decided by the mail hosts of a domain and by its policy: domains with the same ones share
it (mta.workers.opening). A batch that needs several goes over them one after the other, under the one permit it was
given.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any, Protocol

from mta.net.connect import Opened
from mta.queue.codec import Item
from mta.queue.lanes import Batch, Way
from mta.queue.link import QueueDown
from mta.reply import Reply
from mta.smtp import capabilities
from mta.smtp.dialogue import Dialogue
from mta.verdict import Deferred, Stage, Verdict
from mta.workers.careful import Careful
from mta.workers.opening import NotReached, Opening
from mta.workers.outcome import Hop
from mta.workers.paths import Paths
from mta.workers.plan import Doors, Plan
from mta.workers.session import Owner, Session, Work
from mta.workers.sources import BLOCKED_MS, UNBOUND_MS

_log = logging.getLogger("mta.workers")
Group = tuple[str, list[Work]]  # hosts, and what goes there


Pause = Callable[[str, int], None]  # a path and for how many ms
Wake = Callable[[], None]


class Messages(Owner, Protocol):
    """What this module asks about messages."""

    @property
    def UNMAKEABLE(self) -> tuple[type[Exception], ...]:
        """Errors that say that a message can't be made."""

    def unmakeable(self, work: Work, error: Exception) -> None:
        """The message's content can't be had: it is to be set aside."""

    def attempted(self, item: Item, verdict: Verdict, hop: Hop, tried: bool) -> None:
        """An attempt has ended before a session could carry it."""

    def unbound(self, item: Item, verdict: Verdict) -> None:
        """There was no attempt: our own address is not on this host."""


class Dispatch:
    """The sessions of a worker; `wake` is called when there may be room for more."""

    def __init__(self, plan: Plan, doors: Doors, messages: Messages, pause: Pause, wake: Wake) -> None:
        self.plan = plan
        self.doors = doors
        self.messages = messages
        self.ways = Opening(doors)
        self.pause = pause
        self.wake = wake
        self.paths: Paths[Session] = Paths(plan.defaults.batch, plan.batch_most)
        self.sessions: set[Session] = set()
        self.opening = 0
        self.then: dict[Session, list[Group]] = {}  # what goes on under a session's permit when it has ended
        self.careful = Careful()
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Dispatch {len(self.sessions)} sessions {self.paths!r}>"

    # batches onto sessions

    def send(self, batch: Batch, now: float) -> None:
        """Send a taken batch: at once on an idle session where all is at hand, else by a task."""
        until = now + self.plan.permission_seconds
        slack = self.plan.shaping.limits(batch.path.partition("|")[2]).slack
        if slack and batch.tight and batch.way is Way.IDLE:
            # A session that has to be opened takes its time; on one that waits, late is later than the limit allows.
            until = now + slack / 1000
        works = [Work(item, self.doors.contents.get(item), until) for item in batch.items]
        domains = [item.record.rcpt.rpartition("@")[2] for item in batch.items]
        unknown = self.ways.unknown(set(domains))
        groups = self._by_hosts(batch.path, works, domains)
        if batch.way is Way.AHEAD:
            if unknown:
                self._task(self._learn_and_overtake(batch.path, works, unknown))
            else:
                self._overtake(batch.path, groups)
            return
        hosts, first = groups[0]
        session = self.paths.begin(batch.path, batch.way is Way.FRESH, hosts)
        if unknown:
            self._task(self._start(batch.path, groups, session, unknown))
        elif session is not None and session.hosts == hosts and all(work.content for work in first):
            self.then[session] = groups[1:]
            session.run(first)
        elif session is not None and session.hosts != hosts:
            # Its permit is ours, its hosts are not: the batch goes on when it has ended (`gone`).
            self.then[session] = groups
            session.quit()
        else:
            self._task(self._start(batch.path, groups, session))

    def _by_hosts(self, path: str, works: list[Work], domains: Iterable[str] = ()) -> list[Group]:
        """Return the works by what they may share a session with, those whose policy is not known yet last."""
        keys: dict[str, str] = {}
        groups: dict[str, list[Work]] = {}
        for work, domain in zip(works, domains or map(_domain, works), strict=True):
            key = keys.get(domain)
            if key is None:
                key = keys[domain] = self.ways.key(path, domain)
            groups.setdefault(key, []).append(work)
        out = list(groups.items())
        return sorted(out, key=lambda group: group[0].endswith("?")) if len(out) > 1 else out

    async def _learn_and_overtake(self, path: str, works: list[Work], unknown: set[str]) -> None:
        await self.ways.learn(unknown)
        self._overtake(path, self._by_hosts(path, works))

    def _overtake(self, path: str, groups: list[Group]) -> None:
        """Put works of a higher class ahead on sessions that are sending; without one they go back."""
        for hosts, works in groups:
            running = [
                one for one in self.sessions
                if one.path == path and one.running and one.usable and one.hosts == hosts
            ]  # fmt: skip
            if running and all(work.content for work in works):
                min(running, key=lambda one: one.ahead).overtake(works)
            elif running:
                self._task(self._load_and_overtake(path, works))
            else:
                for work in works:
                    self.messages.back(work)

    async def _load_and_overtake(self, path: str, works: list[Work]) -> None:
        loaded = await self._loaded(works)
        if loaded:
            self._overtake(path, self._by_hosts(path, loaded))

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(
        self, path: str, groups: list[Group], session: Session | None, unknown: Iterable[str] = ()
    ) -> None:
        fresh = session is None
        self.opening += fresh
        works: list[Work] = []
        try:
            if fresh:
                self._task(self._foresee(groups[0][1]))
            if unknown:
                await self.ways.learn(unknown)
                groups = self._by_hosts(path, [work for _, more in groups for work in more])
                if session is not None:
                    ours = session.hosts
                    groups.sort(key=lambda group: group[0] != ours)
            opened_for = session.hosts if session is not None else ""
            while groups and not works:
                (hosts, works), groups = groups[0], groups[1:]
                if session is None:
                    session = await self._open(path, works)
                    opened_for = hosts
                    if session is None:
                        works = []
                        continue
                works = await self._loaded(works)
                if works and opened_for != hosts:
                    # Nothing of what it was chosen for could be made: the rest goes elsewhere under its permit.
                    groups, works = [(hosts, works), *groups], []
                    break
        except Exception as error:
            # A fault of ours or of this machine (no descriptors left): it must not keep what was taken.
            _log.exception("no session for %s", path)
            rest = [work for _, more in groups for work in more]
            fault = Reply(451, (f"4.3.0 {type(error).__name__}",), local=True)
            self._all([*works, *rest], Deferred(fault, Stage.PREPARE), path, tried=False)
            groups, works = [], []
        finally:
            self.opening -= fresh
            if session is None:
                self.paths.closed(path)
                self.wake()
        if session is None:
            return
        if session.lost:  # meanwhile, and its permit went with it
            for work in [*works, *(work for _, more in groups for work in more)]:
                self.messages.back(work)
            return
        self.then[session] = groups
        if works:
            session.run(works)
        else:
            session.quit()

    async def _foresee(self, works: list[Work]) -> None:
        """Ask for contents and hosts while the session is being opened; who needs them meets the errors."""
        contents = [self.doors.contents.load(work.item) for work in works if not work.content]
        hosts = self.ways.foresee(_domain(works[0]))
        await asyncio.gather(hosts, *contents, return_exceptions=True)

    async def _loaded(self, works: list[Work]) -> list[Work]:
        loaded = []
        for work in works:
            try:
                work.content = work.content or await self.doors.contents.load(work.item)
                loaded.append(work)
            except QueueDown:
                self.messages.back(work)
            except self.messages.UNMAKEABLE as error:
                self.messages.unmakeable(work, error)
        return loaded

    async def _open(self, path: str, works: list[Work]) -> Session | None:
        """Return a session for the works; None when there is none and the works have their verdicts."""
        domain = _domain(works[0])
        found = await self.ways.open(path, domain, self.plan)
        if isinstance(found, NotReached):
            if found.unbound:
                await self._unbound(path, works, found.verdict)
                return None
            if found.tried and domain == path.partition("|")[2]:
                self.pause(path, self.plan.unreachable_pause_ms)
            self._all(works, found.verdict, path, found.tried)
            return None
        return self._session(path, found.key, found.opened)

    def _session(self, path: str, hosts: str, opened: Opened) -> Session:
        careful = self.careful.of(hosts)
        if self.doors.transcript is None:
            dialogue = Dialogue(capabilities.parse(opened.ehlo), pipeline=not careful)
        else:
            dialogue = self.doors.transcript.dialogue(path, opened, pipeline=not careful)
        session = Session(self.messages, path, hosts, opened, dialogue, self.plan.dialling.timeouts)
        session.messages = self.plan.shaping.limits(path.partition("|")[2]).messages
        if source := self.plan.pools.name_of(path):
            session.hop = replace(session.hop, via=source)
        self.sessions.add(session)
        return session

    async def _unbound(self, path: str, works: list[Work], verdict: Verdict) -> None:
        """Our own address is gone: a named source is suspended and its mail goes back, to go by the pool's others."""
        source = self.plan.pools.source_of(path)
        if source is None:
            self.pause(path, self.plan.unreachable_pause_ms)
            for work in works:
                self.messages.unbound(work.item, verdict)
            return
        await self.doors.sources.suspend(source.name, verdict.reply.text, UNBOUND_MS)
        for work in works:
            self.messages.back(work)

    def blocked(self, source: str, why: str) -> None:
        """Many sites refuse a source and none takes its mail: it is left alone for a while."""
        self._task(self.doors.sources.suspend(source, why, BLOCKED_MS))

    def _all(self, works: list[Work], verdict: Verdict, path: str, tried: bool) -> None:
        hop = Hop(via=self.plan.pools.name_of(path))
        for work in works:
            self.messages.attempted(work.item, verdict, hop, tried)

    # sessions

    def finished(self, session: Session) -> None:
        """The batch is through; the session takes another or, when it has done its share, ends."""
        self.paths.paced(session.path, session.in_batch, session.loop.time() - session.started_at)
        if self.then.get(session):
            session.quit()  # the rest of the batch goes to other hosts under the same permit (`gone`)
        elif session.sent >= session.messages or self._old(session, session.loop.time()):
            session.quit()
        else:
            self.paths.ready(session.path, session)
        self.wake()

    def gone(self, session: Session) -> None:
        """The connection has ended; its permit goes back."""
        if session in self.sessions:
            self.sessions.discard(session)
            self.doors.timed("smtp_session_seconds", session.loop.time() - session.opened_at)
        if session.dialogue.misbehaved:
            self.careful.note(session.hosts)
        if session.last_word is not None and session.last_word.code == 421 and not session.sent:
            # Greeted and sent away with nothing tried: without a pause the next session would meet the same.
            self.pause(session.path, self.plan.unreachable_pause_ms)
        groups = self.then.pop(session, None)
        if groups:
            self._task(self._start(session.path, groups, None))
            return
        self.paths.closed(session.path, session)
        self.wake()

    def shed(self, path: str) -> None:
        """Another worker waits for a connection on this path: end one that is idle here."""
        for session in self.sessions:
            if session.path == path and session.idle:
                self.paths.retire(path, session)
                session.quit()
                return

    def sweep(self, now: float) -> None:
        """End sessions whose stage took too long, say goodbye on those that were idle too long."""
        for session in list(self.sessions):
            session.check(now)
            if session.idle and (
                now - session.idle_since > self.plan.idle_seconds or self._old(session, now)
            ):
                self.paths.retire(session.path, session)
                session.quit()

    def _old(self, session: Session, now: float) -> bool:
        return now - session.opened_at >= self.plan.age_seconds

    def renew(self) -> None:
        """End sessions after their batch: they were opened under settings and policies that hold no more."""
        for session in list(self.sessions):
            session.messages = 0
            if session.idle:
                self.paths.retire(session.path, session)
                session.quit()

    def abandon(self, why: str) -> None:
        """Drop all that is under way: it belongs to another now, and nothing of it may be written."""
        self.then.clear()
        for task in self._tasks:
            task.cancel()  # what is being opened or loaded
        for session in list(self.sessions):
            session.abort(why)

    async def close(self) -> None:
        """Say goodbye on every session, then drop those that do not answer."""
        for session in list(self.sessions):
            session.quit()
        ends = time.monotonic() + self.plan.dialling.timeouts.quit
        while self.sessions and time.monotonic() < ends:
            await asyncio.sleep(0.01)
        for session in list(self.sessions):
            session.abort("shutting down")


def _domain(work: Work) -> str:
    return work.item.record.rcpt.rpartition("@")[2]
