"""The rate limit never gives more than it promises, nor less."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mta.throttle.gcra import Bucket
from mta.throttle.limits import Limits

INTERVAL = st.integers(1, 500)
BURST = st.integers(1, 20)
ASKS = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 40)), min_size=1, max_size=40)


@given(INTERVAL, BURST, ASKS)
@settings(max_examples=200, deadline=None)
def test_no_span_of_time_has_more_than_the_burst_and_the_rate(
    interval: int, burst: int, asks: list[tuple[int, int]]
) -> None:
    bucket = Bucket(interval, interval * (burst - 1))
    now, tat = 10_000.0, 0.0
    grants: list[tuple[float, int]] = []
    for pause, n in asks:
        now += pause
        granted, tat = bucket.take(now, tat, n)
        assert 0 <= granted <= n
        grants.append((now, granted))
    for first in range(len(grants)):
        total = 0
        for at, granted in grants[first:]:
            total += granted
            assert total <= burst + (at - grants[first][0]) / interval


@given(INTERVAL, st.integers(2, 20), st.lists(st.floats(0, 1), min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_whoever_asks_often_enough_gets_the_whole_rate(
    interval: int, burst: int, pauses: list[float]
) -> None:
    # Between two asks no more than the tolerance passes, so the bucket never stands full and loses time.
    bucket = Bucket(interval, interval * (burst - 1))
    start = now = 10_000
    tat, total = 0.0, 0
    for pause in pauses:
        now += int(pause * bucket.tolerance)
        granted, tat = bucket.take(now, tat, 1_000)
        total += granted
    assert total >= (now - start) // interval
    assert total <= burst + (now - start) // interval


@given(INTERVAL, BURST, ASKS)
@settings(max_examples=100, deadline=None)
def test_the_wait_is_as_long_as_it_must_be(interval: int, burst: int, asks: list[tuple[int, int]]) -> None:
    bucket = Bucket(interval, interval * (burst - 1))
    now, tat = 10_000.0, 0.0
    for pause, n in asks:
        now += pause
        wait = bucket.wait(now, tat)
        assert (wait == 0) is (bucket.take(now, tat, 1)[0] == 1)
        assert bucket.take(now + wait, tat, 1)[0] == 1
        if wait >= 1:
            assert bucket.take(now + wait - 1, tat, 1)[0] == 0
        _, tat = bucket.take(now, tat, n)


def test_a_fresh_bucket_gives_its_burst_then_one_per_interval() -> None:
    limits = Limits(rate=10.0, burst=3)
    bucket = Bucket(limits.interval, limits.tolerance)
    granted, tat = bucket.take(1000, 0, 100)
    assert (granted, tat) == (3, 1300)
    assert bucket.take(1099, tat, 100) == (0, tat)
    assert bucket.take(1100, tat, 100) == (1, 1400)


def test_a_refusal_leaves_the_bucket_as_it_was() -> None:
    bucket = Bucket(100)
    assert bucket.take(0, 500, 1) == (0, 500)
    assert bucket.take(1000, 500, 0) == (0, 500)
    assert bucket.take(1000, 500, -1) == (0, 500)


def test_no_rate_is_no_limit() -> None:
    limits = Limits()
    bucket = Bucket(limits.interval, limits.tolerance)
    assert bucket.take(1000, 0, 10_000) == (10_000, 0)
    assert bucket.wait(1000, 0) == 0
