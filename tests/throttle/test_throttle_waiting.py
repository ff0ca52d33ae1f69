"""Why a message waits: facts to one sentence and an estimate, case by case."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mta.throttle.waiting.answer import why
from mta.throttle.waiting.estimate import before, by_rate, own_time, spent_until
from mta.throttle.waiting.facts import (
    Closed,
    Facts,
    Final,
    Flight,
    Later,
    Own,
    Packed,
    Path,
    Rival,
    SourceState,
    Turn,
)
from mta.throttle.waiting.words import clock, ordinal, per_second

NOW = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC
GOOGLE = Path("default", "google", connections=5, open=5, pace=10.0)
FREE = Path("default", "example.net", connections=20)
SECOND = 1000

CASES = {
    "connections": (
        Facts(
            NOW,
            path=GOOGLE,
            ahead=0,
            campaign=Turn("your campaign", since=9, others=(Rival(100), Rival(100, since=1))),
        ),
        "connections",
        "google: 5 of 5 connections in use; your campaign is 3rd in turn of 3; within a second",
    ),
    "in flight": (
        Facts(NOW, flight=Flight("h.worker1", 20 * SECOND)),
        "sending",
        "worker h.worker1 has it in hand and sends it now; its lease ends 14:13:40 UTC",
    ),
    "a dead worker's": (
        Facts(NOW, flight=Flight("h.worker1", -9 * SECOND)),
        "lease_over",
        "worker h.worker1 had it in hand and its lease is over; another one returns it to its lane",
    ),
    "retry": (
        Facts(NOW, later=Later(NOW + 60 * SECOND, 2, "452 4.2.2 mailbox full")),
        "retry",
        "waits for attempt 3 after 452 4.2.2 mailbox full; about 14:14:20 UTC",
    ),
    "retry beyond its life": (
        Facts(NOW, expires=NOW + 5, later=Later(NOW + 60 * SECOND, 1)),
        "retry",
        "waits for attempt 2; about 14:14:20 UTC, when its lifetime is over",
    ),
    "window": (
        Facts(NOW, later=Later(NOW + 86_400_000, window=True)),
        "window",
        "outside its delivery window; opens about 2026-09-22 14:13:20 UTC",
    ),
    "not before": (
        Facts(NOW, later=Later(NOW + 60 * SECOND)),
        "not_before",
        "its time has not come; about 14:14:20 UTC",
    ),
    "rate": (
        Facts(
            NOW,
            path=replace(FREE, interval=2000, tolerance=4000, tat=NOW + 6000),
            ahead=9,
        ),
        "rate",
        "example.net: rate of 30/min is used up until 14:13:22 UTC; about 14:13:40 UTC",
    ),
    "paused": (
        Facts(NOW, path=replace(FREE, paused_until=NOW + 30 * SECOND, paused_by="421 4.7.0 try later")),
        "paused",
        "example.net: paused until 14:13:50 UTC by 421 4.7.0 try later; about 14:13:50 UTC",
    ),
    "stopped by a rule": (
        Facts(NOW, path=replace(FREE, stopped_until=NOW + 60 * SECOND)),
        "stopped",
        "example.net: stopped until 14:14:20 UTC by a rule of the shaping file; about 14:14:20 UTC",
    ),
    "a pace that is being sought": (
        Facts(NOW, path=replace(FREE, interval=500, tat=NOW + 500, slower="its receiver said: too fast")),
        "rate",
        "example.net: rate of 2/s (its receiver said: too fast) is used up until 14:13:20 UTC; within a second",
    ),
    "fewer connections": (
        Facts(NOW, path=replace(GOOGLE, connections=2, open=2, fewer=True)),
        "connections",
        "google: 2 of 2 connections in use (its receiver refused more); within a second",
    ),
    "suspended": (
        Facts(
            NOW,
            path=FREE,
            closed=(Closed("tenant acme", "suspended", "complaints", "ops"),),
        ),
        "suspended",
        "tenant acme is suspended by ops (complaints), until somebody opens it",
    ),
    "held for a time": (
        Facts(NOW, path=FREE, closed=(Closed("campaign acme/spring", "held", until=NOW + 7200 * SECOND),)),
        "held",
        "campaign acme/spring is held, until 16:13:20 UTC; about 16:13:20 UTC",
    ),
    "no worker": (Facts(NOW, path=FREE, workers=0), "no_worker", "no worker has a lease: nothing sends"),
    "own rate": (
        Facts(NOW, path=FREE, own=(Own("tenant acme", 5000, 0, NOW + 5000),)),
        "own_rate",
        "tenant acme: its own rate of 12/min is used up until 14:13:25 UTC; about 14:13:25 UTC",
    ),
    "quota": (
        Facts(NOW, path=FREE, own=(Own("tenant acme", per_day=100, used=100),)),
        "quota",
        "tenant acme: its 100 messages of today are sent; on from 2026-09-22 00:00:00 UTC;"
        " about 2026-09-22 00:00:00 UTC",
    ),
    "higher classes": (
        Facts(NOW, path=replace(FREE, open=2, pace=1.0), higher=20),
        "class",
        "20 messages of higher classes before it; about 14:13:30 UTC",
    ),
    "bulk leaves one connection": (
        Facts(NOW, cls="bulk", path=replace(GOOGLE, open=4)),
        "connections",
        "google: 4 of 5 connections in use (one is kept for higher classes); within a second",
    ),
    "behind others": (
        Facts(NOW, path=FREE, ahead=3),
        "turn",
        "3 messages of its path go before it",
    ),
    "a source that warms up": (
        Facts(NOW, path=FREE, sources=(SourceState("new", FREE, cap=200, used=200),)),
        "warmup",
        "source warm-up cap: new has sent its 200 messages of today to example.net; on from 2026-09-22 00:00:00 UTC;"
        " about 2026-09-22 00:00:00 UTC",
    ),
    "a source whose warm-up has not begun": (
        Facts(NOW, path=FREE, sources=(SourceState("new", FREE, cap=0),)),
        "warmup",
        "source warm-up cap: the warm-up of new has not begun",
    ),
    "all sources kept, one by a person": (
        Facts(
            NOW,
            path=FREE,
            sources=(
                SourceState("old", FREE, closed=Closed("source old", "suspended", "listed")),
                SourceState("new", FREE, cap=200, used=200, own_ladder=False),
            ),
        ),
        "warmup",
        "source warm-up cap: new has sent its 200 messages of today to all sites without a ladder of their own;"
        " on from 2026-09-22 00:00:00 UTC; source old is suspended (listed), until somebody opens it;"
        " about 2026-09-22 00:00:00 UTC",
    ),
    "a source that a site stopped, and one at its own rate": (
        Facts(
            NOW,
            path=FREE,
            sources=(
                SourceState("a", replace(FREE, stopped_until=NOW + 60 * SECOND)),
                SourceState("b", FREE, own=Own("source b", 5000, 0, NOW + 5000)),
            ),
        ),
        "own_rate",
        "source b: its own rate of 12/min is used up until 14:13:25 UTC; example.net: stopped from source a until"
        " 14:14:20 UTC by a rule of the shaping file; about 14:13:25 UTC",
    ),
    "next": (Facts(NOW, path=FREE), "next", "next in turn; within a second"),
    "store, enough ready": (
        Facts(NOW, "bulk", ahead=900, packed=Packed("store", ready=30_000, ready_most=20_000)),
        "ready_full",
        "in the store behind 900 recipients of its campaign; enough bulk mail is ready (30,000 in lanes,"
        " opened below 20,000)",
    ),
    "store": (
        Facts(NOW, "bulk", ahead=1, packed=Packed("store", ready=5, ready_most=20_000)),
        "expander",
        "in the store behind 1 recipient of its campaign; an expander opens packs by turns",
    ),
    "opening": (
        Facts(NOW, packed=Packed("opening")),
        "opening",
        "its pack is being opened; it enters a lane now",
    ),
    "site's shelf": (
        Facts(NOW, path=replace(FREE, interval=100, tolerance=0, tat=NOW), ahead=50, packed=Packed("shelf")),
        "shelf",
        "example.net: in a pack behind 50 messages; opened as its lane runs dry; about 14:13:25 UTC",
    ),
    "finished": (
        Facts(NOW, final=Final("bounced", NOW - 5000, "550 5.1.1 no such user")),
        "bounced",
        "finished: bounced, 14:13:15 UTC: 550 5.1.1 no such user",
    ),
    "unknown": (
        Facts(NOW, known=False, looked=("lanes", "the archive")),
        "not_found",
        "not found; looked through: lanes, the archive",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_waiting_case(name: str) -> None:
    facts, reason, text = CASES[name]
    answer = why(facts)
    assert (answer.reason, answer.text) == (reason, text)


def test_waiting_what_has_no_end_decides_and_the_rest_is_told() -> None:
    path = replace(GOOGLE, paused_until=NOW + 5000)
    answer = why(Facts(NOW, path=path, closed=(Closed("site google", "suspended"),)))
    assert answer.reason == "suspended"
    assert answer.at == 0
    assert answer.also == (
        "google: paused until 14:13:25 UTC",
        "google: 5 of 5 connections in use",
    )


def test_waiting_no_estimate_without_a_pace() -> None:
    assert why(Facts(NOW, path=replace(GOOGLE, pace=0), ahead=5)).at == 0
    assert why(Facts(NOW, path=GOOGLE, ahead=50)).at == NOW + 1000


def test_waiting_a_pause_stops_nobody_who_has_an_open_connection() -> None:
    assert why(Facts(NOW, path=replace(FREE, open=1, idle=1, paused_until=NOW + 9000))).reason == "next"


def test_waiting_peers_text_moves_no_cursor() -> None:
    answer = why(Facts(NOW, later=Later(NOW, 1, "450 \x1b[2Jhidden" + "x" * 999)))
    assert "\x1b" not in answer.text
    assert len(answer.text) < 300


@pytest.mark.parametrize(
    ("turn", "place", "ahead"),
    [
        (None, 7, 7),
        (Turn("t"), 7, 7),
        (Turn("t", others=(Rival(1000),)), 9, 19),  # in turns, one each
        (Turn("t", others=(Rival(4),)), 9, 13),  # the other runs out
        (Turn("t", weight=2, others=(Rival(1000),)), 9, 14),
        (Turn("t", others=(Rival(1000, weight=3),)), 9, 39),
        (Turn("t", since=0, others=(Rival(1000, since=100),)), 9, 9),  # had its share long ago
        (Turn("t", since=100, others=(Rival(1000, since=0),)), 0, 101),
    ],
)
def test_waiting_ahead_by_virtual_time(turn: Turn | None, place: int, ahead: int) -> None:
    assert before(turn, place) == ahead


@given(
    interval=st.floats(0.1, 1e6),
    burst=st.integers(1, 50),
    debt=st.floats(0, 1e7),
    ahead=st.integers(0, 60),
)
def test_waiting_by_rate_is_when_gcra_lets_it_go(
    interval: float, burst: int, debt: float, ahead: int
) -> None:
    """The closed form agrees with sending one after the other as early as GCRA allows."""
    tolerance = interval * (burst - 1)
    tat = min(max(NOW + debt, NOW), NOW + tolerance + interval)
    at = float(NOW)
    for _ in range(ahead + 1):
        at = max(at, tat - tolerance)
        tat = max(tat, at) + interval
    told = by_rate(interval, tolerance, NOW + debt, NOW, ahead)
    assert told == pytest.approx(at, abs=max(1.0, interval * 0.01))


def test_waiting_a_daily_quota_spreads_over_days() -> None:
    own = Own("tenant acme", per_day=100, used=90)
    midnight = (NOW // 86_400_000 + 1) * 86_400_000
    assert spent_until(own, NOW) == 0
    assert own_time(own, NOW, 9) == NOW
    assert own_time(own, NOW, 10) == midnight
    assert own_time(own, NOW, 110) == midnight + 86_400_000


def test_waiting_words() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111, 1003)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th", "1,003rd",
    ]  # fmt: skip
    assert [per_second(one) for one in (10, 2000, 360_000, 86_400_000)] == [
        "100/s",
        "30/min",
        "10/h",
        "1/day",
    ]
    assert clock(NOW, NOW) == "14:13:20 UTC"


def test_while_a_source_may_send_the_others_are_told_beside_it() -> None:
    sources = (SourceState("old", FREE), SourceState("new", FREE, cap=5, used=5))
    found = why(Facts(NOW, path=FREE, sources=sources))
    assert (found.reason, len(found.also)) == ("next", 1)
    assert found.also[0].startswith("source warm-up cap: new has sent its 5 messages")
