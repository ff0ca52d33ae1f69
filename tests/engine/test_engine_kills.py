"""A worker killed in mid-campaign, again and again: nobody is forgotten, and nobody written to twice without cause."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

KILLS = 10
PEOPLE = 1500


def workers(root: int) -> list[psutil.Process]:
    """The engine's worker processes: those that have a journal open."""
    found = []
    for process in psutil.Process(root).children(recursive=True):
        try:
            if any("/journal/" in target for target in links(process.pid)):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def links(pid: int) -> list[str]:
    folder = Path(f"/proc/{pid}/fd")
    out = []
    for name in folder.iterdir():
        try:
            out.append(os.readlink(name))
        except OSError:
            continue
    return out


def test_ten_kills_lose_nothing_and_repeat_only_open_dots(engine: Callable[..., Any]) -> None:
    running = engine(
        workers=2,
        signed=False,
        sink=("--delay-ms", "5", "--dot-delay-ms", "30"),
        settings={"limits": {"connections": 6}},
    )
    rows = [[f"u{n}@d{n % 5}.example.test"] for n in range(PEOPLE)]
    running.campaign(rows, ["email"])
    running.until(PEOPLE // 40, "delivered")
    kills = 0
    for number in range(KILLS):
        deadline = time.monotonic() + 10
        while not (alive := workers(running.rig.engine.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(alive[number % len(alive)].pid, signal.SIGKILL)
        kills += 1
        time.sleep(0.25)
    finals = running.until(PEOPLE, "delivered", "bounced", "expired", "failed", seconds=50)
    assert kills == KILLS
    assert {event["event"] for event in finals} == {"delivered"}
    assert len({event["rcpt"] for event in finals}) == PEOPLE, "somebody was forgotten"
    assert len(finals) == PEOPLE, "one final event each"
    received = running.rig.received()
    assert received["distinct_recipients"] == PEOPLE
    # A duplicate is allowed where the dot was out and its reply not seen (RFC 1047): the receiver counts those.
    assert received["duplicates"] <= received["dots_unconfirmed"], received
    (finished,) = running.until(1, "finished")
    assert finished["accepted"] == finished["delivered"] == str(PEOPLE)
