"""How a message has to go out: patience for a stop, a least rate for a trickle; each case by the clock it is given."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mta.workers.outflow import Outflow

STOPPED = "it stopped reading"


def test_what_is_taken_at_once_is_never_late() -> None:
    flow = Outflow(180.0, 500.0)
    assert [flow.look(0, now) for now in (0.0, 1000.0, 1e6)] == [""] * 3


def test_a_stop_is_waited_for_as_long_as_the_rfc_has_it() -> None:
    flow = Outflow(180.0, 0.0)
    assert flow.look(1000, 0.0) == ""
    assert flow.look(1000, 180.0) == ""
    assert flow.look(1000, 180.1) == STOPPED


def test_an_octet_begins_the_wait_anew_where_any_rate_will_do() -> None:
    flow = Outflow(180.0, 0.0)
    assert {flow.look(1000 - step, step * 170.0) for step in range(100)} == {""}


def test_a_trickle_is_too_little_on_the_whole() -> None:
    flow = Outflow(180.0, 500.0)
    said = [flow.look(1_000_000 - step * 400, float(step)) for step in range(200)]
    assert said[180] == ""
    assert said[181] == "it reads less than 500 octets a second"


def test_a_slow_line_may_take_all_the_time_it_needs() -> None:
    flow = Outflow(180.0, 500.0)
    assert {flow.look(1_000_000 - step * 600, float(step)) for step in range(1600)} == {""}


def test_a_new_message_is_a_new_account() -> None:
    flow = Outflow(10.0, 500.0)
    assert flow.look(100, 0.0) == ""
    assert flow.look(0, 9.0) == ""
    assert flow.look(100, 12.0) == ""
    assert flow.look(100, 21.0) == ""
    assert flow.look(100, 23.0) == STOPPED


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=50))
def test_within_the_patience_nothing_is_said(lefts: list[int]) -> None:
    flow = Outflow(50.0, 1e9)
    assert {flow.look(left, float(now)) for now, left in enumerate(lefts)} == {""}
