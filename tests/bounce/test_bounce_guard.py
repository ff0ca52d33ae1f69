"""The guard's judgement: thresholds as a table, and what must hold for any counts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.bounce.guard import (
    COMPLAINTS,
    UNKNOWN,
    Judgement,
    Standing,
    Thresholds,
    forgiven,
    judge,
    stale,
    step,
    within,
)
from mta.bounce.tally import HOUR_MS, Counts, tally

HOUR = 494_000  # hours since 1970
NOW = HOUR * HOUR_MS + 1000
LIMITS = Thresholds()


@pytest.mark.parametrize(
    ("counts", "level", "cause"),
    [
        (Counts(), "ok", ""),
        (Counts(delivered=199, complained=50), "ok", ""),
        (Counts(delivered=200, complained=1), "ok", ""),  # one complaint is no rate
        (Counts(delivered=200, complained=2), "stop", COMPLAINTS),
        (Counts(delivered=10_000, complained=9), "ok", ""),
        (Counts(delivered=10_000, complained=10), "warn", COMPLAINTS),
        (Counts(delivered=10_000, complained=29), "warn", COMPLAINTS),
        (Counts(delivered=10_000, complained=30), "stop", COMPLAINTS),
        (Counts(delivered=100, unknown=99), "ok", ""),
        (Counts(delivered=190, unknown=10), "stop", UNKNOWN),
        (Counts(unknown=200), "stop", UNKNOWN),  # nothing was delivered, and that is the point
        (Counts(delivered=981, unknown=19), "ok", ""),
        (Counts(delivered=980, unknown=20), "warn", UNKNOWN),
        (Counts(delivered=950, unknown=50), "stop", UNKNOWN),
        (Counts(delivered=1000, bounced=900), "ok", ""),  # blocks say nothing of the list
        (Counts(delivered=9_800, unknown=200, complained=30), "stop", COMPLAINTS),  # the worse first
        (Counts(delivered=9_000, unknown=1000, complained=10), "stop", UNKNOWN),
    ],
)
def test_judgements(counts: Counts, level: str, cause: str) -> None:
    found = judge(counts, LIMITS)
    assert (found.level, found.cause) == (level, cause)
    assert bool(found.why) is (level != "ok")


def test_the_reason_names_value_threshold_and_window() -> None:
    why = judge(Counts(delivered=5214, complained=22), LIMITS).why
    assert why == "22 complaints about 5,214 delivered within 7 days are 0.42%; the limit is 0.30%"
    why = judge(Counts(delivered=900, unknown=100), LIMITS).why
    assert why == "100 unknown recipients of 1,000 within 7 days are 10.00%; the limit is 5.00%"


def test_a_threshold_of_none_is_off() -> None:
    off = Thresholds(0, 0, 0, 0)
    assert judge(Counts(1000, 1000, 0, 1000), off) == Judgement()


def test_what_left_the_window_counts_no_more() -> None:
    hours = {HOUR: Counts(1), HOUR - 167: Counts(10), HOUR - 168: Counts(100), HOUR - 400: Counts(1000)}
    assert within(hours, Standing(), LIMITS, NOW) == Counts(11)


def test_a_release_is_remembered() -> None:
    hours = {HOUR - 3: Counts(900, 100), HOUR: Counts(50, 60)}
    found = judge(within(hours, Standing(), LIMITS, NOW), LIMITS)
    held, told = step(Standing(), found, hours, NOW, holdable=True, closed=False)
    assert (held.level, held.held, told) == ("stop", True, "held")
    assert step(held, found, hours, NOW, holdable=True, closed=True) == (held, "")
    after, told = step(held, found, hours, NOW, holdable=True, closed=False)  # a person opened the gate
    assert (after.level, after.held, told) == ("ok", False, "")
    assert within(hours, after, LIMITS, NOW) == Counts()
    # The same counts do not hold it again; as many new ones do.
    found = judge(within(hours, after, LIMITS, NOW), LIMITS)
    assert step(after, found, hours, NOW, holdable=True, closed=False) == (after, "")
    worse = hours | {HOUR: Counts(250, 90), HOUR + 1: Counts(0, 30)}
    later = NOW + HOUR_MS
    again = judge(within(worse, after, LIMITS, later), LIMITS)
    assert within(worse, after, LIMITS, later) == Counts(200, 60)
    assert step(after, again, worse, later, holdable=True, closed=False)[1] == "held"


def test_what_can_not_be_held_is_told_once_and_held_when_it_can() -> None:
    found = Judgement("stop", UNKNOWN, "many")
    standing, told = step(Standing(), found, {}, NOW, holdable=False, closed=False)
    assert (standing.level, standing.held, told) == ("stop", False, "warned")
    assert step(standing, found, {}, NOW, holdable=False, closed=False) == (standing, "")
    assert step(standing, found, {}, NOW, holdable=True, closed=False)[1] == "held"
    better, told = step(standing, Judgement("warn", UNKNOWN, "fewer"), {}, NOW, holdable=True, closed=False)
    assert (better.level, told) == ("warn", "")
    assert step(better, Judgement(), {}, NOW, holdable=True, closed=False)[0].level == "ok"


def test_nothing_is_remembered_for_ever() -> None:
    released = forgiven({HOUR: Counts(9)}, Standing(held=True), NOW)
    assert not stale(released, {HOUR: Counts(9)}, LIMITS, NOW)
    assert stale(released, {HOUR: Counts(9)}, LIMITS, NOW + 169 * HOUR_MS)
    assert not stale(Standing(level="stop"), {}, LIMITS, NOW)


counts = st.builds(Counts, *[st.integers(0, 5000)] * 4)
weeks = st.dictionaries(st.integers(HOUR - 200, HOUR), counts, max_size=12)


@settings(max_examples=200, deadline=None)
@given(weeks)
def test_a_release_forgives_all_that_was(hours: dict[int, Counts]) -> None:
    after = forgiven(hours, Standing(level="stop", held=True), NOW)
    assert within(hours, after, LIMITS, NOW) == Counts()
    more = dict(hours)
    more[HOUR] = more.get(HOUR, Counts()).plus(Counts(3, 2, 1, 4))
    assert within(more, after, LIMITS, NOW) == Counts(3, 2, 1, 4)


@settings(max_examples=200, deadline=None)
@given(counts, st.integers(1, 500))
def test_more_harm_is_never_judged_milder(given_: Counts, more: int) -> None:
    order = ["ok", "warn", "stop"]
    before = order.index(judge(given_, LIMITS).level)
    assert order.index(judge(given_.plus(Counts(complained=more)), LIMITS).level) >= before
    if judge(given_, LIMITS).cause == UNKNOWN:
        assert order.index(judge(given_.plus(Counts(unknown=more)), LIMITS).level) >= before


def test_events_are_counted_by_tenant_campaign_source_and_hour() -> None:
    ts = str(NOW)
    events = [
        {"event": "delivered", "ts": ts, "tenant": "a", "campaign": "c", "source": "192.0.2.1"},
        {"event": "delivered", "ts": ts, "tenant": "a", "source": "192.0.2.1"},
        {
            "event": "bounced",
            "ts": ts,
            "tenant": "a",
            "campaign": "c",
            "class": "recipient_unknown",
            "async": "1",
        },
        {"event": "bounced", "ts": ts, "tenant": "a", "campaign": "c", "class": "spam_content"},
        {"event": "complained", "ts": str(NOW + HOUR_MS), "tenant": "a", "campaign": "c"},
        {"event": "opened", "ts": ts, "tenant": "a", "campaign": "c"},
        {"event": "deferred", "ts": ts, "tenant": "a", "class": "recipient_unknown"},
        {"event": "delivered", "ts": "soon", "tenant": "a"},
        {},
    ]
    assert tally(events) == {
        ("t|a", HOUR): Counts(2, 1, 1, 0),
        ("c|a|c", HOUR): Counts(1, 1, 1, 0),
        ("i|192.0.2.1", HOUR): Counts(2),
        ("t|a", HOUR + 1): Counts(complained=1),
        ("c|a|c", HOUR + 1): Counts(complained=1),
    }
