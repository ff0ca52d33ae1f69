"""What keeps all sources of a pool from sending: one sentence about them, and when the first of them may again."""

from dataclasses import dataclass

from mta.throttle.waiting.estimate import DAY, spent_until
from mta.throttle.waiting.facts import Facts, Path, SourceState
from mta.throttle.waiting.words import clock, per_second


@dataclass(frozen=True, slots=True)
class Shut:
    """Why one source sends nothing to the site now, and until when (ms since 1970, 0: until somebody acts)."""

    reason: str
    text: str
    at: int


def shut(one: SourceState, facts: Facts) -> Shut | None:
    """Return what keeps a source; None: it may send."""
    now, site = facts.now, one.path.site
    if one.closed is not None:
        until = f", until {clock(one.closed.until, now)}" if one.closed.until else ", until somebody opens it"
        because = f" ({one.closed.reason})" if one.closed.reason else ""
        return Shut("source", f"source {one.name} is {one.closed.state}{because}{until}", one.closed.until)
    if one.cap == 0:
        return Shut("warmup", f"source warm-up cap: the warm-up of {one.name} has not begun", 0)
    if 0 < one.cap <= one.used:
        where = site if one.own_ladder else "all sites without a ladder of their own"
        at = (now // DAY + 1) * DAY
        sent = f"{one.name} has sent its {one.cap:,} messages of today to {where}"
        return Shut("warmup", f"source warm-up cap: {sent}; on from {clock(at, now)}", at)
    if one.own is not None and (at := spent_until(one.own, now)):
        text = f"source {one.name}: its own rate of {per_second(one.own.interval)} is used up until {clock(at, now)}"
        return Shut("own_rate", text, at)
    if one.path.stopped_until > now:
        until = clock(one.path.stopped_until, now)
        text = f"{site}: stopped from source {one.name} until {until} by a rule of the shaping file"
        return Shut("stopped", text, one.path.stopped_until)
    if one.path.paused_until > now and one.path.idle == 0:
        text = f"{site}: paused from source {one.name} until {clock(one.path.paused_until, now)}"
        return Shut("paused", text, one.path.paused_until)
    return None


def all_shut(facts: Facts) -> Shut | None:
    """Return what keeps a message that no source of its pool may send; None: one may, or none is named."""
    found = [shut(one, facts) for one in facts.sources]
    kept = [one for one in found if one is not None]
    if not kept or len(kept) < len(found):
        return None
    first = min(kept, key=lambda one: (one.at == 0, one.at))
    others = [one.text for one in kept if one is not first]
    return Shut(first.reason, "; ".join([first.text, *others]), first.at)


def some_shut(facts: Facts) -> list[str]:
    """Return, where a source may send, what keeps the others."""
    found = [shut(one, facts) for one in facts.sources]
    return [one.text for one in found if one is not None] if None in found else []


def first(facts: Facts) -> Path | None:
    """Return the path of the source that may send first; of those that may now the one with most connections left."""

    def when(one: SourceState) -> tuple[bool, int, int]:
        kept = shut(one, facts)
        at = kept.at if kept else facts.now
        return at == 0, at, one.path.busy - one.path.connections

    return min(facts.sources, key=when).path if facts.sources else facts.path
