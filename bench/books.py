"""The books of a run: who was submitted, what was told of them, where they stand, and whether it adds up.

Pure: events and a picture of the queue go in, faults come out. What is proved is that, per recipient, accepted =
delivered + bounced + expired + suppressed + purged + failed + queued + in flight, and that each has one final event.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.snapshot import Name, Scope, Waiting
from mta.event import FINAL

SHOWN = 5  # faults of a kind that are named; the others are counted
_CONFLICT = "key_conflict"  # refuses the second bytes of a key, not the first
_MAIL = ("message", "recipients")  # kinds of entries with recipients

Key = tuple[str, str]  # tenant, idempotency key


@dataclass(frozen=True, slots=True)
class Entry:
    """A mail entry that a producer has handed in: the names of its recipients by row."""

    tenant: str
    campaign: str
    key: str
    names: tuple[str, ...]
    sure: bool = True  # XADD has answered; without an answer it may be there or not


@dataclass(slots=True)
class Verdict:
    """The sums, and what is wrong with them by kind of fault; nothing is wrong when `faults` is empty."""

    sums: dict[str, int]
    faults: dict[str, list[str]]

    @property
    def holds(self) -> bool:
        """Whether it adds up."""
        return not self.faults

    def document(self) -> dict[str, Any]:
        """As JSON: the sums, and of each kind of fault how often and the first few."""
        told = {kind: {"count": len(rows), "first": rows[:SHOWN]} for kind, rows in self.faults.items()}
        return {"holds": self.holds, "sums": self.sums, "faults": told}


@dataclass(slots=True)
class Told:
    """What the events say, each counted once by its `eid`; fed in any order, repeats and all."""

    finals: dict[Name, list[str]] = field(default_factory=dict)  # name -> kinds
    unnamed: Counter[tuple[Scope, str]] = field(default_factory=Counter)  # finals that stand for many
    accepted: dict[Key, tuple[int, int]] = field(default_factory=dict)  # count, refused
    refused: set[Key] = field(default_factory=set)  # whole entries
    rows: dict[Key, set[int]] = field(default_factory=lambda: defaultdict(set))  # refused rows
    number: int = 0
    repeats: int = 0  # the same event again
    reused: list[str] = field(default_factory=list)  # one eid, two different events
    _seen: dict[str, int] = field(default_factory=dict)

    def add(self, event: Mapping[str, str]) -> None:
        """Count one event of the stream."""
        kind, eid = event["event"], event["eid"]
        self.number += 1
        # Times may differ where a step was done again; what it says of whom may not.
        mark = hash((kind, event.get("id"), event.get("key"), event.get("row"), event.get("count")))
        if eid in self._seen:
            self.repeats += 1
            if self._seen[eid] != mark:
                self.reused.append(f"{eid} is the id of two different events")
            return
        self._seen[eid] = mark
        tenant = event.get("tenant", "")
        key, scope = (tenant, event.get("key", "")), (tenant, event.get("campaign", ""))
        if kind in FINAL and "async" not in event:
            self._final(event, kind, scope)
        elif kind == "accepted" and event.get("repeat") != "1" and event.get("kind") in _MAIL:
            self.accepted[key] = (int(event.get("count", 0)), int(event.get("refused", 0)))
        elif kind == "rejected" and "row" in event:
            self.rows[key].add(int(event["row"]))
        elif kind == "rejected" and event.get("code") != _CONFLICT:
            self.refused.add(key)

    def _final(self, event: Mapping[str, str], kind: str, scope: Scope) -> None:
        # A purge by campaign, and a pack or an item that can't be read, know how many they are and not who.
        name = event.get("id", "")
        if not name or (kind == "failed" and "rcpt" not in event and name.startswith("item.")):
            self.unnamed[scope, kind] += int(event.get("count", 1))
        else:
            self.finals.setdefault((scope[0], name), []).append(kind)

    @property
    def done(self) -> int:
        """How many recipients have a final event."""
        return len(self.finals) + sum(self.unnamed.values())


def check(entries: Iterable[Entry], events: Iterable[Mapping[str, str]], waiting: Waiting) -> Verdict:
    """Return whether it adds up: all entries handed in, all events up to `waiting.last`, and what stood where then."""
    told = Told()
    for event in events:
        told.add(event)
    return balance(entries, told, waiting)


@dataclass(slots=True)
class _Part:
    """One scope's sums."""

    counted: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)  # accepted, and nowhere by name
    to_come: int = 0  # rows of entries that are being taken in, not there yet
    arrived: int = 0  # and those that are


class _Faults(defaultdict[str, list[str]]):
    def __init__(self) -> None:
        super().__init__(list)


def balance(entries: Iterable[Entry], told: Told, waiting: Waiting) -> Verdict:
    """As `check`, of events that were counted before."""
    faults = _Faults()
    if told.reused:
        faults["eid reused"] = list(told.reused)
    unread = {(one["tenant"].decode(), one["key"].decode()) for _, one in waiting.unread if "key" in one}
    known: set[Name] = set()
    parts: dict[Scope, _Part] = defaultdict(_Part)
    for entry in entries:
        key = (entry.tenant, entry.key)
        bad = told.rows.get(key, set())
        names = [(entry.tenant, name) for row, name in enumerate(entry.names) if row not in bad]
        accepted = key in told.accepted
        if accepted and told.accepted[key] != (len(names), len(bad)):
            said = "{} accepted, {} refused".format(*told.accepted[key])
            faults["miscounted"].append(f"{key}: {said}; {len(bad)} of {len(entry.names)} rows were refused")
        elif not accepted and key in told.refused:
            continue
        elif not accepted and entry.sure and key not in unread:
            faults["forgotten"].append(
                f"{key} was handed in; it is neither accepted, refused nor left to read"
            )
        known.update(names)
        part = parts[entry.tenant, entry.campaign]
        for name in names:
            _recipient(name, accepted, told, waiting, part, faults)
    for name in (told.finals.keys() | waiting.queued.keys() | waiting.flying.keys()) - known:
        faults["foreign"].append(f"{name} was never accepted")
    unnamed: dict[Scope, int] = Counter()
    for (scope, kind), count in told.unnamed.items():
        parts[scope].counted[kind] += count
        unnamed[scope] += count
    sums = Counter[str]()
    for scope, part in parts.items():
        _scope(scope, part, unnamed[scope], waiting.totals.get(scope, {}), faults)
        sums += part.counted
    out = {name: sums[name] for name in ("accepted", *sorted(FINAL), "queued", "flying")}
    out["arriving"] = sum(part.arrived for part in parts.values())
    out |= {"unread": len(unread), "events": told.number, "repeats": told.repeats}
    return Verdict(out, dict(faults))


def _recipient(
    name: Name, accepted: bool, told: Told, waiting: Waiting, part: _Part, faults: _Faults
) -> None:
    finals, counted = told.finals.get(name, ()), part.counted
    queued, flying = waiting.queued[name], waiting.flying[name]
    counted["accepted"] += accepted
    counted["queued"] += queued
    counted["flying"] += flying
    for kind in finals:
        counted[kind] += 1
    if len(finals) > 1:
        faults["double final"].append(f"{name}: {', '.join(sorted(finals))}")
    if finals and queued + flying:
        faults["final and waiting"].append(f"{name}: {finals[0]}, {queued} queued, {flying} in flight")
    if queued + flying > 1:
        faults["twice in the queue"].append(f"{name}: {queued} queued, {flying} in flight")
    there = bool(finals or queued + flying)
    if accepted and not there:
        part.missing.append(name[1])
    elif not accepted:
        # Its entry is being taken in: each row is there already, or still in the entry alone.
        part.arrived += there
        part.to_come += not there


def _scope(scope: Scope, part: _Part, unnamed: int, totals: Mapping[str, int], faults: _Faults) -> None:
    missing = len(part.missing)
    # Rows that a purge dropped may be of an entry that is only half put.
    extra = min(max(0, unnamed - missing), part.to_come)
    part.arrived += extra
    if missing > unnamed:
        some = f", such as {', '.join(part.missing[:SHOWN])}" if not unnamed else ""
        faults["lost"].append(f"{scope}: {missing} are nowhere by name{some}; {unnamed} dropped without one")
    elif unnamed > missing + extra:
        faults["too many"].append(f"{scope}: {unnamed} dropped without a name, but only {missing} are gone")
    # The engine's own totals change in the same step as what they count, so they are right at every instant.
    expected = {kind: part.counted[kind] for kind in FINAL}
    expected["accepted"] = part.counted["accepted"] + part.arrived
    for kind, number in expected.items():
        if totals.get(kind, 0) != number:
            faults["wrong total"].append(f"{scope}: {kind} is {totals.get(kind, 0)}, events say {number}")
