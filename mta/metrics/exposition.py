"""Totals in Prometheus's text format, by a collector of our own: the client library keeps no numbers for us."""

from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from mta import __version__
from mta.metrics.catalogue import METRICS, PREFIX
from mta.metrics.merged import Totals
from mta.metrics.sites import Busiest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Exposition(Collector):
    """Reads `totals` at each scrape. `page` takes milliseconds per thousand series: call it in a thread."""

    def __init__(self, totals: Callable[[], Totals], *, sites: int = 50) -> None:
        self._totals = totals
        self._busiest = Busiest(sites)
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def show_sites(self, sites: int) -> None:
        """Give so many receiving sites series of their own from the next scrape on."""
        self._busiest.most = sites

    def page(self) -> bytes:
        """Return the page that /metrics serves, of type CONTENT_TYPE."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric that has a series, for the client library."""
        totals = self._totals()
        self._busiest.choose(totals.counters)
        build = GaugeMetricFamily(PREFIX + "build_info", "The running version.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        for metric in METRICS:
            name = PREFIX + metric.name
            if metric.kind == "counter":
                counter = CounterMetricFamily(name, metric.help, labels=metric.labels)
                series = totals.counters.get(metric.name) or ({} if metric.labels else {(): 0})
                for labels, value in self._busiest.counters(metric.name, series).items():
                    counter.add_metric(labels, value)
                yield counter
            elif metric.kind == "gauge":
                gauge = GaugeMetricFamily(name, metric.help, labels=metric.labels)
                for labels, value in self._busiest.gauges(
                    metric.name, totals.gauges.get(metric.name, {})
                ).items():
                    gauge.add_metric(labels, value)
                yield gauge
            else:
                histogram = HistogramMetricFamily(name, metric.help, labels=metric.labels)
                bounds = [*(repr(bucket) for bucket in metric.buckets), "+Inf"]
                for labels, cells in totals.histograms.get(metric.name, {}).items():
                    sums = list(accumulate(cells[:-1]))
                    histogram.add_metric(labels, list(zip(bounds, sums, strict=True)), cells[-1])
                yield histogram
