"""The bench of warm-up sees what it is to see: a short month keeps what it promises, and faults in it would show."""

from dataclasses import replace

import pytest

from bench.warmup import goals, judged, measure, month_of
from bench.warmup_month import Options, Receiver

SHORT = Options(days=4, scale=0.02)


def test_a_short_month_keeps_its_promises() -> None:
    document = measure(SHORT)
    assert [one.text for one in goals(document) if not one.held] == []
    assert document["warmed"]["left"] == document["caps_exceeded"] == 0
    assert document["steps"] == 9


async def test_a_cap_that_is_passed_and_a_step_that_is_nobodys_rule_show() -> None:
    month = await month_of(SHORT, ladder=True)
    assert (judged(month)["caps_exceeded"], judged(month)["not_by_rule"]) == (0, 0)
    month.seen[1]["strict"].delivered += 1
    assert judged(month)["caps_exceeded"] == 1
    month.positions[2]["moody"] = replace(month.positions[2]["moody"], stage=5)
    assert judged(month)["not_by_rule"] == 1


def test_a_receiver_takes_more_from_whom_it_knows_and_less_from_who_hurries() -> None:
    one = Receiver(stranger=10, times=2)

    def offered(count: int, mood: float = 0.0) -> int:
        taken = sum(one.asked(0.5, mood) for _ in range(count))
        one.night()
        return taken

    assert [offered(10), offered(20), offered(41)] == [10, 20, 40]
    assert offered(200) == 80
    assert one.most == pytest.approx(20), "it deferred more than a fifth"
    assert offered(10, mood=0.9) == 0
