"""Snapshots of several processes as one: living ones added up, the totals of dead ones kept in a base."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from mta.metrics.meter import Series

Cells = dict[tuple[str, ...], list[float]]


@dataclass(slots=True)
class Totals:
    """Added-up series by metric name."""

    counters: dict[str, Series] = field(default_factory=lambda: defaultdict(dict))
    gauges: dict[str, Series] = field(default_factory=lambda: defaultdict(dict))
    histograms: dict[str, Cells] = field(default_factory=lambda: defaultdict(dict))

    def add(self, snapshot: dict[str, Any], *, gauges: bool = True) -> None:
        """Add a process's totals; its gauges only while it lives."""
        _add(self.counters, snapshot["counters"])
        if gauges:
            _add(self.gauges, snapshot["gauges"])
        for name, rows in snapshot["histograms"].items():
            for labels, cells in rows:
                known = self.histograms[name].setdefault(tuple(labels), [0.0] * len(cells))
                for number, value in enumerate(cells):
                    known[number] += value


class Merged:
    """The latest snapshot of each process, by its name."""

    def __init__(self) -> None:
        self._base = Totals()
        self._latest: dict[str, dict[str, Any]] = {}

    def update(self, name: str, snapshot: dict[str, Any]) -> None:
        """Take a process's cumulative snapshot; a new `started` means that the one before has died."""
        old = self._latest.get(name)
        if old is not None and old["started"] != snapshot["started"]:
            self.gone(name)
        self._latest[name] = snapshot

    def gone(self, name: str) -> None:
        """Keep a dead process's totals and forget its gauges."""
        snapshot = self._latest.pop(name, None)
        if snapshot is not None:
            self._base.add(snapshot, gauges=False)

    def totals(self) -> Totals:
        """Return the sums over all processes, living and dead."""
        out = Totals()
        for name, series in self._base.counters.items():
            out.counters[name].update(series)
        for name, cells in self._base.histograms.items():
            out.histograms[name].update({labels: list(values) for labels, values in cells.items()})
        for snapshot in self._latest.values():
            out.add(snapshot)
        return out


def _add(target: dict[str, Series], table: dict[str, list[list[Any]]]) -> None:
    for name, rows in table.items():
        series = target[name]
        for labels, value in rows:
            key = tuple(labels)
            series[key] = series.get(key, 0) + value
