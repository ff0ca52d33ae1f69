"""What the DNS said, remembered: bounded by records, by TTL with clamps, with absence and failure kept too.

An answer whose time is over is kept a while longer and used when nobody answers any more (RFC 8767): a name server
that is down must not stop mail to hosts that are up.
"""

from collections import OrderedDict
from dataclasses import dataclass

from mta.net.question import Answer, Unroutable

Key = tuple[str, str]  # name and type
STALE_SECONDS = 30.0  # for which an old answer is used before the DNS is asked again (RFC 8767 section 4)


@dataclass(frozen=True, slots=True)
class Memory:
    """How many records are kept and for how long, in seconds, whatever the DNS says."""

    entries: int = 100_000
    least_ttl: float = 30.0
    most_ttl: float = 86400.0
    negative_ttl: float = 60.0  # the most that absence is believed
    stale: float = 86400.0  # how much longer an answer may be used while the DNS is silent; 0 = not at all
    failure_ttl: float = 5.0  # for which silence is not asked again (RFC 9520 section 3.2: 1 s to 5 min)


@dataclass(slots=True)
class Kept:
    """An answer and its times; `names` is a place for what was worked out of it once."""

    fresh_until: float
    stale_until: float
    answer: Answer | None  # None: the question failed
    why: str = ""
    names: tuple[str, ...] = ()


class Recall:
    """The answers of one resolver, the least lately used of which go first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self.records = 0  # held; an answer without records counts as one

    def __repr__(self) -> str:
        return f"<Recall {len(self._kept)} answers, {self.records} records>"

    def fresh(self, key: Key, now: float) -> tuple[Answer, float] | None:
        """Return the answer that holds at `now` and its seconds left; raise Unroutable for a fresh failure."""
        kept = self.peek(key, now)
        if kept is None:
            return None
        if kept.answer is None:
            raise Unroutable(451, kept.why)
        return kept.answer, kept.fresh_until - now

    def peek(self, key: Key, now: float) -> Kept | None:
        """Return what is kept and holds at `now`, be it a failure."""
        kept = self._kept.get(key)
        if kept is None or kept.fresh_until <= now:
            return None
        self._kept.move_to_end(key)
        return kept

    def put(self, key: Key, answer: Answer, memory: Memory, now: float) -> None:
        """Keep an answer for its TTL within the clamps."""
        ttl = min(max(answer.ttl, memory.least_ttl), memory.most_ttl)
        if answer.values:
            self._keep(key, Kept(now + ttl, now + ttl + memory.stale, answer), memory)
        else:
            # Absence is never used after its time: the name may exist by now.
            until = now + min(ttl, memory.negative_ttl)
            self._keep(key, Kept(until, until, answer), memory)

    def failed(self, key: Key, why: str, memory: Memory, now: float) -> Answer | None:
        """Note that nobody answered; return the old answer where one may still be used."""
        kept = self._kept.get(key)
        # Old TLSA records must not vouch for anybody, and without an answer nobody is sent to (RFC 7672 2.1.2).
        if kept is not None and kept.answer is not None and kept.stale_until > now and key[1] != "TLSA":
            kept.fresh_until = min(now + STALE_SECONDS, kept.stale_until)
            return kept.answer
        self._keep(key, Kept(now + memory.failure_ttl, now, None, why), memory)
        return None

    def _keep(self, key: Key, kept: Kept, memory: Memory) -> None:
        old = self._kept.pop(key, None)
        self.records += _size(kept) - (_size(old) if old else 0)
        self._kept[key] = kept
        while self.records > memory.entries and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self.records -= _size(gone)


def _size(kept: Kept) -> int:
    return max(1, len(kept.answer.values)) if kept.answer else 1
