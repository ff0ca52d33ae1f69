"""The bench of the pace judges by the limits it set, and a short run ends with mail taken and a limit found."""

import pytest

from bench.pace import Look, Options, judge, measure


def test_used_and_refused_are_counted_by_limit() -> None:
    options = Options((10.0, 5.0), 10.0)
    times = [number / 9 for number in range(90)] + [10 + number / 5 for number in range(50)]
    found = judge(times, [Look(0.1, 0), Look(9.9, 4), Look(15.0, 5), Look(19.9, 6), Look(20.4, 9)], options)
    first, second = found["steps"]
    assert (first["took"], first["used"], first["refused"]) == (90, pytest.approx(0.9), 4)
    assert (second["took"], second["used"], second["refused"]) == (50, 1.0, 2)
    assert (found["took"], found["refused"], found["used"]) == (140, 6, pytest.approx(140 / 150))
    assert found["refused_share"] == pytest.approx(6 / 146)


def test_nothing_taken_is_nothing_used() -> None:
    found = judge([], [], Options())
    assert (found["used"], found["refused_share"]) == (0, 0)


def test_a_short_run_meets_the_limit_and_slows_down() -> None:
    document = measure(Options((40.0,), 4.0, workers=1))
    assert document["exit_code"] == 0
    assert document["took"] > 0
    assert 0 < document["refused"] < document["took"]
