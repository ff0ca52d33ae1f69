"""`mta status` and `mta top` on a queue with mail that waits, moves and is held."""

import asyncio
import json
import subprocess
import sys
import time

import pytest
from rich.console import Console

from mta.cli.overview import BARS, curve
from mta.cli.top import drawn
from mta.queue.control import Gate
from mta.queue.keys import Keys
from mta.queue.link import Server, connect
from mta.queue.overview import CampaignLine, ClassDepth, Glance, SiteLine
from mta.queue.paths import PathState
from mta.queue.roll import Present, Roll

SEND = ("send", "--from", "me@acme.example", "--subject", "Hello", "--text", "Hi", "--tenant", "acme")


def sign(url: str, *names: str, faults: tuple[str, ...] = ()) -> None:
    """Put processes on the roll, as they do themselves."""

    async def go() -> None:
        client = connect(Server(url))
        for name in names:
            await Roll(client, Keys()).sign(Present(name.rstrip("0123456789"), name, "h1", 1, faults=faults))
        await client.aclose()

    asyncio.run(go())


def beating(redis) -> None:
    """Wait for the keeper's first word."""
    ends = time.monotonic() + 20
    while not redis("HGET", "mta:status", "beat"):
        assert time.monotonic() < ends
        time.sleep(0.02)


def until(mta, wanted, *words: str):
    """Ask until the answer is as wanted; return it."""
    ends = time.monotonic() + 20
    while True:
        found = json.loads(mta(*words).stdout)
        if wanted(found):
            return found
        assert time.monotonic() < ends, found
        time.sleep(0.05)


def test_a_redis_without_an_engine_is_down(mta) -> None:
    result = mta("status", code=69)
    assert "state: down" in result.stdout
    assert "no engine ever ran on this Redis" in result.stdout
    assert json.loads(mta("status", "--json", code=69).stdout)["state"] == "down"


def test_an_engine_that_lacks_a_worker_says_so(mta, idle_engine, redis, redis_url) -> None:
    sign(redis_url, "ingest1", "keeper")
    beating(redis)
    assert "no worker runs" in mta("status", code=69).stdout


def test_status_of_an_engine_with_mail(mta, idle_engine, mailing, redis, redis_url) -> None:
    sign(redis_url, "ingest1", "keeper", "worker1", "worker2")
    file, csv = mailing("winter", 4)
    mta("campaign", "submit", "--file", file, "--recipients", csv)
    mta("campaign", "suspend", "acme", "winter", "--reason", "wrong price")
    mta(*SEND, "--to", "jo@example.org")
    beating(redis)

    def filled(one) -> bool:
        return [one["classes"][name]["ready"] for name in ("transactional", "bulk")] == [1, 4]

    found = until(mta, filled, "status", "--json")
    assert found["state"] == "ready"
    assert [one["name"] for one in found["processes"]] == ["ingest1", "keeper", "worker1", "worker2"]
    assert found["redis"]["appendfsync"] == "always"
    assert found["closed"][0]["scope"] == "c|acme|winter"
    text = mta("status").stdout
    assert "state: ready" in text
    assert "ingest, keeper, worker x2 on h1" in text
    assert "campaign acme/winter suspended: wrong price" in text
    assert "closed: 1 suspended" in text


def test_an_engine_that_needs_a_person_is_75(mta, engine, redis, redis_url) -> None:
    sign(redis_url, "ingest1", "keeper", "worker1")
    beating(redis)
    sign(redis_url, "web1", faults=("the mail log can't be written: /log: No space left on device",))
    text = mta("status", code=75).stdout
    assert "state: degraded" in text
    assert "web1 on h1: the mail log can't be written" in text


def test_top_tells_why_sites_wait(mta, idle_engine, mailing, redis_url) -> None:
    sign(redis_url, "ingest1", "keeper", "worker1")
    file, csv = mailing("winter", 4)
    mta("campaign", "submit", "--file", file, "--recipients", csv)
    mta("site", "suspend", "example.net", "--reason", "they asked")
    until(mta, lambda one: one["sites"], "top", "--once", "--json")
    [site] = json.loads(mta("top", "--once", "--json").stdout)["sites"]
    assert (site["site"], site["ready"], site["state"], site["reason"]) == (
        "example.net", 4, "suspended", "suspended",
    )  # fmt: skip
    assert "site example.net is suspended" in site["why"]
    assert "they asked" in site["why"]
    # The same answer as mta why gives for a message that waits there.
    same = json.loads(mta("why", "p0@example.net", "--json").stdout)["messages"][0]
    assert same["reason"] == site["reason"]
    text = mta("top", "--once").stdout
    assert "acme/winter" in text
    assert "site example.net is suspended" in text
    assert "\x1b" not in text


def test_a_campaign_that_is_done_is_100_percent(mta, engine, mailing) -> None:
    file, csv = mailing("spring", 5)
    mta("campaign", "submit", "--file", file, "--recipients", csv)

    def finished(one) -> bool:
        return bool(one["campaigns"]) and one["campaigns"][0]["totals"].get("delivered") == 5

    until(mta, finished, "top", "--once", "--json")
    assert "100 %" in mta("top", "--once").stdout


def test_top_goes_on_until_it_is_ended(idle_engine, config) -> None:
    words = [sys.executable, "-m", "mta", "top", "--json", "--every", "0.2", "-c", str(config)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        looks = [json.loads(program.stdout.readline()) for _ in range(3)]
        program.terminate()
    assert looks[0]["now"] < looks[2]["now"]


@pytest.mark.parametrize("width", [60, 200])
def test_a_screen_fits_its_terminal_and_is_free_of_what_strangers_write(width: int) -> None:
    glance = Glance(5_000_000, [ClassDepth("bulk", ready=3)], {"beat": "5000000"}, [], [], [], {})
    sites = [
        SiteLine(PathState("default", "x.example", ready=3), "retry", "waits: 421 \x1b[2J\nno" + "y" * 300)
    ]
    campaigns = [
        CampaignLine("acme", "a\x07b", 2, 0, {"accepted": 10, "queued": 1}, Gate("held", "look"), "t|acme")
    ]
    console = Console(width=width, record=True, highlight=False, force_terminal=False)
    with console.capture() as captured:
        console.print(drawn(glance, sites, campaigns, dumb=False))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= width
    assert not any(ord(char) < 32 or char == "\x7f" for line in lines for char in line)
    assert "90 %" in captured.get()


def test_the_curve_is_as_high_as_its_highest() -> None:
    assert curve([0, 1, 2, 7], 4, ascii_=False) == f"{BARS[0]}{BARS[1]}{BARS[2]}{BARS[7]}"
    assert curve([0, 0], 4, ascii_=True) == "  "
    assert curve([9, 1, 1], 2, ascii_=False) == BARS[7] * 2
    assert curve([], 4, ascii_=False) == ""
