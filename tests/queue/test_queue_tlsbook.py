"""What processes share of TLS in Redis: counts added up and bounded, one sender at a time, policies kept."""

import pytest

from mta.policy.tlsrpt import Row
from mta.queue import tlsbook
from mta.queue.keys import Keys
from mta.queue.link import Client, QueueDown, Server, connect
from mta.queue.tlsbook import DAY_SECONDS, ReportBook, StsCache

DAY = "2026-07-01"


def row(domain: str = "d.test", day: str = DAY, result: str = "", host: str = "") -> Row:
    return Row(day, domain, "sts", ("version: STSv1", "mode: enforce"), ("*.d.test",), result, "", host)


@pytest.fixture
def book(client: Client, keys: Keys) -> ReportBook:
    return ReportBook(client, keys)


@pytest.fixture
async def nowhere(tmp_path: object) -> Client:
    """A client whose server is not there."""
    return connect(Server(f"unix://{tmp_path}/nobody.sock"))


async def test_counts_of_several_processes_are_added_up(book: ReportBook) -> None:
    failed = row(result="certificate-expired", host="mx1.d.test")
    assert await book.add([(row(), 5), (failed, 2)]) == 0
    assert await book.add([(row(), 3), (row("e.test"), 1)]) == 0
    assert dict(await book.rows(DAY)) == {row(): 8, failed: 2, row("e.test"): 1}


async def test_a_row_comes_back_as_it_was_whatever_its_strings_hold(book: ReportBook) -> None:
    odd = row(host='mx"\n\t,\u00e9[]{}')._replace(result="tlsa-invalid", address="2001:db8::1", source="::1")
    await book.add([(odd, 1)])
    assert await book.rows(DAY) == [(odd, 1)]


async def test_more_than_a_chunk_is_added_and_dropped_whole(book: ReportBook) -> None:
    rows = [(row(f"d{n}.test"), n + 1) for n in range(tlsbook.CHUNK * 2 + 7)]
    await book.add(list(rows))
    assert sorted(await book.rows(DAY)) == sorted(rows)
    await book.drop(rows[1:])
    assert await book.rows(DAY) == rows[:1]


async def test_days_are_told_oldest_first_and_forgotten_with_their_counts(
    book: ReportBook, client: Client, keys: Keys
) -> None:
    await book.add([(row(day="2026-07-03"), 1), (row(day="2026-07-01"), 1), (row(day="2026-07-02"), 1)])
    assert await book.days() == ["2026-07-01", "2026-07-02", "2026-07-03"]
    assert 0 < await client.ttl(keys.tlsrpt("2026-07-01")) <= DAY_SECONDS
    await book.drop(await book.rows("2026-07-02"))
    assert await book.days() == ["2026-07-01", "2026-07-03"]
    assert await client.smembers(keys.tlsrpt_days) == {b"2026-07-01", b"2026-07-03"}


async def test_a_day_has_a_cap_and_what_finds_no_room_is_counted(
    book: ReportBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tlsbook, "MOST_ROWS", 10)
    assert await book.add([(row(f"d{n}.test"), 2) for n in range(8)]) == 0
    assert await book.add([(row(f"e{n}.test"), 2) for n in range(8)]) == 16
    assert len(await book.rows(DAY)) == 8


async def test_what_a_newer_engine_wrote_is_passed_over(book: ReportBook, client: Client, keys: Keys) -> None:
    await book.add([(row(), 1)])
    key = keys.tlsrpt(DAY)
    for field in (
        b"\xff",
        b"[1]",
        b'["d.test","quic",[],[],"","","",""]',
        b'["d.test","sts",[],[],"new","","",""]',
    ):
        await client.hset(key, field, 1)
    assert await book.rows(DAY) == [(row(), 1)]


async def test_with_the_server_away_nothing_is_taken_out_of_the_counts(nowhere: Client, keys: Keys) -> None:
    rows = [(row(), 3), (row("e.test"), 1)]
    with pytest.raises((QueueDown, OSError)):
        await ReportBook(nowhere, keys).add(rows)
    assert rows == [(row(), 3), (row("e.test"), 1)]
    await nowhere.aclose()


async def test_one_process_is_on_duty_until_it_leaves_or_its_time_is_over(
    book: ReportBook, client: Client, keys: Keys
) -> None:
    assert await book.on_duty("a", 60)
    assert not await book.on_duty("b", 60)
    await client.expire(keys.tlsrpt_duty, 5)
    assert await book.on_duty("a", 60), "it goes on"
    assert await client.ttl(keys.tlsrpt_duty) > 5
    await book.off_duty("b")
    assert not await book.on_duty("b", 60), "only its holder gives it up"
    await book.off_duty("a")
    assert await book.on_duty("b", 60)


async def test_a_policy_is_kept_for_all_and_for_its_time(client: Client, keys: Keys) -> None:
    cache = StsCache(client, keys)
    assert await cache.get("d.test") is None
    await cache.put("d.test", "{}", 86_400.5)
    assert await StsCache(client, keys).get("d.test") == "{}"
    assert 86_000 < await client.ttl(keys.sts("d.test")) <= 86_400


async def test_a_cache_that_is_away_knows_nothing_and_harms_nothing(nowhere: Client, keys: Keys) -> None:
    cache = StsCache(nowhere, keys)
    await cache.put("d.test", "{}", 60)
    assert await cache.get("d.test") is None
    await nowhere.aclose()
