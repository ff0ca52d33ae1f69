"""The load generator: what it makes is the protocol's, the same for the same seed, and arrives in Redis."""

import asyncio
import io
import json
import re
from collections import Counter
from itertools import islice

import pytest
from click.testing import CliRunner
from redis.asyncio import Redis

from bench import documents, load
from bench.load import Domains, Plan, connect, parse_mix, person, send, submissions


def data(one: load.Submission) -> dict[str, object]:
    return dict(json.loads(one.fields["data"]))


def test_a_person_depends_on_seed_and_number_alone() -> None:
    domains = Domains(100)
    assert person(7, domains) == person(7, domains)
    assert person(7, domains, seed=2) != person(7, domains)
    people = [person(n, domains) for n in range(5000)]
    assert len({one.email for one in people}) == len({one.coupon for one in people}) == 5000
    assert all(re.fullmatch(r"u\d+@d\d\d?\.example\.test", one.email) for one in people)


def test_uniform_reaches_every_domain_about_equally() -> None:
    seen = Counter(person(n, Domains(10)).email.partition("@")[2] for n in range(10_000))
    assert len(seen) == 10
    assert all(850 < count < 1150 for count in seen.values())


def test_zipf_gives_the_second_domain_half_of_the_first() -> None:
    domains = Domains(50, "zipf")
    seen = Counter(person(n, domains).email.partition("@")[2] for n in range(20_000))
    assert seen["d0.example.test"] / seen["d1.example.test"] == pytest.approx(2, rel=0.1)


def test_head_gives_one_domain_its_share_and_spreads_the_rest() -> None:
    domains = Domains(1000, "zipf", head=0.4, suffix="z.test")
    seen = Counter(person(n, domains).email.partition("@")[2] for n in range(20_000))
    assert seen["d0.z.test"] / 20_000 == pytest.approx(0.4, abs=0.02)
    assert seen["d1.z.test"] > seen["d9.z.test"] > 0


def test_a_single_domain_and_the_last_point_are_in_range() -> None:
    assert Domains(1).pick(0.999999) == "d0.example.test"
    assert Domains(3).pick(1 - 2**-53) == "d2.example.test"
    with pytest.raises(ValueError):
        Domains(0)


@pytest.mark.parametrize("size", [4000, 12_000, 100_000])
def test_a_campaign_has_the_size_links_and_merge_fields_asked_for(size: int) -> None:
    campaign = load.campaign_document("t3", 5, links=10, html_bytes=size)
    html, text = str(campaign["html"]), str(campaign["text"])
    assert len(html.encode()) == size
    assert len(re.findall(r'href="https?://', html)) == 10
    for name in ("first", "city", "coupon"):
        assert "{{" + name + "|" in html
        assert "{{" + name + "|" in text
    assert "{{unsubscribe_url}}" in html
    assert max(map(len, html.splitlines())) < 998
    assert load.campaign_document("t3", 5, html_bytes=size) == campaign
    assert load.campaign_document("t4", 5, html_bytes=size)["html"] != html


def test_a_message_brings_its_own_values_and_no_list() -> None:
    to = person(1, Domains(5))
    message = load.message_document("t0", 1, to, run="r")
    assert message["to"] == [to.email]
    assert message["vars"] == {"first": to.first, "city": to.city, "coupon": to.coupon}
    assert "unsubscribe" not in str(message)
    assert str(message["html"]).count('href="https://') == 10


def test_an_entry_with_too_many_rows_is_refused() -> None:
    people = [person(n, Domains(5)) for n in range(1001)]
    with pytest.raises(ValueError, match="1000 rows"):
        load.recipients_entry("t0", "c", people)


def test_the_entries_of_one_campaign_hold_everybody_once_and_say_which_is_last() -> None:
    people = [person(n, Domains(5)) for n in range(1200)]
    first, *parts = documents.campaign_entries("t0", 0, people, rows=500)
    assert first["kind"] == "campaign"
    rows = [json.loads(part["data"]) for part in parts]
    assert [len(part["rows"]) for part in rows] == [500, 500, 200]
    assert [part["last"] for part in rows] == [False, False, True]
    assert [row[0] for part in rows for row in part["rows"]] == [one.email for one in people]


def test_a_plan_is_whole_ordered_and_never_repeats_a_key_or_a_person() -> None:
    plan = Plan(
        count=5003,
        rate=1000,
        mix=parse_mix("bulk=0.9,transactional=0.07,urgent=0.03"),
        tenants=4,
        rows=100,
        html_bytes=3000,
    )
    made = list(submissions(plan))
    assert [one.due for one in made] == sorted(one.due for one in made)
    assert sum(one.messages for one in made) == 5003
    assert len({(one.fields["tenant"], one.fields["key"]) for one in made}) == len(made)
    emails = [one.to for one in made if one.to]
    last: dict[str, list[bool]] = {}
    for one in made:
        if one.fields["kind"] == "recipients":
            document = data(one)
            emails += [row[0] for row in document["rows"]]  # type: ignore[attr-defined]
            last.setdefault(str(document["campaign"]), []).append(bool(document["last"]))
    assert len(emails) == len(set(emails)) == 5003
    assert len(last) == 4
    assert all(marks == [False] * (len(marks) - 1) + [True] for marks in last.values())
    assert [one.fields["key"] for one in submissions(plan)] == [one.fields["key"] for one in made]


def test_due_instants_follow_the_rate_of_each_class() -> None:
    plan = Plan(count=1000, rate=100, mix={"bulk": 0.5, "urgent": 0.5}, rows=50, html_bytes=3000)
    made = list(submissions(plan))
    urgent = [one.due for one in made if one.cls == "urgent"]
    assert urgent[:3] == pytest.approx([0, 0.02, 0.04])
    bulk = [one.due for one in made if one.fields["kind"] == "recipients"]
    assert bulk[:3] == pytest.approx([0, 1, 2])


@pytest.mark.parametrize("text", ["", "slow=1", "bulk=0", "bulk=-1,urgent=3"])
def test_a_mix_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_mix(text)


async def test_everything_arrives_on_its_stream_as_the_protocol_spells_it(private_redis: str) -> None:
    plan = Plan(count=600, mix=parse_mix("bulk=0.9,urgent=0.1"), tenants=2, rows=100, html_bytes=3000)
    async with connect(private_redis) as redis:
        log = io.StringIO()
        summary = await send(plan, redis, log=log)
        bulk = await redis.xrange("mta:submit:bulk")
        urgent = await redis.xrange("mta:submit:urgent")
    assert (summary.sent, summary.errors, summary.waits) == (600, 0, 0)
    assert summary.entries == len(bulk) + len(urgent) == len(log.getvalue().splitlines())
    assert summary.by_class == {"bulk": 540, "urgent": 60}
    assert Counter(fields["kind"] for _, fields in bulk) == {"campaign": 2, "recipients": 6}
    assert all(set(fields) == {"v", "kind", "tenant", "key", "data"} for _, fields in bulk + urgent)
    assert [fields for _, fields in urgent] == [one.fields for one in submissions(plan) if one.to]


async def until_waiting(redis: "Redis", stream: str, length: int) -> None:
    while await redis.xlen(stream) < length:
        await asyncio.sleep(0.005)


async def test_it_stops_while_the_engine_does_not_accept_and_goes_on_after(private_redis: str) -> None:
    async with connect(private_redis) as redis:
        await redis.hset("mta:status", mapping={"accepting": "0", "why": "memory"})
        task = asyncio.create_task(send(Plan(count=10, mix={"urgent": 1.0}, html_bytes=3000), redis))
        await asyncio.sleep(0.2)
        assert await redis.xlen("mta:submit:urgent") == 0
        await redis.hset("mta:status", "accepting", "1")
        summary = await task
    assert (summary.sent, summary.waits) == (10, 1)
    assert summary.wait_seconds > 0.1


async def test_it_stops_at_the_submit_limit(private_redis: str) -> None:
    async with connect(private_redis) as redis:
        await redis.hset("mta:status", mapping={"accepting": "1", "submit_limit": "100"})
        for _ in range(101):
            await redis.xadd("mta:submit:urgent", {"v": "1"})
        task = asyncio.create_task(send(Plan(count=10, mix={"urgent": 1.0}, html_bytes=3000), redis))
        await asyncio.sleep(0.2)
        assert await redis.xlen("mta:submit:urgent") == 101
        await redis.delete("mta:submit:urgent")
        assert (await task).sent == 10


async def test_an_engine_that_never_accepts_is_given_up(private_redis: str) -> None:
    async with connect(private_redis) as redis:
        await redis.hset("mta:status", "accepting", "0")
        with pytest.raises(TimeoutError, match="took no mail"):
            await send(Plan(count=1, html_bytes=3000), redis, max_wait_s=0.1)


async def test_a_newer_protocol_is_refused(private_redis: str) -> None:
    async with connect(private_redis) as redis:
        await redis.hset("mta:status", "proto_min", "2")
        with pytest.raises(ValueError, match="protocol 2"):
            await send(Plan(count=1, html_bytes=3000), redis)


async def test_what_redis_refuses_is_sent_again_with_the_same_key(private_redis: str) -> None:
    plan = Plan(count=20, mix={"urgent": 1.0}, html_bytes=3000)
    async with connect(private_redis) as redis:
        await redis.set("mta:submit:urgent", "not a stream")
        task = asyncio.create_task(send(plan, redis))
        await asyncio.sleep(0.1)
        await redis.delete("mta:submit:urgent")
        summary = await task
        keys = [fields["key"] for _, fields in await redis.xrange("mta:submit:urgent")]
    assert summary.sent == 20
    assert summary.errors > 0
    assert sorted(keys) == sorted(one.fields["key"] for one in islice(submissions(plan), 20))


def test_the_command_prints_its_summary_and_registers_tenants(private_redis: str) -> None:
    arguments = f"--redis {private_redis} --prefix x: --count 30 --tenants 3 --rows 10 --register --run r"
    result = CliRunner().invoke(load.main, arguments.split())
    assert result.exit_code == 0, result.output
    summary = json.loads(result.output)
    assert (summary["sent"], summary["entries"], summary["run"]) == (30, 6, "r")

    async def look() -> list[str]:
        async with connect(private_redis) as redis:
            return [fields["kind"] for _, fields in await redis.xrange("x:submit:control")]

    assert asyncio.run(look()) == ["tenant"] * 3


def test_the_command_says_what_is_missing() -> None:
    result = CliRunner().invoke(load.main, ["--rate", "5"])
    assert result.exit_code == 2
    assert "--seconds" in result.output
