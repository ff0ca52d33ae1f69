"""Counters, their merge over processes and lives, and the page Prometheus reads."""

import json
import pickle
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mta.metrics import meter as meters
from mta.metrics.catalogue import BY_NAME, METRICS, PREFIX
from mta.metrics.exposition import Exposition
from mta.metrics.merged import Merged
from mta.metrics.meter import Meter
from mta.metrics.sites import Busiest

SENT = "messages_delivered_total"


def samples(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def sent(found: dict[tuple[str, tuple[tuple[str, str], ...]], float]) -> dict[str, float]:
    return {dict(labels)["site"]: value for (name, labels), value in found.items() if name == PREFIX + SENT}


def test_the_catalogue_follows_the_naming_rules() -> None:
    assert len(BY_NAME) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"[a-z][a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.help.endswith("."), metric.name
        assert (metric.kind == "histogram") == bool(metric.buckets)
        assert metric.buckets == tuple(sorted(set(metric.buckets)))
        if metric.kind == "histogram":
            assert metric.name.endswith("_seconds")
            assert "site" not in metric.labels
        assert not {"recipient", "message", "campaign", "tenant", "id"} & set(metric.labels)


def test_an_unknown_name_or_wrong_labels_are_errors() -> None:
    meter = Meter(1)
    with pytest.raises(KeyError):
        meter.count("messages_delivred_total")
    with pytest.raises(ValueError, match="has the labels"):
        meter.count(SENT, "gmail.com")


def test_a_page_shows_what_was_counted() -> None:
    meter = Meter(1)
    meter.count(SENT, "x.example", "default")
    meter.count(SENT, "x.example", "default", n=4)
    meter.gauge("in_flight_messages", 12)
    meter.gauge("smtp_connections", 3, "x.example")
    for value in (0.0001, 0.3, 99.0):
        meter.observe("prepare_seconds", value)
    merged = Merged()
    merged.update("w1", meter.snapshot())
    found = samples(Exposition(merged.totals).page())
    assert found[(PREFIX + SENT, (("pool", "default"), ("site", "x.example")))] == 5
    assert found[("mta_in_flight_messages", ())] == 12
    assert found[("mta_smtp_connections", (("site", "x.example"),))] == 3
    assert found[("mta_prepare_seconds_count", ())] == 3
    assert found[("mta_prepare_seconds_sum", ())] == pytest.approx(99.3001)
    assert found[("mta_prepare_seconds_bucket", (("le", "0.0001"),))] == 1
    assert found[("mta_prepare_seconds_bucket", (("le", "0.5"),))] == 2
    assert found[("mta_prepare_seconds_bucket", (("le", "+Inf"),))] == 3
    assert found[("mta_lease_lost_total", ())] == 0  # a counter without labels is there from the start
    assert any(name == "mta_build_info" for name, _ in found)


def test_snapshots_travel_as_plain_data() -> None:
    meter = Meter(1)
    meter.count(SENT, "x", "p")
    meter.observe("delivery_seconds", 3.0, "bulk")
    meter.gauges("smtp_connections", {("x",): 1})
    snapshot = meter.snapshot()
    for copy in (json.loads(json.dumps(snapshot)), pickle.loads(pickle.dumps(snapshot))):
        merged = Merged()
        merged.update("w", copy)
        assert merged.totals().counters[SENT] == {("x", "p"): 1}
        assert merged.totals().histograms["delivery_seconds"][("bulk",)][-1] == 3.0
    meter.gauges("smtp_connections", {})
    assert "smtp_connections" not in meter.snapshot()["gauges"]


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["count", "die", "silent"])), max_size=40))
@settings(max_examples=100, deadline=None)
def test_no_count_is_lost_or_doubled_however_workers_die(steps: list[tuple[int, str]]) -> None:
    merged = Merged()
    lives = [Meter(n) for n in range(3)]
    total = births = 0
    for worker, what in steps:
        if what == "count":
            lives[worker].count("lease_lost_total")
            lives[worker].observe("prepare_seconds", 1.0)
            lives[worker].gauge("in_flight_messages", 1)
            total += 1
        elif what == "die":  # the supervisor sees the death
            merged.update(f"w{worker}", lives[worker].snapshot())
            merged.gone(f"w{worker}")
        if what != "count":  # in both cases another life begins; a silent death shows in `started` alone
            births += 1
            lives[worker] = Meter(1000 + births)
        merged.update(f"w{worker}", lives[worker].snapshot())
        merged.update(f"w{worker}", lives[worker].snapshot())
    found = merged.totals()
    assert found.counters["lease_lost_total"].get((), 0) == total
    assert sum(found.histograms["prepare_seconds"].get((), [0, 0])[:-1]) == total
    living = sum(1 for life in lives if life.snapshot()["gauges"])
    assert found.gauges["in_flight_messages"].get((), 0) == living


def test_one_process_keeps_a_bounded_number_of_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "MAX_SERIES", 10)
    meter = Meter(1)
    for n in range(100):
        meter.count(SENT, f"d{n}.example", "p")
        meter.gauge("smtp_connections", 1, f"d{n}.example")
        meter.observe("redis_call_seconds", 1, f"s{n}")
    snapshot = meter.snapshot()
    assert len(snapshot["counters"][SENT]) == 11
    assert sum(value for _, value in snapshot["counters"][SENT]) == 100
    assert len(snapshot["gauges"]["smtp_connections"]) == 11
    assert len(snapshot["histograms"]["redis_call_seconds"]) == 11


def test_the_busiest_sites_are_shown_and_the_rest_is_one() -> None:
    meter, merged = Meter(1), Merged()
    for n in range(10):
        meter.count(SENT, f"d{n}", "p", n=10 * (n + 1))
        meter.gauge("smtp_connections", 1, f"d{n}")
    merged.update("w", meter.snapshot())
    found = samples(Exposition(merged.totals, sites=2).page())
    assert sent(found) == {"d9": 100, "d8": 90, "other": 360}
    assert found[("mta_smtp_connections", (("site", "other"),))] == 8


@given(
    st.lists(st.dictionaries(st.sampled_from("abcde"), st.integers(1, 50)), max_size=12), st.integers(0, 3)
)
@settings(max_examples=150, deadline=None)
def test_no_shown_counter_ever_falls_and_nothing_is_counted_twice(
    rounds: list[dict[str, int]], most: int
) -> None:
    busiest = Busiest(most)
    totals: dict[tuple[str, ...], float] = {}
    before: dict[tuple[str, ...], float] = {}
    for grown in rounds:
        for site, n in grown.items():
            totals[(site, "p")] = totals.get((site, "p"), 0) + n
        busiest.choose({SENT: totals})
        now = busiest.counters(SENT, totals)
        assert len(now) <= most + 1
        assert all(now[labels] >= value for labels, value in before.items() if labels in now)
        assert sum(now.values()) <= sum(totals.values())
        before = now


def test_a_busy_site_does_not_flicker_at_the_edge() -> None:
    busiest = Busiest(1)
    shown = []
    totals: dict[tuple[str, ...], float] = {("a", "p"): 10, ("b", "p"): 9}
    for n in range(6):
        totals[("ab"[n % 2], "p")] += 3
        busiest.choose({SENT: totals})
        shown.append(set(busiest.shown))
    assert shown == [{"a"}] * 6
    totals[("b", "p")] = 100
    busiest.choose({SENT: totals})
    assert busiest.shown == {"b"}
