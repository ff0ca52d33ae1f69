"""`mta audit`: what was done stands there, by whom, and can't be thinned out unseen."""

import asyncio
import json
from typing import Any

from mta.queue.audit import AuditLog, subject
from mta.queue.keys import Keys
from mta.queue.link import Client


def log(mta, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in mta("audit", *words, "--json").stdout.splitlines()]


def test_orders_and_tenants_are_noted_as_given_and_as_carried_out(
    mta, idle_engine, mailing, tmp_path
) -> None:
    files = mailing(people=2)
    mta("campaign", "submit", "--file", files[0], "--recipients", files[1])
    mta("campaign", "suspend", "acme", "spring", "--reason", "wrong price")
    document = tmp_path / "acme.json"
    document.write_text('{"id": "acme", "from_domains": ["acme.example"]}')
    mta("tenant", "set", document)
    mta("queue", "purge", "--recipient", "jo@example.net")

    given, done = log(mta, "--what", "campaign.suspend")
    assert given["who"].count("@") == 1
    assert done["who"] == "acme"
    assert given["subject"] == done["subject"] == "campaign:acme/spring"
    assert given["detail"]["key"] == done["detail"]["key"]
    assert done["detail"]["reason"] == "wrong price"
    assert done["detail"]["by"] == given["who"]
    assert [one["who"] for one in log(mta, "--what", "tenant.*")] == [given["who"], "acme"]
    people = log(mta, "--what", "recipient.purge")
    assert {one["subject"] for one in people} == {"recipient:...@example.net"}
    assert people[1]["who"] == "control"
    assert not log(mta, "--who", "nobody")
    assert len(log(mta, "--since", "1h", "--who", "acme")) == 2
    assert len(log(mta, "-n", "1")) == 1
    assert "campaign:acme/spring" in mta("audit").stdout


def test_an_order_that_is_refused_was_given_and_not_carried_out(mta, idle_engine) -> None:
    mta("campaign", "suspend", "acme", "nothing", code=65)
    assert [one["who"].count("@") for one in log(mta, "--what", "campaign.suspend")] == [1]


async def test_a_trim_is_an_entry_itself(client: Client, keys: Keys) -> None:
    audit = AuditLog(client, keys)
    for number in range(5):
        await audit.note("jo@host", "sample.read", subject("campaign", f"c{number}", "acme"), n=str(number))
        await asyncio.sleep(0.002)  # an entry's time is what it is kept by
    assert await audit.trim(0, 10) == 0
    assert await audit.trim(0, 3) == 2
    left = [one async for one in audit.since()]
    assert [one.detail.get("n") for one in left] == ["2", "3", "4", None]
    assert (left[-1].who, left[-1].what) == ("engine", "audit.trim")
    assert left[-1].detail["before"] == str(left[0].ts)
    assert await audit.trim(left[-1].ts, 10) == 3
    assert [one.what for one in await audit.last(9)] == ["audit.trim", "audit.trim"]


async def test_long_texts_are_cut_and_a_detail_never_takes_the_place_of_who(
    client: Client, keys: Keys
) -> None:
    audit = AuditLog(client, keys)
    await audit.note("jo@host", "campaign.hold", "campaign:acme/x", reason="r" * 9000, who_="eve", none="")
    (one,) = await audit.last(1)
    assert one.who == "jo@host"
    assert one.detail == {"reason": "r" * 500}
