"""A narrower section over a wider one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mta.throttle.limits import Given, Limits, contradiction

COUNT = st.none() | st.integers(1, 1000)
SECTIONS = st.builds(
    Given,
    rate=st.none() | st.sampled_from([0.0, 0.01, 0.5, 1.0, 10.5, 100.0]),
    burst=COUNT,
    connections=COUNT,
    messages=COUNT,
    recipients=COUNT,
)


@given(st.lists(SECTIONS, max_size=3))
@settings(max_examples=200, deadline=None)
def test_the_narrowest_section_that_speaks_decides(sections: list[Given]) -> None:
    limits = built_in = Limits()
    for section in sections:
        limits = limits.merged(section)
    for name in ("rate", "connections", "messages", "recipients"):
        said = [value for section in sections if (value := getattr(section, name)) is not None]
        assert getattr(limits, name) == (said[-1] if said else getattr(built_in, name))
    # A burst is its rate's: the last section that speaks of either decides.
    last = next((each for each in reversed(sections) if (each.rate, each.burst) != (None, None)), None)
    if last is None:
        assert limits.burst == built_in.burst
    elif last.burst is not None:
        assert limits.burst == last.burst
    else:
        assert last.rate is not None
        assert limits.burst == max(1, int(last.rate))


def test_limits_as_the_rate_limiter_counts() -> None:
    limits = Limits(rate=20.0, burst=5)
    assert (limits.interval, limits.tolerance) == (50.0, 200.0)
    assert (Limits(burst=5).interval, Limits(burst=5).tolerance) == (0.0, 0.0)


def test_a_burst_needs_a_rate_and_a_day_that_holds_it() -> None:
    assert "without a rate" in contradiction(Limits(burst=2), Given(burst=2))
    slow = Limits(rate=100 / 86400, burst=101)
    assert "write at most 100" in contradiction(slow, Given(burst=101))
    for n in range(1, 300):  # a day's count survives the way to messages per second and back
        assert contradiction(Limits(rate=n / 86400, burst=n), Given(burst=n)) == ""
    assert contradiction(Limits(), Given()) == ""
