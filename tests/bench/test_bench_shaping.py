"""The bench of shaping asks for the limits it judges by, and a real run keeps within the connections allowed."""

import tomllib
from pathlib import Path

import pytest

from bench.shaping import (
    BURST,
    CONNECTIONS,
    RATE,
    SITES,
    WITH_RATE,
    Options,
    domain,
    judge,
    measure,
    shaping_file,
)


def test_the_limits_written_are_those_judged_by(tmp_path: Path) -> None:
    written = tomllib.loads(shaping_file(tmp_path / "shaping.toml").read_text())["domain"]
    assert set(written) == {domain(site) for site in SITES}
    for site in SITES:
        limits = written[domain(site)]
        assert limits["rate"] == (f"{RATE:.0f}/s" if site in WITH_RATE else "none")
        assert limits.get("burst") == (BURST if site in WITH_RATE else None)
        assert (limits["connections"] == CONNECTIONS) == (site in ("connections", "both"))


def test_a_site_that_got_nothing_has_no_rate() -> None:
    assert judge([], 0, Options(), "rate") == {"messages": 0, "connections_peak": 0}


def test_the_beginning_is_not_in_the_rate() -> None:
    first = [0.0] * 10  # the burst
    steady = [number / RATE for number in range(1, 1000)]
    row = judge(first + steady, 3, Options(seconds=10.0), "both")
    assert row["rate"] == pytest.approx(RATE, rel=0.01)
    assert row["connections_over"] == 0
    assert row["burst"] == pytest.approx(BURST, abs=1e-6)


def test_a_short_run_over_two_workers() -> None:
    document = measure(Options(seconds=2.0, workers=2, free=100))
    sites = document["sites"]
    assert document["exit_code"] == 0
    assert sites["free"]["messages"] == 100
    assert all(row["messages"] > 0 for row in sites.values())
    for site in ("connections", "both"):
        assert 0 < sites[site]["connections_peak"] <= CONNECTIONS
        assert sites[site]["connections_over"] == 0
    assert {site for site, row in sites.items() if "rate_error" in row} == set(WITH_RATE)
