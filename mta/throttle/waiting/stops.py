"""What keeps a message whatever its turn: closed gates, spent quotas, pauses, windows."""

from collections.abc import Iterator
from dataclasses import dataclass

from mta.throttle.waiting.estimate import spent_until
from mta.throttle.waiting.facts import Closed, Facts
from mta.throttle.waiting.sources import all_shut
from mta.throttle.waiting.words import clock, per_second, shown


@dataclass(frozen=True, slots=True)
class Stop:
    """Something that keeps it whatever its turn: until a time, or until somebody acts (`at` 0)."""

    reason: str
    text: str
    at: int


def stops_of(facts: Facts) -> Iterator[Stop]:
    """Give what keeps a message, whatever its turn."""
    for one in facts.closed:
        until = f", until {clock(one.until, facts.now)}" if one.until else ", until somebody opens it"
        yield Stop(one.state, f"{one.scope} is {one.state}{_because(one)}{until}", one.until)
    if facts.workers == 0:
        yield Stop("no_worker", "no worker has a lease: nothing sends", 0)
    if facts.opens > facts.now:
        text = f"outside its delivery window, which opens {clock(facts.opens, facts.now)}"
        yield Stop("window", text, facts.opens)
    for own in facts.own:
        at = spent_until(own, facts.now)
        if not at:
            continue
        if own.per_day and own.used >= own.per_day:
            text = (
                f"{own.scope}: its {own.per_day:,} messages of today are sent; on from {clock(at, facts.now)}"
            )
            yield Stop("quota", text, at)
        else:
            text = f"{own.scope}: its own rate of {per_second(own.interval)} is used up until {clock(at, facts.now)}"
            yield Stop("own_rate", text, at)
    kept = all_shut(facts)
    if kept is not None:
        yield Stop(kept.reason, kept.text, kept.at)
    path = facts.path if not facts.sources else None
    if path is not None and path.stopped_until > facts.now:
        text = (
            f"{path.site}: stopped until {clock(path.stopped_until, facts.now)} by a rule of the shaping file"
        )
        yield Stop("stopped", text, path.stopped_until)
    if path is not None and path.paused_until > facts.now and path.idle == 0:
        by = f" by {shown(path.paused_by)}" if path.paused_by else ""
        yield Stop(
            "paused",
            f"{path.site}: paused until {clock(path.paused_until, facts.now)}{by}",
            path.paused_until,
        )


def deciding(stops: list[Stop]) -> Stop:
    """Return the stop that decides: one whose end nobody knows, else the one that lasts longest."""
    return min(stops, key=lambda stop: (stop.at != 0, -stop.at))


def _because(one: Closed) -> str:
    who = f" by {one.by}" if one.by else ""
    return f"{who} ({shown(one.reason)})" if one.reason else who
