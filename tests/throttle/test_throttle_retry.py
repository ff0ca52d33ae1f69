"""Retry times as a function of age."""

from hypothesis import given
from hypothesis import strategies as st

from mta.throttle.retry import Schedule, wait_ms

SCHEDULE = Schedule(first=300, factor=1.0, most=14400, jitter=0.2)


def test_tries_thin_out_with_age() -> None:
    age, tries = 0, []
    for _ in range(6):
        age += wait_ms(SCHEDULE, age, 0.0)
        tries.append(age // 60_000)
    assert tries == [5, 10, 20, 40, 80, 160]


@given(st.integers(0, 10**10), st.floats(0, 1, exclude_max=True))
def test_a_wait_stays_within_its_bounds_and_jitter(age: int, chance: float) -> None:
    wait = wait_ms(SCHEDULE, age, chance)
    assert 300_000 <= wait <= 14_400_000 * 1.2


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_an_older_message_never_waits_less(one: int, other: int) -> None:
    younger, older = sorted((one, other))
    assert wait_ms(SCHEDULE, younger, 0.3) <= wait_ms(SCHEDULE, older, 0.3)
