"""Delivery windows against a clock that is looked at every minute."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.throttle.window import Window, known, wait_ms, zone

EVERY_DAY = frozenset(range(7))
WEEK = frozenset(range(5))


def at(text: str, tz: str, fold: int = 0) -> int:
    """Ms since 1970 of a wall time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz), fold=fold).timestamp()) * 1000


def window(start: str, end: str, days: frozenset[int] = EVERY_DAY) -> Window:
    minutes = [int(text[:2]) * 60 + int(text[3:]) for text in (start, end)]
    return Window(days, minutes[0], minutes[1], True, "Europe/Paris")


def is_open(rule: Window, ms: int, tz: ZoneInfo) -> bool:
    """Whether the clock on the wall shows an allowed time: the definition, read aloud."""
    wall = datetime.fromtimestamp(ms // 1000, tz)
    minute, today = wall.hour * 60 + wall.minute, wall.weekday()
    yesterday = (wall.date() - timedelta(days=1)).weekday()
    if rule.start < rule.end:
        return today in rule.days and rule.start <= minute < rule.end
    return (today in rule.days and minute >= rule.start) or (yesterday in rule.days and minute < rule.end)


def slowly(rule: Window, now: int, tz: ZoneInfo) -> int:
    """The wait, found by looking at the clock now and at each full minute after."""
    look = now
    while not is_open(rule, look, tz):
        look = (look // 60_000 + 1) * 60_000
        assert look < now + 15 * 86_400_000
    return look - now


# A zone and a time near which its clocks change, and some that never do.
TIMES = [
    ("Europe/Paris", "2026-03-29"),
    ("Europe/Paris", "2026-10-25"),
    ("Europe/Paris", "2026-07-01"),
    ("America/New_York", "2026-11-01"),
    ("America/Sao_Paulo", "2018-11-04"),  # skips midnight
    ("America/Sao_Paulo", "2018-02-18"),  # has it twice
    ("Australia/Lord_Howe", "2026-04-05"),  # half an hour
    ("Antarctica/Troll", "2026-03-29"),  # two hours
    ("Pacific/Apia", "2011-12-30"),  # skips a day
    ("Pacific/Chatham", "2026-09-27"),
    ("Africa/Casablanca", "2026-02-15"),
    ("Asia/Kathmandu", "2026-01-01"),
    ("America/Recife", "2000-10-12"),  # twice in a week
    ("UTC", "2026-01-01"),
]
MINUTES = st.integers(0, 1439) | st.integers(0, 210)


@given(
    st.sampled_from(TIMES),
    st.integers(-4 * 86400, 4 * 86400),
    st.integers(0, 59_999),
    st.sets(st.integers(0, 6), min_size=1).map(frozenset),
    st.tuples(MINUTES, MINUTES).filter(lambda pair: pair[0] != pair[1]),
)
@settings(max_examples=150, deadline=None)
def test_the_wait_is_what_a_clock_looked_at_every_minute_says(
    place: tuple[str, str], seconds: int, ms: int, days: frozenset[int], hours: tuple[int, int]
) -> None:
    name, day = place
    rule = Window(days, *hours, True, name)
    now = at(day, "UTC") + seconds * 1000 + ms
    assert wait_ms(rule, now, name) == slowly(rule, now, ZoneInfo(name))


@pytest.mark.parametrize(
    "rule, now, wanted",
    [
        (window("09:00", "19:00"), "2026-06-01T09:00:00", "2026-06-01T09:00:00"),
        (window("09:00", "19:00"), "2026-06-01T18:59:59", "2026-06-01T18:59:59"),
        (window("09:00", "19:00"), "2026-06-01T19:00:00", "2026-06-02T09:00:00"),
        (window("09:00", "19:00", WEEK), "2026-06-05T19:00:00", "2026-06-08T09:00:00"),
        (window("22:00", "06:00", frozenset({4})), "2026-06-06T05:59:00", "2026-06-06T05:59:00"),
        (window("22:00", "06:00", frozenset({4})), "2026-06-05T05:59:00", "2026-06-05T22:00:00"),
        (window("22:00", "00:00"), "2026-06-06T00:00:00", "2026-06-06T22:00:00"),
        # 02:00 to 03:00 does not exist: open at 03:00, or not that day.
        (window("02:30", "05:00"), "2026-03-29T01:59:00", "2026-03-29T03:00:00"),
        (window("02:15", "02:45"), "2026-03-29T00:00:00", "2026-03-30T02:15:00"),
        (window("02:15", "02:45", frozenset({6})), "2026-03-23T00:00:00", "2026-04-05T02:15:00"),
    ],
)
def test_windows_in_paris(rule: Window, now: str, wanted: str) -> None:
    start, end = at(now, "Europe/Paris"), at(wanted, "Europe/Paris")
    assert wait_ms(rule, start, "Europe/Paris") == end - start


def test_an_hour_that_comes_twice_is_open_twice() -> None:
    rule = window("02:15", "02:45")
    first = at("2026-10-25T02:15:00", "Europe/Paris")
    second = at("2026-10-25T02:15:00", "Europe/Paris", fold=1)
    assert second - first == 3_600_000
    assert wait_ms(rule, first - 1, "Europe/Paris") == 1
    assert wait_ms(rule, first + 30 * 60_000, "Europe/Paris") == 30 * 60_000
    assert wait_ms(rule, second, "Europe/Paris") == 0
    over = window("01:30", "02:30")  # shut at the first 02:30, open again when clocks go back to 02:00
    assert wait_ms(over, at("2026-10-25T02:30:00", "Europe/Paris"), "Europe/Paris") == 30 * 60_000


def test_each_zone_has_its_own_morning() -> None:
    rule, noon = window("09:00", "19:00"), at("2026-06-01T12:00:00", "UTC")
    assert wait_ms(rule, noon, "Europe/Paris") == 0
    assert wait_ms(rule, noon, "America/Los_Angeles") == 4 * 3_600_000
    assert wait_ms(rule, noon, "Asia/Tokyo") == 12 * 3_600_000


def test_a_window_whose_day_never_comes_is_looked_at_again_later() -> None:
    # Clocks that skipped one Friday still had the next.
    rule = window("09:00", "10:00", frozenset({4}))
    now = at("2011-12-23T10:00:00", "Pacific/Apia")
    end = at("2012-01-06T09:00:00", "Pacific/Apia")
    assert wait_ms(rule, now, "Pacific/Apia") == end - now


def test_the_recipients_zone_counts_where_it_is_asked_for_and_known() -> None:
    rule = Window(WEEK, 540, 1140, True, "Europe/Paris")
    assert zone(rule, "Asia/Tokyo") == "Asia/Tokyo"
    assert zone(rule, "") == "Europe/Paris"
    assert zone(rule, "Mars/Olympus") == "Europe/Paris"
    assert zone(Window(WEEK, 540, 1140, False, "Europe/Paris"), "Asia/Tokyo") == "Europe/Paris"
    assert zone(Window(WEEK, 540, 1140, True, "Mars/Olympus"), "Mars/Olympus") == "UTC"


ODD_ZONES = [
    "", "Europe", "../etc/passwd", "/etc/localtime", "localtime", "posixrules", "Factory", "a" * 300, "\0", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("tz", ODD_ZONES, ids=ascii)
def test_what_is_no_zone_of_the_database_is_not_known(tz: str) -> None:
    assert not known(tz)


@given(st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_text_of_a_recipient_gives_a_zone_that_can_be_used(text: str) -> None:
    rule = Window(EVERY_DAY, 0, 60, True, "Europe/Paris")
    assert 0 <= wait_ms(rule, at("2026-06-01T12:00:00", "UTC"), zone(rule, text)) <= 24 * 3_600_000


@pytest.mark.parametrize(
    "days, start, end",
    [(frozenset(), 0, 60), (frozenset({7}), 0, 60), (WEEK, 60, 60), (WEEK, -1, 60), (WEEK, 0, 1440)],
)
def test_a_window_no_clock_can_show_is_refused(days: frozenset[int], start: int, end: int) -> None:
    with pytest.raises(ValueError, match="a window"):
        Window(days, start, end, True, "UTC")
