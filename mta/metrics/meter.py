"""The counters of one process: plain integers in dicts, a tenth of the cost of a client library's objects."""

from bisect import bisect_left
from typing import Any, Final

from mta.metrics.catalogue import BY_NAME, METRICS

MAX_SERIES: Final = 5000
"""Series of one metric in one process; what comes after is counted under `other`."""
OTHER: Final = "other"

Series = dict[tuple[str, ...], float]


class Meter:
    """Counts; a name that is not in the catalogue is a KeyError at once. For one thread."""

    def __init__(self, started: float) -> None:
        """`started` tells one life of a process from the next: any number that differs."""
        self.started = started
        self._counters: dict[str, Series] = {m.name: {} for m in METRICS if m.kind == "counter"}
        self._gauges: dict[str, Series] = {m.name: {} for m in METRICS if m.kind == "gauge"}
        # For each series: a count per bucket, one for what lies above, and the sum.
        self._histograms: dict[str, dict[tuple[str, ...], list[float]]] = {
            m.name: {} for m in METRICS if m.kind == "histogram"
        }

    def count(self, name: str, *labels: str, n: float = 1) -> None:
        """Add to a counter; labels in the order of the catalogue."""
        series = self._counters[name]
        if labels in series:
            series[labels] += n
        else:
            labels = _bounded(name, labels, len(series))
            series[labels] = series.get(labels, 0) + n

    def gauge(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        series = self._gauges[name]
        if labels not in series:
            labels = _bounded(name, labels, len(series))
        series[labels] = value

    def gauges(self, name: str, values: Series) -> None:
        """Set all series of a gauge at once; those not named end."""
        self._gauges[name].clear()
        for labels, value in values.items():
            self.gauge(name, value, *labels)

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Add a measured value to a histogram."""
        cells = self._histograms[name].get(labels)
        buckets = BY_NAME[name].buckets
        if cells is None:
            labels = _bounded(name, labels, len(self._histograms[name]))
            cells = self._histograms[name].setdefault(labels, [0.0] * (len(buckets) + 2))
        cells[bisect_left(buckets, value)] += 1
        cells[-1] += value

    def snapshot(self) -> dict[str, Any]:
        """Return all totals so far as plain lists and numbers, fit for JSON, msgpack and pickle."""
        return {
            "started": self.started,
            "counters": _plain(self._counters),
            "gauges": _plain(self._gauges),
            "histograms": {
                name: [[list(labels), list(cells)] for labels, cells in series.items()]
                for name, series in self._histograms.items()
                if series
            },
        }


def joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the snapshots of two meters of one process as one; a metric that both have is the second's."""
    kinds = ("counters", "gauges", "histograms")
    return {"started": one["started"]} | {kind: one[kind] | other[kind] for kind in kinds}


def _plain(table: dict[str, Series]) -> dict[str, list[list[Any]]]:
    return {
        name: [[list(labels), value] for labels, value in series.items()]
        for name, series in table.items()
        if series
    }


def _bounded(name: str, labels: tuple[str, ...], known: int) -> tuple[str, ...]:
    wanted = BY_NAME[name].labels
    if len(labels) != len(wanted):
        raise ValueError(f"metric {name} has the labels {wanted}, not {labels}")
    return labels if known < MAX_SERIES else (OTHER,) * len(wanted)
