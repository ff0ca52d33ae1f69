"""The bench of the queue varies one thing at a time, tells the parts apart, and compares with the right case."""

from collections import Counter
from dataclasses import asdict
from itertools import islice
from typing import Any

import pytest
from click.testing import CliRunner

from bench import queue
from bench.stand import Case, people

PARTS = {"put_us": {"redis", "ingest"}, "take_us": {"redis", "ingest", "worker"}}


@pytest.mark.parametrize("cases", [queue.CASES | queue.LARGE, queue.QUICK], ids=["full", "quick"])
def test_each_case_differs_in_one_thing_from_what_it_is_compared_with(cases: dict[str, Case]) -> None:
    for name, case in cases.items():
        if name in ("base", "small"):
            continue
        other = asdict(cases[queue.AGAINST.get(name, "base")])
        differ = {key for key, value in asdict(case).items() if value != other[key]} - {"drained"}
        assert len(differ) == 1, name
    assert all(case.drained <= case.queued for case in cases.values())


def test_two_fifths_go_to_one_site_and_nobody_is_there_twice() -> None:
    case = Case(domains=50)
    rows = list(islice(people(case), 5000))
    assert rows == list(islice(people(case), 5000))
    assert len({email for email, _, _ in rows}) == len(rows)
    sites = Counter(email.partition("@")[2] for email, _, _ in rows)
    assert len(sites) == 50
    assert 0.37 < sites["d0.example.test"] / len(rows) < 0.43
    assert sites["d1.example.test"] > sites["d10.example.test"] > sites["d49.example.test"]
    assert {email.partition("@")[2] for email, _, _ in islice(people(Case(domains=1)), 100)} == {
        "d0.example.test"
    }


async def test_a_case_tells_what_each_part_cost() -> None:
    row = await queue.one(Case(queued=300, domains=10, tenants=2, rows=50, drained=200))
    for part, processes in PARTS.items():
        assert set(row[part]) == processes
        assert all(cost >= 0 for cost in row[part].values())
    assert row["settle_us"]["worker"] > 0
    assert row["campaign_us"]["redis"] > 0
    assert row["bytes_per_queued"] > 0
    total = sum(sum(row[part].values()) for part in ("put_us", "take_us", "settle_us"))
    assert row["engine_us"] == pytest.approx(total)
    assert row["case"]["queued"] == 300


async def test_ratios_are_of_medians_and_against_the_case_of_the_same_entries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs = {"base": [10.0, 90.0, 20.0], "small": [50.0, 40.0, 60.0], "tenants_10k": [55.0, 54.0, 56.0]}
    turns = {name: iter(found) for name, found in costs.items()}
    names = {case: name for name, case in queue.CASES.items()}
    order: list[str] = []

    async def one(case: Case) -> dict[str, Any]:
        order.append(names[case])
        return {"engine_us": next(turns[names[case]])}

    async def memory(queued: int) -> dict[str, float]:
        return {"backlog": 30.0, "ready": 200.0}

    async def suspended(waiting: int, drained: int, rounds: int) -> dict[str, Any]:
        return {"throughput": 1.0}

    for stub in (one, memory, suspended):
        monkeypatch.setattr(queue, stub.__name__, stub)
    document = await queue.measure({name: queue.CASES[name] for name in costs}, 3, 1, 1, 1)
    assert order == list(costs) * 3, "by turns: a drift of the machine meets all of them"
    assert document["cases"]["base"]["engine_us"] == 20.0
    assert document["spread_us"]["base"] == [10.0, 90.0]
    assert set(document["against"]) == {"small", "tenants_10k"}
    whole = document["delivery_us"] - 20.0  # of a message, without its queueing
    assert document["against"]["tenants_10k"] == {
        "case": "small",
        "ratio": pytest.approx(1.1),
        "of_whole": pytest.approx((whole + 55.0) / (whole + 50.0)),
    }


def test_only_keeps_the_cases_that_others_are_compared_with(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def measure(cases: dict[str, Case], *_: int) -> dict[str, Any]:
        asked.extend(cases)
        return {"cases": {}, "against": {}, "bytes_per_recipient": {}, "suspended_site": {"throughput": 1.0}}

    monkeypatch.setattr(queue, "measure", measure)
    result = CliRunner().invoke(queue.main, ["--only", "domains_10"])
    assert result.exit_code == 0, result.output
    assert asked == ["base", "domains_10", "small"]
