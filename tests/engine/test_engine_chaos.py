"""A worker, ingest and Redis die by SIGKILL in mid-campaign: the books add up at every look and at the end."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from bench.books import check
from bench.fleet import Victim, fleet
from bench.ledger import entry_of, events
from bench.load import Domains, Plan, submissions
from bench.snapshot import queued
from mta.queue.keys import Keys
from mta.queue.link import QueueDown, Server, connect

PEOPLE = 600
SECONDS = 40.0
RETRY = {"first": "200ms", "factor": 0.1, "most": "1s"}


def one(root: int, role: str) -> Victim:
    """A living process of the role; it may have been started again a moment ago."""
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        found = [victim for victim in fleet(root) if victim.role == role]
        if found:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"no {role} within {SECONDS} s")


async def play(rig: Any) -> dict[str, int]:
    plan = Plan(
        count=PEOPLE, rate=float(PEOPLE), domains=Domains(5), html_bytes=500, links=1, rows=50, run="chaos"
    )
    mail = list(submissions(plan))
    entries = [made for each in mail if (made := entry_of(each.cls, each.fields)) is not None]
    keys, client = Keys(), connect(Server(rig.redis_url))

    async def hand_in(part: list[Any]) -> None:
        for each in part:
            while True:
                try:
                    await client.xadd(keys.submit_stream(each.cls), each.fields)
                    break
                except QueueDown:
                    await asyncio.sleep(0.05)

    async def books(least: int) -> dict[str, int]:
        """Wait for so many deliveries; the books have to add up at whatever instant it is."""
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            try:
                waiting = await queued(client, keys)
                told = [event async for _, event in events(client, keys, 0, "-", waiting.last)]
            except QueueDown:
                await asyncio.sleep(0.05)
                continue
            verdict = check(entries, told, waiting)
            verdict.faults.pop("forgotten", None)  # not handed in yet
            assert verdict.holds, verdict.faults
            if verdict.sums["delivered"] >= least:
                return verdict.sums
            await asyncio.sleep(0.05)
        raise AssertionError(f"fewer than {least} delivered after {SECONDS} s\n{rig.log_tail()}")

    part = len(mail) // 3
    await hand_in(mail[:part])
    await books(PEOPLE // 20)
    one(rig.engine.pid, "worker").kill()
    await hand_in(mail[part : 2 * part])
    one(rig.engine.pid, "ingest").kill()
    await books(PEOPLE // 3)
    one(rig.engine.pid, "redis").kill()
    await hand_in(mail[2 * part :])
    await books(PEOPLE * 3 // 4)
    one(rig.engine.pid, "worker").kill()
    sums = await books(PEOPLE)
    await client.aclose()
    return sums


def test_the_books_add_up_whatever_dies(engine: Callable[..., Any]) -> None:
    running = engine(
        workers=2,
        signed=False,
        sink=("--delay-ms", "5", "--dot-delay-ms", "30"),
        settings={
            "limits": {"connections": 6, "unreachable": "500ms"},
            **{f"retry.{cls}": RETRY for cls in ("urgent", "transactional", "bulk")},
        },
    )
    sums = asyncio.run(play(running.rig))
    assert sums["accepted"] == sums["delivered"] == PEOPLE
    received = running.rig.received()
    assert received["distinct_recipients"] == PEOPLE
    # A duplicate is allowed where the dot was out and its reply not seen (RFC 1047): the receiver counts those.
    assert received["duplicates"] <= received["dots_unconfirmed"], received
    assert running.rig.stop_engine() == 0
