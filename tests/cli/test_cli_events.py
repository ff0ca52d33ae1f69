"""`mta events`: seen without being taken from anybody, and read back from the archive."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mta.archive.archive import Archive
from mta.cli.events import instant
from mta.cli.failure import Failure

EVENTS = "mta:{0}:events"


def put(redis, kind: str, number: int, tenant: str = "acme") -> None:
    fields = {
        "v": "1",
        "event": kind,
        "eid": f"e{number}",
        "ts": str(1767312000000 + number),
        "tenant": tenant,
    }
    redis(
        "XADD",
        EVENTS,
        "*",
        *(part for pair in fields.items() for part in pair),
        "rcpt",
        f"p{number}@example.net",
    )


def test_the_newest_are_shown_in_order_and_stay_for_their_readers(mta, redis, lines) -> None:
    redis("XGROUP", "CREATE", EVENTS, "web", "0", "MKSTREAM")
    for number in range(601):
        put(redis, "bounced" if number % 200 == 0 else "delivered", number, "acme" if number % 2 else "other")
    assert [event["eid"] for event in lines(mta("events", "tail", "-n", "3", "--json"))] == [
        "e598",
        "e599",
        "e600",
    ]
    found = lines(mta("events", "tail", "--event", "bounced", "--tenant", "other", "--json"))
    assert [event["eid"] for event in found] == ["e0", "e200", "e400", "e600"], "also pages back"
    assert lines(mta("events", "tail", "--event", "bounced", "--tenant", "acme", "--json")) == []
    text = mta("events", "tail", "-n", "1").stdout
    assert text.startswith("2026-01-02T00:00:00Z bounced")
    assert "rcpt=p600@example.net" in text
    [group] = redis("XINFO", "GROUPS", EVENTS)
    assert group[group.index(b"last-delivered-id") + 1] == b"0-0"


def test_what_strangers_write_moves_no_cursor(mta, redis) -> None:
    redis("XADD", EVENTS, "*", "event", "bounced", "ts", "1", "reply", "550 \x1b[2Jgone")
    assert "\x1b" not in mta("events", "tail").stdout


def test_follow_goes_on_with_what_comes_and_ends_with_ctrl_c(config: Path, redis) -> None:
    put(redis, "delivered", 1)
    words = [sys.executable, "-m", "mta", "events", "tail", "-f", "--json", "-c", str(config)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["eid"] == "e1"
        put(redis, "delivered", 2)
        assert json.loads(process.stdout.readline())["eid"] == "e2"
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(20) == 130
        assert "Traceback" not in process.stderr.read()


def test_replay_reads_the_archive(mta, state: Path, lines) -> None:
    archive = Archive(state / "archive")
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    archive.add_events(
        {"event": "delivered", "eid": f"{day.day}", "ts": str(int(day.timestamp() * 1000)), "tenant": "acme"}
        for day in days
    )  # type: ignore[arg-type]
    archive.close()

    def eids(*words: str) -> list[str]:
        return [event["eid"] for event in lines(mta("events", "replay", *words))]

    assert eids("--from", "2026-01-02") == ["2", "3"]
    assert eids("--from", "2026-01-01T00:00:00Z", "--until", "2026-01-03") == ["1", "2"]
    assert eids("--from", "2026-01-01", "--tenant", "other") == []
    assert eids("--from", "2026-01-01", "--event", "delivered", "--tenant", "acme") == ["1", "2", "3"]


def test_replay_without_an_archive_is_66_and_a_wrong_time_64(mta) -> None:
    assert "there is no archive in" in mta("events", "replay", "--from", "2h", code=66).stderr
    assert "'soon' is no time" in mta("events", "replay", "--from", "soon", code=64).stderr


def test_times() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    hour = 3_600_000
    noon = int(now.timestamp() * 1000)
    assert instant("2h", now) == noon - 2 * hour
    assert instant("2026-03-01T09:00:00Z", now) == noon - 3 * hour
    assert instant("2026-03-01T09:00:00+02:00", now) == noon - 5 * hour
    assert instant("2026-03-01", now) == noon - 12 * hour
    with pytest.raises(Failure):
        instant("yesterday", now)
