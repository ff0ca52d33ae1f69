"""A person is put into every place where data lives, together with somebody else; then one of them is erased."""

import gzip
import json
import time
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from mta.archive.archive import Archive, Entry
from mta.erasure.subject import DataSubject
from mta.keeper.erasing_files import MAX_JOURNAL
from mta.keeper.erasure import LEFT, Erased, Erasure, Places
from mta.keeper.erasures import Erasures
from mta.keeper.found import Found
from mta.maillog import MailLog
from mta.message import ID_BYTES, Lane, MessageId, Record
from mta.queue import codec, packs
from mta.queue.audit import AuditLog
from mta.queue.control import Control, Gate, Scope
from mta.queue.erasurebook import ErasureBook, Order
from mta.queue.keys import Keys
from mta.queue.lanes import OP_BACK, PathDefaults, Queue, Result
from mta.queue.link import Client
from mta.queue.notifybook import NotifyBook, Wish
from mta.queue.strikebook import StrikeBook
from mta.queue.suppression import Suppressions
from mta.queue.suppression_book import SuppressionBook
from mta.web.spool import Spool as WebSpool
from mta.workers.journal import Journal, replay

JO, ANN = "Jo.Doe@mail.example", "ann@mail.example"
NOW = int(time.time() * 1000)
LANE = Lane(2, "default", "mail.example", "acme", "spring")
PACKED = Lane(2, "default", "*", "acme", "spring")


@dataclass
class Place:
    """An engine's Redis and files."""

    client: Client
    keys: Keys
    root: Path

    def __post_init__(self) -> None:
        self.queue = Queue(self.client, self.keys)
        self.lists = Suppressions(self.client, self.keys, b"secret", sealing=True)
        self.archive = Archive(self.root / "archive")
        self.log = self.root / "log" / "mail.log"
        self.transcript = self.root / "log" / "transcript.log"
        for name in ("spool/reports/unparsed", "journal", "log"):
            (self.root / name).mkdir(parents=True)
        spool = self.root / "spool"
        places = Places(
            self.archive, spool / "reports", spool, self.root / "journal", self.log, self.transcript
        )
        self.erasure = Erasure(self.client, self.keys, self.lists, places, patience=1.0)

    async def erase(self, address: str = JO.lower(), tenant: str = "") -> Erased:
        return await self.erasure.run(DataSubject(address, tenant), "ops", "operator/e1/erased")

    async def everything(self) -> bytes:
        """All that stands in Redis and in files, with packed parts opened."""
        out = [path.read_bytes() for path in sorted(self.root.rglob("*")) if path.is_file()]
        for path in self.root.rglob("*.gz"):
            out.append(gzip.decompress(path.read_bytes()))
        out += [entry.data for number in range(20) if (entry := self.archive.entry(number))]
        for key in await self.client.keys("*"):
            out.append(key)
            match await self.client.type(key):
                case b"string":
                    out.append(await self.client.get(key))
                case b"list":
                    out += await self.client.lrange(key, 0, -1)
                case b"set":
                    out += list(await self.client.smembers(key))
                case b"zset":
                    out += await self.client.zrange(key, 0, -1)
                case b"hash":
                    for name, value in (await self.client.hgetall(key)).items():
                        out += [name, value]
                        if key.endswith(b":entry"):
                            out.append(zlib.decompress(value))
                case b"stream":
                    for _, flat in await self.client.execute_command(b"XRANGE", key, "-", "+"):
                        out += flat
        for key in await self.client.keys("*shelf:*"):
            for value in await self.client.lrange(key, 0, -1):
                out += [row.rcpt.encode() for row in packs.decode(value).rows]
        return b"\n".join(out)


@pytest.fixture
def place(client: Client, keys: Keys, tmp_path: Path) -> Place:
    return Place(client, keys, tmp_path)


def item(address: str, row: int) -> bytes:
    return codec.encode(MessageId(0, 1, row).pack(), Record(f"m.{row}", address, born=1, expires=2**41))


def event(address: str, kind: str = "delivered", **more: str) -> dict[str, str]:
    return {
        "v": "1", "event": kind, "eid": f"acme/{len(address)}/{kind}", "ts": str(NOW), "tenant": "acme",
        "campaign": "spring", "rcpt": address, **more,
    }  # fmt: skip


async def in_a_lane(place: Place, address: str, row: int) -> None:
    await place.queue.put(f"acme:l{row}", 1, [[str(LANE), 0, item(address, row)]])


async def in_the_wheel(place: Place, address: str, row: int) -> None:
    await place.queue.put(f"acme:w{row}", 1, [[str(LANE), NOW + 3_600_000, item(address, row)]])


async def on_a_shelf(place: Place, address: str, row: int) -> None:
    rows = [packs.PackRow(row, address, ["Dear"], f"ref-{row}", "", "", "", 0, 0)]
    pack = packs.Pack(bytes([row]) * ID_BYTES, 7, "spring.x", 1, 2**41, "news", rows)
    await place.queue.put(f"acme:s{row}", 1, [], packs=[(str(PACKED), 0, packs.encode(pack))])


async def behind_a_hold_of_its_own(place: Place, address: str, row: int) -> None:
    if address == JO:
        gate = Gate("suspended")
        await Control(place.client, place.keys).close(Scope.of_recipient(address.lower()), gate, {})


async def in_events(place: Place, address: str, row: int) -> None:
    await place.client.xadd(
        place.keys.events(0),
        event(address, "clicked", ip=f"192.0.2.{row}", url=f"https://x.example/?{address}"),
    )


async def in_dead_letters(place: Place, address: str, row: int) -> None:
    document = {"tenant": "acme", "campaign": "spring", "columns": ["email"], "rows": [[address], ["x"]]}
    fields = {"kind": "recipients", "tenant": "acme", "data": json.dumps(document), "code": "bad_value"}
    await place.client.xadd(place.keys.dead, fields)


async def in_the_audit_log(place: Place, address: str, row: int) -> None:
    log = AuditLog(place.client, place.keys)
    await log.note("ops@host", "address.suppress", "tenant:acme", reason=f"{address} rang")


async def in_a_blob(place: Place, address: str, row: int) -> None:
    await place.client.set(place.keys.blob(f"{row:064d}"), f"Dear {address}, your invoice")


async def in_an_entry(place: Place, address: str, row: int) -> None:
    document = json.dumps({"columns": ["email"], "rows": [[address]]}).encode()
    kept = [NOW, 2, "recipients", "acme", f"k{row}", "spring", document]
    await place.client.hset(
        f"{place.keys.base(0)}entry", str(row), zlib.compress(msgspec.msgpack.encode(kept))
    )


async def in_a_plan(place: Place, address: str, row: int) -> None:
    await place.client.hset(f"{place.keys.base(0)}seen:acme:p{row}", "plan1", b"\x91" + address.encode())


async def among_failures(place: Place, address: str, row: int) -> None:
    strikes = [("mailbox_full", f"m.{row}", NOW)]
    await StrikeBook(place.client, place.keys).write("acme", {place.lists.digest(address): strikes})


async def among_wishes(place: Place, address: str, row: int) -> None:
    wish = Wish(["failure"], address, "transactional", f"Me <{address}>", "<1@x>", "Hello", NOW, 2**41)
    await NotifyBook(place.client, place.keys).ask("acme", f"m{row}", wish)


async def on_suppression_lists(place: Place, address: str, row: int) -> None:
    await place.lists.add("acme", "news", [address], "unsubscribed", "link", NOW, "they clicked", "spring")
    await place.lists.add(
        "acme", "", [address], "recipient_unknown", "engine", NOW, f"550 {address}?", "spring"
    )


async def in_archived_entries(place: Place, address: str, row: int) -> None:
    message = json.dumps({"from": "a@acme.example", "to": [address], "text": "Hello"}).encode()
    place.archive.add_entries([Entry(row, NOW, 1, "message", "acme", f"k{row}", "", message)])


async def in_archived_events(place: Place, address: str, row: int) -> None:
    place.archive.add_events([event(address, "bounced", reply=f"550 no {address} here", ref="customer-7")])
    place.archive.sync()


async def in_reports(place: Place, address: str, row: int) -> None:
    text = f"Final-Recipient: rfc822; {address}\r\n"
    (place.root / "spool" / "reports" / "unparsed" / f"{row}.eml").write_text(text)


async def in_what_the_web_keeps(place: Place, address: str, row: int) -> None:
    WebSpool(place.root / "spool" / "web1.events", 1 << 20).add([["acme", address, "opened"]])


async def in_a_sent_journal(place: Place, address: str, row: int) -> None:
    journal = Journal(place.root / "journal" / f"worker{row}")
    journal.dot(bytes([row]) * ID_BYTES)
    journal.answered(bytes([row]) * ID_BYTES, 550, f"5.1.1 <{address}> unknown")
    journal.close()


async def in_the_mail_log(place: Place, address: str, row: int) -> None:
    log = MailLog(place.log)
    log.event(event(address, "bounced", ref="customer-7", code="550"))
    log.flush()


async def in_a_rotated_mail_log(place: Place, address: str, row: int) -> None:
    path = place.log.with_name("mail.log.2.gz")
    before = gzip.decompress(path.read_bytes()) if path.exists() else b""
    line = f'2026-01-01T00:00:00Z delivered id=m.{row} tenant=acme rcpt="{address}" ref="customer-7"\n'
    path.write_bytes(gzip.compress(before + line.encode()))


async def in_a_transcript(place: Place, address: str, row: int) -> None:
    with place.transcript.open("a") as file:
        file.write(f"2026-01-01T00:00:00Z 7 > RCPT TO:<{address}>\n")


PUTS: list[Callable[[Place, str, int], Awaitable[None]]] = [
    in_a_lane, in_the_wheel, on_a_shelf, behind_a_hold_of_its_own, in_events, in_dead_letters, in_the_audit_log,
    in_a_blob, in_an_entry, in_a_plan, among_failures, among_wishes, on_suppression_lists, in_archived_entries,
    in_archived_events, in_reports, in_what_the_web_keeps, in_a_sent_journal, in_the_mail_log,
    in_a_rotated_mail_log, in_a_transcript,
]  # fmt: skip


def traces(place: Place, whole: bytes, address: str) -> list[bytes]:
    known = [address.encode(), address.lower().encode(), place.lists.digest(address)]
    return [one for one in known if one in whole]


@pytest.mark.parametrize("put", PUTS, ids=lambda put: put.__name__)
async def test_a_person_is_gone_and_the_other_is_not(
    place: Place, put: Callable[[Place, str, int], Awaitable[None]]
) -> None:
    await put(place, JO, 1)
    alone = traces(place, await place.everything(), JO)
    assert alone, "the test puts them there"
    await put(place, ANN, 2)
    erased = await place.erase()
    assert sum(erased.found.values()) >= 1 + (put is not behind_a_hold_of_its_own)
    assert not any(erased.open.values())
    whole = await place.everything()
    assert traces(place, whole, JO) == [place.lists.digest(JO)], (
        "the keyed hash alone, on the platform's list"
    )
    assert put is behind_a_hold_of_its_own or traces(place, whole, ANN)
    assert b"customer-7" not in whole or put is not in_archived_events or b"ann@" in whole
    again = await place.erase()
    assert again.count == 0


async def test_all_places_at_once_and_a_second_pass_finds_nothing(place: Place) -> None:
    for row, put in enumerate(PUTS):
        await put(place, JO, 2 * row)
        await put(place, ANN, 2 * row + 1)
    erased = await place.erase()
    assert {name for name, count in erased.found.items() if count} == set(erased.found)
    assert traces(place, await place.everything(), JO) == [place.lists.digest(JO)]
    assert erased.left[: len(LEFT)] == list(LEFT)
    assert (await place.erase()).count == 0


async def test_the_keyed_hash_stops_all_mail_and_tells_nothing(place: Place) -> None:
    await on_suppression_lists(place, JO, 1)
    await place.erase()
    assert await place.lists.find("other", "", [JO], bulk=False) == ["erased"]
    found = await SuppressionBook(place.lists).of(JO)
    assert [(one.tenant, one.entry.reason, one.entry.evidence, one.entry.sealed) for one in found] == [
        ("", "erased", "", b"")
    ]


async def test_a_tenant_erases_its_own_data_alone(place: Place) -> None:
    for tenant in ("acme", "rival"):
        place.archive.add_events([event(JO) | {"tenant": tenant}])
        await place.client.xadd(place.keys.events(0), event(JO) | {"tenant": tenant})
    place.archive.sync()
    erased = await place.erase(tenant="acme")
    assert [one["rcpt"] for one in place.archive.events() if "rcpt" in one] == [JO]
    assert erased.found["event streams"] == 1
    assert await place.lists.find("acme", "", [JO], bulk=False) == ["erased"]
    assert await place.lists.find("rival", "", [JO]) == [""]


async def test_groups_have_read_what_they_had_and_ids_stay(place: Place) -> None:
    stream = place.keys.events(0)
    await place.client.xgroup_create(stream, "web", id="0", mkstream=True)
    first = await place.client.xadd(stream, event(JO))
    second = await place.client.xadd(stream, event(ANN))
    await place.client.xreadgroup("web", "c1", {stream: ">"}, count=1)
    await place.erase()
    assert [entry for entry, _ in await place.client.xrange(stream)][:2] == [first, second]
    pending = await place.client.xpending_range(stream, "web", "-", "+", 10)
    assert [one["message_id"] for one in pending] == [first]
    rows = await place.client.xreadgroup("web", "c1", {stream: ">"}, count=1)
    assert rows[0][1][0][0] == second


async def test_what_is_in_flight_is_left_to_end_and_told(place: Place) -> None:
    await in_a_lane(place, JO, 1)
    epoch, _ = await place.queue.register("w1", 30_000)
    taken = await place.queue.take(
        "w1", epoch, want=10, most=10, lease_ms=30_000, defaults=PathDefaults(), reports=[]
    )
    assert len(taken.batches) == 1
    erased = await place.erase()
    assert erased.open["in flight"] == 1
    back = taken.batches[0].items[0]
    await place.queue.settle(
        "w1", epoch, 30_000, [Result(OP_BACK, back.id, back.lane, "acme|spring", item=back.encode())], []
    )
    erased = await place.erase()
    assert not any(erased.open.values())
    assert erased.found["lanes, shelves and wheel"] == 1


async def test_a_submission_that_was_not_read_is_told(place: Place) -> None:
    document = json.dumps({"to": [JO]})
    await place.client.xadd(
        place.keys.submit_stream("bulk"), {"kind": "message", "tenant": "acme", "key": "k", "data": document}
    )
    assert (await place.erase()).open["submissions not yet read"] == 1


async def test_a_journal_reads_as_before(place: Place) -> None:
    await in_a_sent_journal(place, JO, 1)
    await place.erase()
    raw = (place.root / "journal" / "worker1").read_bytes()
    past = replay(raw[:MAX_JOURNAL])
    assert past == replay(raw)
    assert str(past).count("*" * len(JO)) == 1


async def test_the_append_only_file_does_not_tell_either(place: Place) -> None:
    await in_events(place, JO, 1)
    directory = Path((await place.client.config_get("dir"))["dir"])

    def kept() -> bytes:
        return b"".join(path.read_bytes() for path in sorted(directory.rglob("*.aof")))

    assert JO.encode() in kept()
    await place.erase()
    assert JO.encode() not in kept()


async def test_an_order_is_carried_out_and_forgotten(place: Place) -> None:
    await in_events(place, JO, 1)
    book, log = ErasureBook(place.client, place.keys), AuditLog(place.client, place.keys)
    duty = Erasures(book, place.erasure, log)
    assert await duty.carry_out() is Found.NOTHING
    await book.order("operator", "k1", Order([JO.lower()], "", "ops"))
    assert await duty.carry_out() is Found.SOMETHING
    assert await book.orders() == []
    whole = await place.everything()
    assert traces(place, whole, JO) == [place.lists.digest(JO)]
    noted = await log.last(1)
    assert [(one.what, one.subject) for one in noted] == [("address.erased", "platform")]
