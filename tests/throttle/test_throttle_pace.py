"""The pace finds a limit that nobody told it: used nearly whole, hardly ever refused, whatever it is and becomes."""

import heapq
import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.throttle.pace import ENDS, LEAST, Pace, cut, rate, round_ms

BEGAN = 1_800_000_000_000
STEP = 0.005


def receiver(
    limit: Callable[[float], float], seconds: float, *, given_rate: float = 100.0
) -> tuple[float, float]:
    """Send for so long to a receiver that takes one second's worth at once; return its limit's share used, and refused.

    One worker, replies after 50 to 70 ms, windows as mta.workers.answers has them.
    """
    chance = random.Random(7)
    pace: Pace | None = None
    tokens = limit(0.0)
    due, possible, taken, refused = 0.0, 0.0, 0, 0
    since, ok, bad = 0.0, 0, 0
    replies: list[tuple[float, bool, float]] = []
    for step in range(int(seconds / STEP)):
        t = step * STEP
        now = BEGAN + int(t * 1000)
        possible += limit(t) * STEP
        tokens = min(limit(t), tokens + limit(t) * STEP)
        while replies and replies[0][0] <= t:
            _, good, began = heapq.heappop(replies)
            taken, refused = taken + good, refused + (not good)
            if began < since:
                continue
            ok, bad = ok + good, bad + (not good)
            if bad and ok + bad >= 10:
                before = min(rate(pace, now) or given_rate, given_rate)
                pace = cut(pace, BEGAN + int(since * 1000), now, before, (bad - 1) / (ok + bad))
                since, ok, bad = t, 0, 0
            elif ok >= 100:
                ok //= 2
        due = max(due, t)
        while due <= t + 0.05:
            due += 1 / min(rate(pace, now) or given_rate, given_rate)
            good = tokens >= 1
            tokens -= good
            heapq.heappush(replies, (t + 0.05 + chance.random() * 0.02, good, t))
    return taken / possible, refused / (taken + refused)


@pytest.mark.parametrize("limit", [20.0, 30.0, 55.0, 80.0])
def test_a_limit_is_used_nearly_whole_and_hardly_passed(limit: float) -> None:
    used, refused = receiver(lambda _: limit, 180)
    assert used >= 0.95
    assert refused <= 0.01


def test_a_limit_that_changes_is_followed() -> None:
    used, refused = receiver(lambda t: (50.0, 25.0, 40.0)[int(t // 120)], 360)
    assert used >= 0.90
    assert refused <= 0.01


def test_without_refusals_nothing_is_slower() -> None:
    used, refused = receiver(lambda _: 200.0, 30)
    assert refused == 0
    assert used == pytest.approx(0.5, abs=0.01)  # the rate that was given, 100/s


paces = st.builds(
    Pace, st.floats(LEAST, 1e4), st.floats(LEAST, 1e4), st.integers(BEGAN, BEGAN + 10**6), st.integers(0, 8)
)


@settings(max_examples=200, deadline=None)
@given(st.none() | paces, st.floats(0.01, 1e4), st.floats(0.0, 1.0), st.integers(0, 10**6))
def test_a_cut_is_always_a_cut_and_the_way_back_never_falls(
    pace: Pace | None, before: float, share: float, later: int
) -> None:
    now = BEGAN + later
    after = cut(pace, now, now, before, share)
    if after is pace:
        return  # it says nothing of the present pace
    assert LEAST <= after.base <= max(after.top, LEAST)
    assert after.top <= max(before, pace.top if pace else 0, LEAST)
    times = [after.at + int(round_ms(after) * part / 20) for part in range(int(ENDS * 20) - 1)]
    rates = [rate(after, at) for at in times]
    assert all(one <= two * (1 + 1e-9) for one, two in pairwise(rates))
    assert rate(after, after.at + int(round_ms(after) * ENDS) + 1) == 0.0


def test_what_began_before_the_cut_changes_nothing() -> None:
    first = cut(None, BEGAN, BEGAN, 100.0, 0.1)
    assert cut(first, BEGAN - 1, BEGAN + 500, 90.0, 0.5) is first
    assert cut(first, BEGAN + 1, BEGAN + 500, 90.0, 0.5).top < first.top


def test_where_all_is_refused_only_a_trickle_goes_for_longer_and_longer() -> None:
    now, pace = BEGAN, None
    waits = []
    for _ in range(6):
        pace = cut(pace, now, now, 100.0, 1.0)
        waits.append(pace.at - now)
        assert rate(pace, now) == max(pace.top * 0.05, LEAST)
        now = pace.at + 100
    assert waits == [1000, 2000, 4000, 8000, 16000, 16000]
