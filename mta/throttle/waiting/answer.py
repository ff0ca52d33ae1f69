"""The answer to why a message waits: one reason that decides, what else holds, and when it goes, about.

The estimate is made of what stands now: limits, turns, what is ahead, the pace of sessions. It knows nothing of what
comes later, so it is always "about", and there is none where one of its parts is not known.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mta.throttle.waiting.estimate import before, by_pace, by_rate, own_time
from mta.throttle.waiting.facts import Facts, Path
from mta.throttle.waiting.sources import some_shut
from mta.throttle.waiting.stops import Stop, deciding, stops_of
from mta.throttle.waiting.words import clock, many, ordinal, per_second, shown

SOON = 1000  # ms: nearer than that no time of day is told


@dataclass(frozen=True, slots=True)
class Answer:
    """`state`: where it is; `reason`: a code of docs/why.md; `text`: the sentence; `at`: ms since 1970, 0 = unknown."""

    state: str
    reason: str
    text: str
    at: int = 0
    ahead: int = 0  # messages of its path that go before it
    also: tuple[str, ...] = ()  # what else keeps it, in words


def why(facts: Facts) -> Answer:
    """Return the answer for one message; never raises."""
    if not facts.known:
        looked = "; looked through: " + ", ".join(facts.looked) if facts.looked else ""
        return Answer("unknown", "not_found", f"not found{looked}")
    if facts.final is not None:
        one = facts.final
        said = f": {one.said}" if one.said else ""
        when = f", {clock(one.at, facts.now)}" if one.at else ""
        return Answer("finished", one.kind, f"finished: {one.kind}{when}{said}", one.at)
    if facts.flight is not None:
        return _flying(facts)
    if facts.later is not None:
        return _later(facts)
    stops = list(stops_of(facts))
    if facts.packed is not None and facts.packed.where != "shelf":
        return _packed(facts, stops)
    return _lane(facts, stops)


def _flying(facts: Facts) -> Answer:
    assert facts.flight is not None
    worker, lease = facts.flight.worker, facts.flight.lease_ms
    if lease <= 0:
        text = f"worker {worker} had it in hand and its lease is over; another one returns it to its lane"
        return Answer("in_flight", "lease_over", text, facts.now)
    text = f"worker {worker} has it in hand and sends it now; its lease ends {clock(facts.now + lease, facts.now)}"
    return Answer("in_flight", "sending", text, facts.now)


def _later(facts: Facts) -> Answer:
    one = facts.later
    assert one is not None
    also = tuple(stop.text for stop in stops_of(facts))
    at, when = max(one.at, facts.now), clock(max(one.at, facts.now), facts.now)
    if one.attempts:
        said = f" after {shown(one.reply)}" if one.reply else ""
        text = f"waits for attempt {one.attempts + 1}{said}; about {when}"
        if facts.expires and at >= facts.expires:
            text = f"{text}, when its lifetime is over"
        return Answer("scheduled", "retry", text, at, also=also)
    if one.window:
        return Answer(
            "scheduled", "window", f"outside its delivery window; opens about {when}", at, also=also
        )
    return Answer("scheduled", "not_before", f"its time has not come; about {when}", at, also=also)


def _lane(facts: Facts, stops: list[Stop]) -> Answer:
    ahead, own_ahead = _ahead(facts)
    at = _time(facts, stops, ahead, own_ahead)
    limits = list(_limits(facts))
    state = "packed" if facts.packed is not None else "held" if facts.closed else "waiting"
    turn = _turn(facts)
    shut = some_shut(facts)
    if stops:
        first = deciding(stops)
        also = [stop.text for stop in stops if stop is not first] + [text for _, text in limits] + turn + shut
        text = _said([first.text], at if first.at else 0, facts.now)
        return Answer(state, first.reason, text, at, ahead, tuple(also))
    if limits:
        reason, text = limits[0]
        also = [other for _, other in limits[1:]] + shut
        return Answer(state, reason, _said([text, *turn], at, facts.now), at, ahead, tuple(also))
    if facts.packed is not None:
        site = facts.path.site if facts.path else "its site"
        text = f"{site}: in a pack behind {many(ahead, 'message')}; opened as its lane runs dry"
        return Answer(state, "shelf", _said([text], at, facts.now), at, ahead, tuple(shut))
    if ahead:
        text = f"{many(ahead, 'message')} of its path {'goes' if ahead == 1 else 'go'} before it"
        return Answer(state, "turn", _said([*turn, text], at, facts.now), at, ahead, tuple(shut))
    return Answer(state, "next", _said(["next in turn"], at, facts.now), at, 0, tuple(shut))


def _packed(facts: Facts, stops: list[Stop]) -> Answer:
    one = facts.packed
    assert one is not None
    also = tuple(stop.text for stop in stops)
    if one.where == "opening":
        return Answer("packed", "opening", "its pack is being opened; it enters a lane now", 0, 0, also)
    if stops:
        first = deciding(stops)
        rest = tuple(stop.text for stop in stops if stop is not first)
        return Answer("packed", first.reason, first.text, 0, facts.ahead, rest)
    text = f"in the store behind {many(facts.ahead, 'recipient')} of its campaign"
    if one.ready >= one.ready_most > 0 and not one.asked:
        text = f"{text}; enough {facts.cls} mail is ready ({one.ready:,} in lanes, opened below {one.ready_most:,})"
        return Answer("packed", "ready_full", text, 0, facts.ahead, also)
    return Answer("packed", "expander", f"{text}; an expander opens packs by turns", 0, facts.ahead, also)


def _limits(facts: Facts) -> Iterator[tuple[str, str]]:
    """Give what limits its path now, what binds most first."""
    path = facts.path
    if path is None:
        return
    rate_at = by_rate(path.interval, path.tolerance, path.tat, facts.now, 0)
    # Of four connections or more one is kept for the classes above bulk.
    most = path.connections - 1 if facts.cls == "bulk" and path.connections >= 4 else path.connections
    found = []
    if path.interval > 0 and rate_at > facts.now:
        rate = f"{per_second(path.interval)}{f' ({path.slower})' if path.slower else ''}"
        text = f"{path.site}: rate of {rate} is used up until {clock(int(rate_at), facts.now)}"
        found.append(("rate", text))
    if path.connections and path.busy >= most:
        kept = " (one is kept for higher classes)" if path.busy < path.connections else ""
        fewer = " (its receiver refused more)" if path.fewer else ""
        text = f"{path.site}: {path.busy} of {path.connections} connections in use{kept}{fewer}"
        found.append(("connections", text))
    if facts.higher:
        found.append(("class", f"{many(facts.higher, 'message')} of higher classes before it"))
    yield from found


def _turn(facts: Facts) -> list[str]:
    said = []
    for turn in (facts.tenant, facts.campaign):
        if turn is not None and turn.others:
            said.append(f"{turn.name} is {ordinal(turn.place)} in turn of {len(turn.others) + 1}")
    return said


def _ahead(facts: Facts) -> tuple[int, dict[str, int]]:
    """Return what goes before it on its path, and of each scope's own messages."""
    of_tenant = before(facts.campaign, facts.ahead)
    return before(facts.tenant, of_tenant) + facts.higher, {"campaign": facts.ahead, "tenant": of_tenant}


def _time(facts: Facts, stops: list[Stop], ahead: int, own_ahead: dict[str, int]) -> int:
    path = facts.path
    if path is None or any(not stop.at for stop in stops):
        return 0
    times = [float(facts.now), *(float(stop.at) for stop in stops)]
    start = int(max(times))
    paced = _paced(path, start, ahead)
    if paced is None:
        return 0
    times.append(paced)
    for own in facts.own:
        times.append(own_time(own, facts.now, own_ahead.get(own.scope.partition(" ")[0], ahead)))
    return int(max(times))


def _paced(path: Path, start: int, ahead: int) -> float | None:
    limited = by_rate(path.interval, path.tolerance, path.tat, start, ahead) if path.interval > 0 else None
    paced = by_pace(path, start, ahead)
    if limited is None or paced is None:
        return (
            limited if paced is None else paced
        )  # a rate alone is what the path keeps to, when sessions can
    return max(limited, paced)


def _said(parts: list[str], at: int, now: int) -> str:
    when = [] if not at else ["within a second"] if at - now < SOON else [f"about {clock(at, now)}"]
    return "; ".join([*parts, *when])
