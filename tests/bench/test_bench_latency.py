"""The bench of latency counts from when a mail was due, takes off only the receiver's own share, and voids bad runs."""

from pathlib import Path
from typing import Any

import pytest

from bench.latency import Options, domain_of, faults, latencies, measure, report

BUSY, WARM, COLD = 0, 2, 3  # numbers of mails of that kind
SOUND: dict[str, Any] = {"missing": 0, "bulk_waiting": 1, "exit_code": 0}


def due_for(*numbers: int) -> dict[str, float]:
    return {f"due.{number}@{domain_of(number)[1]}": 100.0 + number for number in numbers}


def arrivals(path: Path, *rows: tuple[float, str]) -> Path:
    path.write_text("".join(f"{at}\t127.0.0.1\ts@x\t{rcpt}\t<m>\n" for at, rcpt in rows))
    return path


def test_latency_counts_from_due_to_the_250_of_the_first_copy(tmp_path: Path) -> None:
    due = due_for(BUSY, WARM, COLD)
    busy, _, cold = due
    path = arrivals(
        tmp_path / "a", (100.5, busy), (103.0, "bulk@d1.example.test"), (109.0, busy), (104.0, cold)
    )
    found = latencies(path, due, dot_seconds=0.25)
    assert found == {"busy": [0.75], "warm": [], "cold": [1.25]}
    assert report(found, due, {"new": 0.5, "open": 0.25})["missing"] == 1


def test_only_a_cold_site_is_given_the_time_of_a_new_session() -> None:
    found = {"busy": [0.75], "warm": [0.75], "cold": [0.75]}
    told = report(found, due_for(BUSY, WARM, COLD), {"new": 0.5, "open": 0.25})
    assert told["beyond_receiver"] == {"count": 3, "p50": 0.5, "p90": 0.5, "p99": 0.5, "max": 0.5}
    assert told["seconds"]["all"]["p50"] == 0.75
    assert told["missing"] == 0


@pytest.mark.parametrize("field, value", [("missing", 1), ("bulk_waiting", 0), ("exit_code", 1)])
def test_a_run_that_says_nothing_is_void(field: str, value: int) -> None:
    assert faults(SOUND) == []
    assert len(faults(SOUND | {field: value})) == 1


def test_a_short_run_accounts_for_every_mail() -> None:
    document = measure(Options(backlog=2000, seconds=2.0, per_second=5.0, tenants=2))
    assert (document["missing"], document["exit_code"]) == (0, 0)
    assert [document["seconds"][kind]["count"] for kind in ("all", "busy", "warm", "cold")] == [10, 5, 3, 2]
    assert 0 < document["seconds"]["all"]["p50"] <= document["seconds"]["all"]["max"]
    assert document["submitted_late"]["count"] == 10
    assert document["receiver_seconds"]["new"] > 0
