"""What the sink wrote of each message it took (bench.sink --arrivals): when, from whom, for whom."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Arrival:
    """One accepted message, at the receiver's clock."""

    at: float
    rcpt: str

    @property
    def domain(self) -> str:
        """The recipient's domain."""
        return self.rcpt.rpartition("@")[2]


def read(path: Path) -> Iterator[Arrival]:
    """Yield the arrivals of a file, in their order."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            at, _, _, recipients, _ = line.rstrip("\n").split("\t")
            for rcpt in recipients.split(","):
                yield Arrival(float(at), rcpt)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return count, p50, p90, p99 and max of some values."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0}

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    return {"count": len(ordered), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": ordered[-1]}


def excess(times: Sequence[float], rate: float) -> float:
    """Return the most messages by which arrivals ever ran ahead of `rate` per second: the burst they showed.

    The least depth of a bucket, filled at that rate, that would have let all of them through.
    """
    level = deepest = 0.0
    last = times[0] if times else 0.0
    for at in times:
        level = max(0.0, level - (at - last) * rate) + 1
        last = at
        deepest = max(deepest, level)
    return deepest
