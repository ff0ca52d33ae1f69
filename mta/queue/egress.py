"""Read-only questions about sources: who is suspended or limited, and how far who is warmed up."""

from dataclasses import dataclass, field

from mta.queue.control import Control, Gate, Scope
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.terms import TermsBook
from mta.queue.warmbook import REST, WarmBook
from mta.throttle.pools import Pools, Source
from mta.throttle.warmup import Counts, Position, cap, day_at


@dataclass(frozen=True, slots=True)
class Climb:
    """A source's warm-up with one provider ("*": all sites without a ladder of their own), and its mail of today."""

    provider: str
    position: Position
    stages: int
    cap: int  # messages a day, -1: no bound any more
    today: Counts


@dataclass(slots=True)
class SourceReport:
    """One source: its gate, its own rate (messages per second, 0 = none), its warm-up, in order of providers."""

    source: Source
    pools: dict[str, float] = field(default_factory=dict)  # by weight
    gate: Gate | None = None
    rate: float = 0.0
    climbs: list[Climb] = field(default_factory=list)
    alone: str = ""  # the pool whose paths are this source's own, if there is one

    @property
    def state(self) -> str:
        """In a word: suspended, or open."""
        return self.gate.state if self.gate else "open"

    @property
    def warmth(self) -> str:
        """In a few words how far it is warmed up; empty: it is warm."""
        if self.source.warm:
            return ""
        if not self.climbs:
            return "not begun"
        open_ = [one for one in self.climbs if not one.position.ended]
        if not open_:
            return "warm: set warm = true"
        stages = [one.position.stage + 1 for one in open_]
        low, high = min(stages), max(stages)
        held = sum(bool(one.position.held) for one in open_)
        said = f"stage {low}" if low == high else f"stages {low} to {high}"
        return f"{said} of {open_[0].stages}" + (f", {held} held" if held else "")


class Egress:
    """Asks for all sources at once."""

    def __init__(self, client: Client, keys: Keys, pools: Pools) -> None:
        self.pools = pools
        self.control = Control(client, keys)
        self.terms = TermsBook(client, keys)
        self.book = WarmBook(client, keys)

    async def report(self) -> list[SourceReport]:
        """Return what holds now, in the order of the settings."""
        gates = await self.control.gates()
        positions = await self.book.positions() if self.pools.warming else {}
        today = day_at(await self.book.now())
        counts = await self.book.counts(today) if self.pools.warming else {}
        found = []
        for source in self.pools.sources.values():
            scope = Scope.of_source(source.name).text
            one = SourceReport(source, gate=gates.get(scope))
            one.pools = {
                pool: given[source.name] for pool, given in self.pools.pools.items() if source.name in given
            }
            one.alone = next((pool for pool in one.pools if pool in self.pools.alone), "")
            terms = await self.terms.get(scope)
            one.rate = terms.rate if terms else 0.0
            if not source.warm:
                one.climbs = [
                    Climb(
                        provider, at, len(source.ladder), cap(at, source.ladder),
                        counts.get((name, provider), Counts()),
                    )
                    for (name, provider), at in sorted(positions.items(), key=_last_the_rest)
                    if name == source.name
                ]  # fmt: skip
            found.append(one)
        return found


def _last_the_rest(row: tuple[tuple[str, str], Position]) -> tuple[bool, str]:
    provider = row[0][1]
    return provider == REST, provider
