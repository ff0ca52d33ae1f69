"""Warm-up: which ladders can be used, what a day leads to, and simulated weeks."""

from itertools import pairwise

import pytest

from mta.throttle.warmup import (
    LADDER,
    UNUSED,
    Counts,
    LadderError,
    Position,
    advance,
    begin,
    cap,
    checked,
    day_at,
    day_of,
    recent,
    spelled,
)

DAY = day_of("2026-11-23")


def day(delivered: int, deferred: int = 0, bounced: int = 0) -> Counts:
    return Counts(delivered + deferred + bounced, delivered, deferred, bounced)


def after(*days: Counts, ladder: tuple[int, ...] = LADDER) -> Position:
    """Return where days lead to, one after the other."""
    found = begin(DAY)
    for number, counts in enumerate(days, 1):
        found = advance(found, DAY + number, counts, ladder)
    return found


def test_the_shipped_ladder_can_be_used() -> None:
    assert checked(LADDER) == LADDER
    assert (LADDER[0], LADDER[-1], len(LADDER)) == (200, 10_000_000, 29)
    assert all(above <= 2.5 * below for below, above in pairwise(LADDER))


@pytest.mark.parametrize(
    "ladder, wanted",
    [
        ((), "has 0 stages"),
        ((0, 5), "begins with 0"),
        ((5, 4), "shrinks at stage 2: 4 after 5; each stage must be above the one before"),
        ((5, 6, 6), "shrinks at stage 3: 6 after 6"),
        (tuple(range(1, 103)), "has 102 stages; give 1 to 100"),
    ],
)
def test_a_ladder_that_cannot_be_used_says_why(ladder: tuple[int, ...], wanted: str) -> None:
    with pytest.raises(LadderError) as caught:
        checked(ladder)
    assert wanted in str(caught.value)


@pytest.mark.parametrize(
    "counts, stage, held",
    [
        (day(200), 1, ""),
        (day(181), 1, ""),
        (day(180), 0, "180 of 200 were delivered; it takes more than 90%"),
        (day(185, deferred=9), 1, ""),
        (day(190, deferred=10), 0, "5.0% was deferred; less than 5% may be"),
        (day(190, bounced=10), 0, "5.0% was refused; less than 5% may be"),
        (day(100), 0, "100 of 200 were delivered"),
        (day(0), 0, UNUSED),
    ],
)
def test_a_day_leads_to_the_next_stage_or_says_what_holds_it(counts: Counts, stage: int, held: str) -> None:
    found = after(counts)
    assert found.stage == stage
    assert found.held.startswith(held)
    assert bool(found.held) is bool(held)


def test_deferrals_that_rise_hold_the_cap_though_they_are_few() -> None:
    found = after(day(200), day(490, deferred=10))
    assert (found.stage, found.held) == (1, "deferrals rose from 0.0% to 2.0%")
    assert after(day(198, deferred=2), day(490, deferred=9)).stage == 2, "1.0 % to 1.8 % is less than twice"
    assert after(day(200), day(496, deferred=4)).stage == 2, "four of five hundred are chance"
    assert after(day(191, deferred=9)).stage == 1, "on the first stage there is nothing to have risen from"


def test_what_is_usual_at_a_receiver_does_not_hold_a_source_for_ever() -> None:
    steady = [day(490, deferred=10)] * 9
    assert after(day(200), *steady).stage == 1
    assert after(day(200), *steady, steady[0], steady[0]).stage == 2


def test_a_source_is_warm_after_the_last_stage() -> None:
    found = after(day(10), day(20), ladder=(10, 20))
    assert (found.ended, cap(found, (10, 20)), recent(found)) == (True, -1, 0)
    assert advance(found, DAY + 9, day(0, deferred=9), (10, 20)).ended


def test_a_day_is_judged_once_and_a_clock_that_goes_back_changes_nothing() -> None:
    found = after(day(200))
    assert advance(found, DAY + 1, day(500), LADDER) == found
    assert advance(found, DAY - 5, day(500), LADDER) == found


def test_a_ladder_that_became_shorter_keeps_its_last_cap() -> None:
    assert cap(Position(DAY, stage=7), (10, 20)) == 20


def test_the_first_weeks_are_for_those_who_showed_themselves_lately() -> None:
    assert [recent(Position(DAY, stage=stage)) for stage in (0, 13, 14, 27, 28, 60)] == [
        30,
        30,
        60,
        60,
        90,
        90,
    ]


def test_weeks_of_a_receiver_that_takes_twice_what_it_knows() -> None:
    known, found, caps = 150, begin(DAY), []
    for number in range(1, 31):
        sent = cap(found, LADDER) if not found.ended else LADDER[-1]
        caps.append(sent)
        taken = min(sent, int(2.6 * known))
        known = max(known, taken)
        found = advance(found, DAY + number, day(taken, deferred=sent - taken), LADDER)
    assert caps == sorted(caps), "a cap never falls"
    assert found.ended or found.stage == 28
    assert caps[:4] == [200, 500, 1000, 2000]


def test_days_are_of_utc() -> None:
    assert spelled(DAY) == "2026-11-23"
    assert day_at(DAY * 86_400_000) == DAY
    assert day_at(DAY * 86_400_000 - 1) == DAY - 1
    for wrong in ("2026-13-01", "20261123", "soon"):
        with pytest.raises(ValueError):
            day_of(wrong)
