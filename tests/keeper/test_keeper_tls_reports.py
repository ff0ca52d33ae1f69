"""The day's TLS reports: to whom, when, once, and bounded (RFC 8460), with counts in a real Redis."""

import base64
import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest

from mta.ingest.entry import Submission, read
from mta.keeper import tls_reports
from mta.keeper.tls_reports import GIVE_UP, GRACE, Doors, Settings, TlsReports
from mta.net.resolver import Unroutable
from mta.policy.tlsrpt import Row, Sender
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.producer import Producer
from mta.queue.tlsbook import ReportBook

DAY = "2026-07-01"
END = datetime(2026, 7, 2, tzinfo=UTC)
DUE = END + GRACE
US = Settings(Sender("Us", "us.test", "tls@us.test"), "tls@us.test", "us")
STREAM = "mta:submit:transactional"


def row(domain: str = "d.test", result: str = "", host: str = "") -> Row:
    return Row(DAY, domain, "no-policy-found", (), (), result, "", host)


class Desk:
    """A keeper's reports, whose DNS and web are dictionaries."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys
        self.book = ReportBook(client, keys)
        self.records: dict[str, str | int] = {"d.test": "v=TLSRPTv1; rua=mailto:reports@d.test"}
        self.refusals: dict[str, str] = {}
        self.posted: list[tuple[str, dict[str, Any]]] = []

    async def texts(self, name: str) -> Sequence[str]:
        found = self.records.get(name.removeprefix("_smtp._tls."), "")
        if isinstance(found, int):
            raise Unroutable(found, "4.4.3 the DNS is silent")
        return [found] if found else []

    async def post(self, url: str, body: bytes) -> str:
        self.posted.append((url, json.loads(gzip.decompress(body))))
        return self.refusals.get(url, "")

    def reports(self, name: str = "k1", settings: Settings | None = US) -> TlsReports:
        doors = Doors(self.book, Producer(self.client, self.keys, 100), self.texts, self.post)
        return TlsReports(name, settings, doors)

    async def send(self, now: datetime = DUE, **more: Any) -> int:
        return await self.reports(**more).send_due(now)

    async def entries(self) -> list[dict[bytes, bytes]]:
        return [fields for _, fields in await self.client.xrange(STREAM)]


@pytest.fixture
def desk(client: Client, keys: Keys) -> Desk:
    """Counts of one domain and day are `add`ed by the test."""
    return Desk(client, keys)


async def test_a_report_goes_out_as_mail_that_intake_takes_and_a_parser_reads(desk: Desk) -> None:
    await desk.book.add([(row(), 40), (row(result="starttls-not-supported", host="mx1.d.test"), 2)])
    assert await desk.send() == 1
    (entry,) = await desk.entries()
    assert isinstance(read(entry, "transactional"), Submission)
    document = json.loads(entry[b"data"])
    assert (entry[b"tenant"], document["from"], document["to"]) == (b"us", "tls@us.test", ["reports@d.test"])
    found = message_from_bytes(base64.b64decode(document["raw"]), policy=policy.default)
    report = json.loads(gzip.decompress(list(found.iter_parts())[1].get_content()))  # type: ignore[attr-defined]
    assert report["organization-name"] == "Us"
    assert report["date-range"] == {
        "start-datetime": "2026-07-01T00:00:00Z",
        "end-datetime": "2026-07-01T23:59:59Z",
    }
    (about,) = report["policies"]
    assert about["summary"] == {"total-successful-session-count": 40, "total-failure-session-count": 2}
    assert about["failure-details"][0]["result-type"] == "starttls-not-supported"
    assert await desk.book.rows(DAY) == []


async def test_not_before_the_day_is_over_and_our_own_delay(desk: Desk) -> None:
    later = Settings(US.sender, US.address, US.tenant, timedelta(hours=2))
    await desk.book.add([(row(), 1)])
    assert await desk.send(DUE - timedelta(seconds=1)) == 0
    assert await desk.send(DUE, settings=later) == 0
    assert await desk.send(DUE + timedelta(hours=2), settings=later) == 1


async def test_a_domain_that_wants_none_gets_none_and_its_counts_go(desk: Desk) -> None:
    await desk.book.add([(row("quiet.test"), 1)])
    assert await desk.send() == 0
    assert await desk.book.rows(DAY) == []
    assert await desk.entries() == []


async def test_while_the_dns_is_silent_the_counts_wait_and_then_go(desk: Desk) -> None:
    desk.records["d.test"] = 451
    await desk.book.add([(row(), 1)])
    assert await desk.send() == 0
    assert await desk.book.rows(DAY) == [(row(), 1)]
    assert await desk.send(END + GIVE_UP) == 0
    assert await desk.book.rows(DAY) == []


async def test_a_domain_that_is_gone_gets_no_report(desk: Desk) -> None:
    desk.records["d.test"] = 550
    await desk.book.add([(row(), 1)])
    assert await desk.send() == 0
    assert await desk.book.rows(DAY) == []


async def test_tried_twice_it_is_the_same_entry_and_taken_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keeper dies between handing in and forgetting: the next tries again, and intake knows the key."""
    await desk.book.add([(row(), 1)])

    async def died(_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as killed:
        killed.setattr(desk.book, "drop", died)
        with pytest.raises(RuntimeError):
            await desk.send()
    assert await desk.send(DUE + timedelta(hours=5), name="k2") == 1
    first, second = await desk.entries()
    assert first == second
    assert first[b"key"] == f"tlsrpt.{DAY}.d.test.0".encode()


async def test_every_address_of_a_domain_gets_its_own(desk: Desk) -> None:
    desk.records["d.test"] = "v=TLSRPTv1; rua=mailto:a@d.test,mailto:b@e.test,https://r.test/x"
    await desk.book.add([(row(), 1)])
    assert await desk.send() == 1
    entries = await desk.entries()
    assert [json.loads(one[b"data"])["to"] for one in entries] == [["a@d.test"], ["b@e.test"]]
    assert len({one[b"key"] for one in entries}) == 2
    assert [url for url, _ in desk.posted] == ["https://r.test/x"]


async def test_what_the_web_does_not_take_is_tried_again_until_given_up(desk: Desk) -> None:
    desk.records["d.test"] = "v=TLSRPTv1; rua=https://r.test/x"
    desk.refusals["https://r.test/x"] = "status 500"
    await desk.book.add([(row(), 1)])
    assert await desk.send() == 0
    assert await desk.send(DUE + timedelta(hours=1)) == 0
    assert len(desk.posted) == 2
    desk.refusals.clear()
    assert await desk.send(DUE + timedelta(hours=2)) == 1
    ids = {document["report-id"] for _, document in desk.posted}
    assert ids == {"2026-07-01T00:00:00Z_d.test@us.test"}
    assert await desk.book.rows(DAY) == []


@pytest.mark.parametrize("address", ["mailto:%0D%0Aevil@d.test", "mailto:a%00@d.test", "mailto:%ff@d.test"])
async def test_an_address_that_is_none_costs_nobody_else_the_report(desk: Desk, address: str) -> None:
    desk.records["d.test"] = f"v=TLSRPTv1; rua={address},mailto:good@d.test"
    await desk.book.add([(row(), 1), (row("e.test"), 1)])
    desk.records["e.test"] = f"v=TLSRPTv1; rua={address}"
    assert await desk.send() == 1
    (entry,) = await desk.entries()
    assert json.loads(entry[b"data"])["to"] == ["good@d.test"]
    assert await desk.book.rows(DAY) == [(row("e.test"), 1)]


async def test_an_engine_that_accepts_no_mail_keeps_the_report(desk: Desk) -> None:
    await desk.book.add([(row(), 1)])
    await desk.client.hset(desk.keys.status, "accepting", "0")
    assert await desk.send() == 0
    assert await desk.book.rows(DAY) == [(row(), 1)]
    await desk.client.hset(desk.keys.status, "accepting", "1")
    assert await desk.send() == 1


async def test_two_keepers_at_once_send_one(desk: Desk) -> None:
    await desk.book.add([(row(), 1)])
    assert await desk.book.on_duty("k1", 60)
    assert await desk.send(name="k2") == 0
    assert await desk.send(name="k1") == 1
    assert await desk.send(name="k2") == 0
    assert len(await desk.entries()) == 1


async def test_a_report_has_a_cap_and_its_sums_do_not_lie(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_reports, "MOST_ROWS", 5)
    desk.records["d.test"] = "v=TLSRPTv1; rua=https://r.test/x"
    rows = [(row(result="validation-failure", host=f"mx{n}.d.test"), 100 - n) for n in range(20)]
    await desk.book.add([*rows, (row(), 500)])
    assert await desk.send() == 1
    ((_, document),) = desk.posted
    (about,) = document["policies"]
    assert [one["failed-session-count"] for one in about["failure-details"]] == [100, 99, 98, 97]
    assert about["summary"]["total-successful-session-count"] == 500
    assert await desk.book.rows(DAY) == []


async def test_with_nobody_named_as_sender_nothing_is_sent(desk: Desk) -> None:
    await desk.book.add([(row(), 1)])
    assert await desk.send(settings=None) == 0
    assert await desk.entries() == []
