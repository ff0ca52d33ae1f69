"""`mta source`, and orders about sources: what is shown is what holds."""

import json

import pytest

from mta.queue.keys import Keys
from mta.throttle.warmup import day_of

CONFIG = """
[sources.a]
address = "192.0.2.1"
helo = "a.out.example"
[sources.b]
address = "192.0.2.2"
address6 = "2001:db8::2"
warm = false
ladder = [100, 200, 400]
[pools.default]
sources = { a = 3, b = 1 }
"""


@pytest.fixture
def named(config, idle_engine):
    """The configuration names two sources, and the engine takes orders about them."""
    from mta.config.load import load
    from mta.daemon.assemble import pools

    config.write_text(config.read_text() + CONFIG)
    idle_engine._ingest.office.orders.pools = lambda: pools(load(config, {}).settings)
    return config


def sources(mta) -> dict[str, dict]:
    return {row["name"]: row for row in json.loads(mta("source", "list", "--json").stdout)["sources"]}


def test_without_sources_it_says_where_mail_goes_out(mta, idle_engine) -> None:
    assert "no [sources] are named" in mta("source", "list").stderr


def test_a_source_is_suspended_limited_and_goes_on(mta, named) -> None:
    assert (
        mta("source", "suspend", "a", "--for", "2h", "--reason", "listed").stdout
        == "source a is suspended for 2h\n"
    )
    found = sources(mta)
    assert (found["a"]["state"], found["a"]["reason"], found["b"]["state"]) == ("suspended", "listed", "open")
    assert found["a"]["until"] > 0
    shown = mta("source", "show", "192.0.2.1").stdout
    assert "listed, until" in shown
    assert "a.out.example" in shown
    assert mta("source", "limit", "2001:db8::2", "--rate", "120/min").stdout.startswith(
        "source 2001:db8::2 is limited"
    )
    assert round(sources(mta)["b"]["rate"], 3) == 2
    assert "limited to 2/s" in mta("source", "show", "b").stdout
    assert mta("source", "resume", "a").stdout == "source a goes on\n"
    assert mta("source", "resume", "b").stdout == "source b goes on\n"
    assert {row["state"] for row in sources(mta).values()} == {"open"}
    assert sources(mta)["b"]["rate"] == 0
    assert "nothing changed" in mta("source", "resume", "a").stdout


def test_orders_about_a_source_that_is_not_there_are_refused(mta, named) -> None:
    said = mta("source", "suspend", "192.0.2.99", code=65).stderr
    assert "192.0.2.99 is no name or address of this engine's [sources]" in said
    assert "no source c in the settings; known: a, b" in mta("source", "show", "c", code=66).stderr


def test_stages_caps_and_what_is_used_are_shown(mta, named, redis) -> None:
    assert sources(mta)["b"]["warmup"] == []
    base = Keys().base(0)
    first = day_of("2026-11-23")
    held = {"day": first + 4, "stage": 1, "since": first, "held": "6.0% was deferred; less than 5% may be"}
    redis(
        "HSET",
        f"{base}warmup",
        "b|google",
        json.dumps(held),
        "b|*",
        json.dumps({"day": first, "ended": True}),
    )
    seconds = int(redis("TIME")[0])
    redis(
        "HSET",
        f"{base}used:{seconds // 86400}",
        "b|google",
        150,
        "b|google|delivered",
        120,
        "b|google|deferred",
        9,
    )
    google, rest = sources(mta)["b"]["warmup"]
    assert (google["stage"], google["stages"], google["cap"], google["used"]) == (2, 3, 200, 150)
    assert (google["delivered"], google["deferred"]) == (120, 9)
    assert (rest["provider"], rest["cap"], rest["ended"]) == ("*", -1, True)
    shown = mta("source", "show", "b").stdout
    for text in ("2 of 3", "6.0% was deferred", "2026-11-23", "all other sites", "none"):
        assert text in shown
    assert "stage 2 of 3, 1 held" in mta("source", "list").stdout
