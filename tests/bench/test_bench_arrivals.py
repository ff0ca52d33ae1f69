"""What the benches make of arrivals: percentiles, bursts, the judgement of a site."""

import random
from pathlib import Path

import pytest

from bench.arrivals import Arrival, excess, percentiles, read
from bench.latency import KINDS, domain_of
from bench.shaping import Options, judge


def test_arrivals_are_read_as_the_sink_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "arrivals"
    path.write_text("1.5\t127.0.0.1\ts@x\ta@b.example,c@d.example\t<m>\n2.0\t127.0.0.1\t\te@f.example\t<n>\n")
    assert list(read(path)) == [
        Arrival(1.5, "a@b.example"),
        Arrival(1.5, "c@d.example"),
        Arrival(2.0, "e@f.example"),
    ]
    assert next(read(path)).domain == "b.example"


def test_percentiles_of_nothing_and_of_a_hundred() -> None:
    assert percentiles([]) == {"count": 0}
    found = percentiles([float(n) for n in range(100, 0, -1)])
    assert found == {"count": 100, "p50": 51.0, "p90": 91.0, "p99": 100.0, "max": 100.0}


@pytest.mark.parametrize(
    "times, deepest",
    [([0.0, 0.1, 0.2, 0.3], 1.0), ([0.0] * 7, 7.0), ([0.0, 0.0, 0.0, 10.0, 10.0], 3.0), ([], 0.0)],
)
def test_the_burst_is_the_depth_of_the_bucket_that_it_would_fill(times: list[float], deepest: float) -> None:
    assert excess(times, 10.0) == pytest.approx(deepest)


def test_what_a_bucket_lets_through_never_exceeds_its_depth() -> None:
    chance, level, last, through = random.Random(7), 0.0, 0.0, []
    for at in sorted(chance.uniform(0, 60) for _ in range(9000)):
        level, last = max(0.0, level - (at - last) * 50), at
        if level + 1 <= 10:
            level += 1
            through.append(at)
    assert excess(through, 50.0) <= 10.0 + 1e-6
    assert excess(through, 25.0) > 10.0


def test_a_site_over_its_limits_is_told() -> None:
    times = [n / 60 for n in range(60 * 70)]
    row = judge(times, 5, Options(seconds=60), "both")
    assert row["rate_error"] == pytest.approx(0.2, abs=0.001)
    assert row["connections_over"] == 2
    assert row["burst"] > row["burst_limit"]
    assert "rate" not in judge(times, 5, Options(seconds=60), "connections")


def test_half_of_the_probes_go_to_busy_sites_and_a_fifth_to_cold_ones() -> None:
    kinds = [domain_of(number)[0] for number in range(1000)]
    assert (kinds.count("busy"), kinds.count("cold")) == (500, 200)
    cold = [domain_of(number)[1] for number in range(1000) if KINDS[number % 10] == "cold"]
    assert len(set(cold)) == len(cold), "a cold site is met once"
