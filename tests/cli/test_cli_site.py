"""`mta site`, and orders on every scope from `mta queue`: what is said is what was done."""

import json

import msgspec
import pytest

from mta.queue import codec

MAIL = (
    "send",
    "--from",
    "me@acme.example",
    "--subject",
    "Hello",
    "--text",
    "Hi",
    "--tenant",
    "acme",
    "--key",
)


def taken_in(mta, count: int) -> None:
    while True:
        found = json.loads(mta("queue", "list", "--json").stdout)
        if sum(row["ready"] + row["packed"] for row in found["classes"].values()) == count:
            return


def fill(mta, mailing) -> None:
    file, csv = mailing("spring", 200, "x@example.org,,\n")
    mta("campaign", "submit", "--file", file, "--recipients", csv)
    mta(*MAIL, "k1", "--to", "jo@example.org")
    taken_in(mta, 202)


def sites(mta) -> dict[str, dict]:
    return {row["site"]: row for row in json.loads(mta("site", "list", "--json").stdout)["sites"]}


def test_sites_are_counted_and_one_is_told_apart(mta, idle_engine, mailing) -> None:
    fill(mta, mailing)
    found = sites(mta)
    assert {name: row["ready"] + row["packed"] for name, row in found.items()} == {
        "example.net": 200,
        "example.org": 2,
    }
    assert found["example.net"]["state"] == "open"
    shown = json.loads(mta("site", "show", "Example.ORG", "--json").stdout)
    assert sorted((row["class"], row["campaign"], row["waiting"]) for row in shown["lanes"]) == [
        ("bulk", "spring", 1),
        ("transactional", "", 1),
    ]
    assert shown["oldest"] > 0
    assert "example.net" in mta("site", "list").stdout
    assert "1 more sites" in mta("site", "list", "-n", "1").stderr
    assert "oldest message" in mta("site", "show", "example.net").stdout
    assert "nothing waits for a site example.com" in mta("site", "show", "example.com", code=66).stderr


def test_a_site_is_limited_suspended_and_goes_on(mta, idle_engine, mailing) -> None:
    fill(mta, mailing)
    said = mta("site", "limit", "example.org", "--rate", "100/min", "--connections", "2", "--for", "2h")
    assert said.stdout == "site example.org is limited for 2h\n"
    mta("site", "suspend", "example.net", "--reason", "they asked")
    found = sites(mta)
    assert (round(found["example.org"]["rate"] * 60), found["example.org"]["connections"]) == (100, 2)
    assert (found["example.net"]["state"], found["example.net"]["reason"]) == ("suspended", "they asked")
    assert mta("site", "resume", "example.net").stdout == "site example.net goes on\n"
    assert sites(mta)["example.net"]["state"] == "open"
    assert "nothing changed" in mta("site", "resume", "example.net").stdout
    assert mta("site", "purge", "example.net").stdout == "site example.net is purged: 200 messages dropped\n"
    assert sites(mta)["example.net"]["ready"] == 0


@pytest.mark.parametrize(
    "words, dropped",
    [
        (("--domain", "example.org"), 2),
        (("--recipient", "p7@example.net"), 1),
        (("--tenant", "acme", "--campaign", "spring"), 201),
        (("--tenant", "acme"), 202),
    ],
)
def test_a_purge_drops_what_its_scope_names_and_nothing_else(
    mta, idle_engine, mailing, words, dropped: int
) -> None:
    fill(mta, mailing)
    assert f": {dropped} messages dropped" in mta("queue", "purge", *words).stdout
    taken_in(mta, 202 - dropped)


def test_one_message_is_dropped_and_its_sister_is_not(mta, idle_engine, redis) -> None:
    mta(*MAIL, "k1", "--to", "jo@example.org", "--to", "eve@example.org")
    taken_in(mta, 2)
    item = redis("LINDEX", "mta:{0}:lane:1|default|example.org|acme|", 1)
    name = msgspec.msgpack.decode(item[codec.HEAD :])[0]
    assert ": 1 messages dropped" in mta("queue", "purge", "--tenant", "acme", "--message", name).stdout
    assert ": 0 messages dropped" in mta("queue", "purge", "--tenant", "other", "--message", name).stdout
    taken_in(mta, 1)


@pytest.mark.parametrize(
    "words, says",
    [
        ((), "name one of"),
        (("--domain", "a.example", "--site", "b"), "name one of"),
        (("--campaign", "spring"), "whose campaign is it"),
    ],
)
def test_a_scope_that_is_none_is_a_usage_error(mta, words, says: str) -> None:
    assert says in mta("queue", "suspend", *words, code=64).stderr


@pytest.mark.parametrize(
    "words, says",
    [
        (("site", "limit", "google", "--connections", "0"), "limit.connections"),
        (("site", "limit", "google", "--rate", "-1/s"), "limit.rate"),
        (("queue", "suspend", "--tenant", "acme", "--campaign", "none"), "is not a campaign"),
        (("queue", "limit", "--tenant", "acme", "--connections", "3"), "belongs to a site or domain"),
    ],
)
def test_an_order_that_contradicts_itself_is_refused_and_changes_nothing(
    mta, engine, redis, words, says: str
) -> None:
    assert says in mta(*words, code=65).stderr
    assert redis("EXISTS", "mta:{0}:limits", "mta:{0}:scopes", "mta:{0}:gates") == 0
