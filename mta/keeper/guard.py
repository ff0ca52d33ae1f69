"""The guard's duty: hold the campaign or tenant whose complaints or unknown recipients are too many, and say why.

Counting is part of the archive's duty (each event is counted as it is acknowledged); here what was counted is judged.
Each step may be repeated and two keepers may run it at once: the gate is closed first, which changes nothing the
second time, and what stands is written together with its event, once.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from mta.bounce.guard import Standing, Thresholds, judge, stale, step, within
from mta.bounce.tally import HOUR_MS, Counts
from mta.event import event
from mta.message import Class
from mta.queue.audit import ENGINE, AuditLog, subject
from mta.queue.campaigns import Campaigns
from mta.queue.control import GUARD, Control, Gate, Scope
from mta.queue.guardbook import GuardBook
from mta.queue.progress import Progress

SWEEP_SECONDS: Final = 60.0
"""How often everything that stands is judged anew: rates fall by themselves, and persons release."""
KINDS: Final = {"t": "tenant", "c": "campaign", "i": "source"}
_log = logging.getLogger("mta.keeper")


@dataclass(frozen=True, slots=True)
class Settings:
    """Thresholds, what is held beyond them, and of which mail: bulk alone, or all of a campaign's or tenant's."""

    limits: Thresholds = field(default_factory=Thresholds)
    hold: Literal["both", "campaign", "tenant", "none"] = "both"
    all_classes: bool = False


@dataclass(slots=True)
class Doors:
    """What the guard works with."""

    book: GuardBook
    control: Control
    campaigns: Campaigns
    progress: Progress


def _uncounted(*_: object, **__: object) -> None:
    return None


class Guard:
    """Judges what was counted; `look` is called again and again."""

    def __init__(self, settings: Settings, doors: Doors) -> None:
        self.settings = settings
        self.doors = doors
        self.counted: Callable[..., None] = _uncounted  # told (metric, labels..., n=)
        self.held: dict[str, int] = {}  # by kind, at the last sweep
        self._swept = 0.0

    async def look(self) -> int:
        """Judge what has changed, and once a minute everything that stands; return how much there was to do."""
        marked = await self.doors.book.marked()
        closed: dict[str, Gate] | None = None
        done = 0
        for scope, marks in marked.items():
            closed = closed if closed is not None else await self.doors.control.gates()
            done += await self._judge(scope, marks, closed)
        if time.monotonic() >= self._swept:
            self._swept = time.monotonic() + SWEEP_SECONDS
            await self._sweep()
        return done

    async def _sweep(self) -> None:
        standings = await self.doors.book.standings()
        if standings:
            closed = await self.doors.control.gates()
            for scope in standings:
                await self._judge(scope, [], closed)
            standings = await self.doors.book.standings()
        held = dict.fromkeys(("tenant", "campaign"), 0)
        for scope, standing in standings.items():
            if standing.held:
                held[KINDS[scope[0]]] += 1
        self.held = held

    async def _judge(self, scope: str, marks: list[tuple[int, str]], closed: dict[str, Gate]) -> bool:
        book, limits, now = self.doors.book, self.settings.limits, int(time.time() * 1000)
        before, hours = await book.standing(scope), await book.hours(scope)
        counts = within(hours, before, limits, now)
        found = judge(counts, limits)
        gate = self.gate(scope)
        mine = closed.get(gate.text)
        # A hold lies beneath a suspension, if there is one.
        ours = mine is not None and (mine.hold or mine).by == GUARD
        # What a person has closed stays as that person wants it; the guard's turn comes when it is opened.
        free = found.level == "stop" and not before.held and (mine is None or ours)
        holdable = free and await self._holdable(scope)
        after, told = step(before, found, hours, now, holdable=holdable, closed=ours)
        if before.held and not after.held:
            _log.info("%s was released; what was counted so far is forgiven", named(scope))
        if stale(after, hours, limits, now):
            after = Standing()
        await book.forget_hours(scope, _gone(hours, limits, now))
        if told == "held":
            await self.doors.control.close(gate, Gate("held", after.why, GUARD, since=now), {})
        tells = _event(scope, told, after, now) if told else None
        written = await book.settle(scope, marks, before, after, tells)
        if written and told:
            _log.warning("%s: %s: %s", told, named(scope), after.why)
            kind = KINDS[scope[0]]
            self.counted("guard_holds_total" if told == "held" else "guard_warnings_total", kind, after.cause)
            if told == "held":
                book = self.doors.book
                about = subject(kind, scope.rpartition("|")[2], scope.split("|")[1])
                await AuditLog(book.client, book.keys).note(
                    ENGINE, f"{kind}.hold", about, reason=after.why, by=GUARD
                )
            self._swept = 0.0 if told == "held" else self._swept  # the gauge is to follow at once
        return bool(told)

    def gate(self, scope: str) -> Scope:
        """Return the gate that holds a scope: of a tenant that of its bulk mail, unless all classes are held."""
        kind, _, rest = scope.partition("|")
        if kind == "t":
            return Scope.of_tenant(rest) if self.settings.all_classes else Scope.of_bulk(rest)
        return Scope(scope)

    async def _holdable(self, scope: str) -> bool:
        """Whether there is something to hold: mail of the classes that are held, still to be sent."""
        kind, _, rest = scope.partition("|")
        if kind == "t":
            return self.settings.hold in ("both", "tenant")
        if kind != "c" or self.settings.hold not in ("both", "campaign"):
            return False
        tenant, _, campaign = rest.partition("|")
        known = await self.doors.campaigns.get(tenant, campaign)
        if known is None or (known.cls != Class.BULK and not self.settings.all_classes):
            return False
        if not await self.doors.campaigns.closed(tenant, campaign):
            return True  # more recipients may come
        return (await self.doors.progress.totals(tenant, campaign))["queued"] > 0


def _gone(hours: dict[int, Counts], limits: Thresholds, now: int) -> list[int]:
    first = (now - limits.window) // HOUR_MS + 1
    return [hour for hour in hours if hour < first]


def named(scope: str) -> str:
    """Return a scope as events spell it: `campaign:spring-26`, `tenant:acme`, `source:192.0.2.7`."""
    return f"{KINDS[scope[0]]}:{scope.rpartition('|')[2]}"


def _event(scope: str, told: str, standing: Standing, now: int) -> dict[str, str]:
    parts = scope.split("|")
    return event(
        told, f"guard/{scope}/{standing.number}/{standing.at}", now,
        tenant="" if parts[0] == "i" else parts[1],
        campaign=parts[2] if parts[0] == "c" else "",
        scope=named(scope), reason=standing.why, by=GUARD,
    )  # fmt: skip
