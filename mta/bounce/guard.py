"""The guard's judgement: what a tenant, campaign or source did within the window, against what receivers put up with.

Pure: counts, thresholds and the time in, a judgement with its reason in words out. Google asks for complaints below
0.10 % and never 0.30 % (support.google.com/mail/answer/81126), so what reaches a threshold counts as beyond it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from mta.bounce.tally import HOUR_MS, Counts

Level = Literal["ok", "warn", "stop"]
COMPLAINTS: Final = "complaints"
UNKNOWN: Final = "unknown_recipients"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Shares from which on the guard warns and stops; a stop of 0 is none. `window` in ms.

    Nothing is judged below `least` messages, nor a single complaint: neither makes a rate.
    """

    complaints_warn: float = 0.001
    complaints_stop: float = 0.003
    unknown_warn: float = 0.02
    unknown_stop: float = 0.05
    least: int = 200
    least_complaints: int = 2
    window: int = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """How bad it is, of what there is too much, and the reason in words; both empty when all is well."""

    level: Level = "ok"
    cause: str = ""
    why: str = ""


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the guard remembers of a scope.

    `held`: mail waits because of it, until a person releases it. After a release what was counted before hour `since`,
    and `forgiven` within it, is not held against it again. `number` counts what was told of it.
    """

    level: Level = "ok"
    cause: str = ""
    why: str = ""
    at: int = 0  # when it came to this level, ms since 1970
    held: bool = False
    since: int = 0  # hours since 1970
    forgiven: Counts = Counts()
    released: int = 0  # when, ms since 1970
    number: int = 0


def judge(counts: Counts, limits: Thresholds) -> Judgement:
    """Return the judgement on what happened within the window; of two causes the worse, complaints first."""
    days = f"{limits.window / 86_400_000:g} days"
    found = []
    if counts.delivered >= limits.least and counts.complained >= limits.least_complaints:
        share = counts.complained / counts.delivered
        level = _level(share, limits.complaints_warn, limits.complaints_stop)
        limit = limits.complaints_stop if level == "stop" else limits.complaints_warn
        why = (
            f"{counts.complained:,} complaints about {counts.delivered:,} delivered within {days}"
            f" are {share:.2%}; the limit is {limit:.2%}"
        )
        found.append(Judgement(level, COMPLAINTS, why))
    # Who is not there was never delivered to: of a list of dead addresses the least must be reached as well.
    tried = counts.delivered + counts.unknown
    if tried >= limits.least and counts.unknown:
        share = counts.unknown / tried
        level = _level(share, limits.unknown_warn, limits.unknown_stop)
        limit = limits.unknown_stop if level == "stop" else limits.unknown_warn
        why = (
            f"{counts.unknown:,} unknown recipients of {tried:,} within {days}"
            f" are {share:.2%}; the limit is {limit:.2%}"
        )
        found.append(Judgement(level, UNKNOWN, why))
    for wanted in ("stop", "warn"):
        for one in found:
            if one.level == wanted:
                return one
    return Judgement()


def _level(share: float, warn: float, stop: float) -> Level:
    if stop and share >= stop:
        return "stop"
    return "warn" if warn and share >= warn else "ok"


def within(hours: Mapping[int, Counts], standing: Standing, limits: Thresholds, now: int) -> Counts:
    """Return what counts at `now` (ms since 1970): of the window, without what a release has forgiven."""
    first = max((now - limits.window) // HOUR_MS + 1, standing.since)
    total = Counts()
    for hour, counts in hours.items():
        if hour >= first:
            if hour == standing.since:
                counts = counts.less(standing.forgiven)
            total = total.plus(counts)
    return total


def forgiven(hours: Mapping[int, Counts], standing: Standing, now: int) -> Standing:
    """Return the standing after a release at `now`: what has happened so far is held against it no more."""
    hour = max((*hours, now // HOUR_MS))  # a clock of another machine may run ahead
    return Standing(
        since=hour, forgiven=hours.get(hour, Counts()), released=now, at=now, number=standing.number
    )


def step(
    standing: Standing,
    found: Judgement,
    hours: Mapping[int, Counts],
    now: int,
    *,
    holdable: bool,
    closed: bool,
) -> tuple[Standing, str]:
    """Return what stands after a judgement, and what is to be told of it: "held", "warned" or nothing.

    `holdable`: the scope's mail may be held; `closed`: its gate is. A held scope whose gate is open was released by a
    person, whatever the counts say: what they are by now is forgiven.
    """
    if standing.held:
        return (standing, "") if closed else (forgiven(hours, standing, now), "")
    hold = found.level == "stop" and holdable
    if found.level == standing.level and not hold:
        return standing, ""
    told = "held" if hold else "warned"
    if found.level == "ok" or (standing.level == "stop" and not hold):
        told = ""  # it is getting better
    after = msgspec.structs.replace(
        standing, level=found.level, cause=found.cause, why=found.why, at=now, held=hold,
        number=standing.number + bool(told),
    )  # fmt: skip
    return after, told


def stale(standing: Standing, hours: Mapping[int, Counts], limits: Thresholds, now: int) -> bool:
    """Say whether there is nothing left to remember: all is well, and what was forgiven has left the window."""
    first = (now - limits.window) // HOUR_MS + 1
    return standing.level == "ok" and standing.since < first and not any(hour >= first for hour in hours)
