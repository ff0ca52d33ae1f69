"""Purges: what is meant goes, wherever it lies or moves meanwhile, each with its event; nothing else goes."""

from typing import Any

import pytest
from lanework import LEASE, Worker, back, item, lane, pack_of, put, retry, taken_items
from picture import faults, look

from mta.event import FINAL
from mta.message import ID_BYTES, MessageId, Record
from mta.queue import codec, packs, scripts, sifting
from mta.queue.control import Control, Gate, Scope
from mta.queue.keys import Keys
from mta.queue.lanes import Queue
from mta.queue.link import Client
from mta.queue.packs import Pack, PackRow
from mta.queue.shelves import Shelves
from mta.queue.sifting import Mark, Sifting

EVENT = {
    "v": "1",
    "event": "purged",
    "eid": "order",
    "ts": "5",
    "by": "ops",
    "tenant": "acme",
    "campaign": "x",
}
HERE, THERE = "example.net", "example.org"


@pytest.fixture
def sieve(client: Client, keys: Keys) -> Sifting:
    return Sifting(client, keys)


@pytest.fixture
def control(client: Client, keys: Keys) -> Control:
    return Control(client, keys)


@pytest.fixture
def shelves(client: Client, keys: Keys) -> Shelves:
    return Shelves(client, client, keys)


def mixed(entry: int) -> bytes:
    """A pack with rows at both domains: even rows here, odd rows there."""
    rows = [PackRow(row, f"u{row}@{(HERE, THERE)[row % 2]}", []) for row in range(10)]
    return packs.encode(Pack(entry.to_bytes(ID_BYTES, "big"), entry, f"s{entry}", 1, 2**41, "", rows))


async def told(client: Client, base: str) -> list[dict[str, str]]:
    """The events, none with a field twice."""
    out = []
    for _, flat in await client.execute_command(b"XRANGE", f"{base}events", "-", "+"):
        names = flat[::2]
        assert len(set(names)) == len(names), f"a field twice: {names}"
        out.append({name.decode(): value.decode() for name, value in zip(names, flat[1::2], strict=True)})
    return out


async def everywhere(queue: Queue, control: Control) -> int:
    """Put mail for both domains into every kind of place; return how many of it are for example.net."""
    later = 2**41
    await put(queue, lane(site="big"), 1, 1)
    await queue.put(
        "acme:a", 1, [[lane(site="big"), 0, *(item(n, 2, (HERE, THERE)[n % 2]) for n in range(200))]]
    )
    await queue.put(
        "acme:b", 1, [[lane(site="big"), later, *(item(n, 3, (HERE, THERE)[n % 2]) for n in range(6))]]
    )
    await queue.put(
        "acme:c",
        1,
        [],
        packs=[(lane(site="*"), 0, mixed(4)), (lane(site="*"), later, mixed(5)), (lane(), 0, mixed(6))],
    )
    await queue.put("bolt:d", 1, [[lane(site="gone", tenant="bolt"), 0, item(0, 7), item(1, 7, THERE)]])
    await control.close(Scope.of_recipient(f"u0@{HERE}"), Gate("suspended"), {})
    worker = await Worker(queue).start()
    held = [one for one in taken_items(await worker.take(10, 10)) if one.record.rcpt.endswith(HERE)]
    await worker.settle(*(back(one) for one in held))
    await put(queue, lane(tenant="bolt", campaign=""), 3, 8)
    return 1 + 100 + 3 + 15 + 1 + 3


async def test_a_domain_is_purged_wherever_its_mail_lies(
    queue: Queue, sieve: Sifting, control: Control, client: Client
) -> None:
    meant = await everywhere(queue, control)
    assert await sieve.purge(Mark("domain", HERE), EVENT) == meant
    picture = await look(client, queue.base)
    assert faults(picture) == []
    assert len(picture.everywhere()) == 100 + 3 + 15 + 1
    events = [one for one in await told(client, queue.base) if one["event"] == "purged"]
    assert len(events) == meant
    assert len({one["eid"] for one in events}) == meant, "each has an eid of its own"
    for one in events:
        assert one["rcpt"].endswith("@" + HERE)
        assert (one["by"], one["count"], one["eid"]) == ("ops", "1", f"{one['tenant']}/{one['id']}/purged")
    totals = {
        scope: await client.hget(f"{queue.base}count:{scope}", "purged") for scope in ("acme|spring", "bolt|")
    }
    assert totals == {"acme|spring": b"119", "bolt|": b"3"}
    assert await sieve.purge(Mark("domain", HERE), EVENT) == 0, "again is nothing"


@pytest.mark.parametrize(
    "mark, count",
    [
        (Mark("recipient", f"u2@{HERE}"), 6),
        (Mark("recipient", f"u2@{HERE}", "bolt"), 1),
        (Mark("message", "m2.4", "acme"), 1),
        (Mark("message", "s4.2", "acme"), 1),
        (Mark("message", "m2.4", "bolt"), 0),
        (Mark("message", "nobody", "acme"), 0),
        (Mark("domain", "example"), 0),
        (Mark("domain", "nowhere.example"), 0),
        (Mark("site", "gone"), 2),
        (Mark("site", HERE), 13),
    ],
)
async def test_only_what_is_meant_goes(
    queue: Queue, sieve: Sifting, control: Control, client: Client, mark: Mark, count: int
) -> None:
    await everywhere(queue, control)
    before = len((await look(client, queue.base)).everywhere())
    assert await sieve.purge(mark, EVENT) == count
    picture = await look(client, queue.base)
    assert len(picture.everywhere()) == before - count
    assert faults(picture) == []


async def test_content_goes_with_its_last_recipient(queue: Queue, sieve: Sifting) -> None:
    items = [
        codec.encode(MessageId(0, 1, n).pack(), Record(f"m.{n}", f"u{n}@{HERE}", 1, 2**41, body="7"))
        for n in range(2)
    ]
    await queue.put("acme:k", 1, [[lane(campaign=""), 0, *items]], bodies=[("7", b"{}", 2)])
    await sieve.purge(Mark("recipient", f"u0@{HERE}"), EVENT)
    assert await queue.body("7") == b"{}"
    await sieve.purge(Mark("recipient", f"u1@{HERE}"), EVENT)
    assert await queue.body("7") is None


async def test_a_pack_whose_expander_died_is_not_left_out(
    queue: Queue, sieve: Sifting, shelves: Shelves, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sifting, "EXPANDING_SECONDS", 0.1)
    await queue.put("acme:c", 1, [], packs=[(lane(site="*"), 0, mixed(4))])
    assert await shelves.pick(1, 60_000, 100)
    assert await sieve.purge(Mark("domain", HERE), EVENT) == 5
    assert len((await look(client, queue.base)).everywhere()) == 5


async def test_a_pack_that_moves_to_a_sites_shelf_meanwhile_is_not_left_out(
    queue: Queue, sieve: Sifting, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.put("acme:c", 1, [], packs=[(lane(site="*"), 0, pack_of(5, 4))])
    [picked] = await shelves.pick(1, 60_000, 100)
    first = sieve._expanded

    async def expanded(base: str) -> None:
        await shelves.expand(picked.id, [], packs=[(lane(), 0, pack_of(5, 40))])
        await first(base)

    monkeypatch.setattr(sieve, "_expanded", expanded)
    assert await sieve.purge(Mark("domain", HERE), EVENT) == 5


async def test_packs_that_cannot_be_read_do_not_stop_a_purge(
    queue: Queue, sieve: Sifting, client: Client
) -> None:
    newer, broken = bytearray(pack_of(4, 1)), bytearray(pack_of(4, 2))
    newer[0] += 1
    broken[20] ^= 255
    store = lane(site="*")
    every = [(store, 0, bytes(newer)), (store, 2**41, bytes(broken)), (store, 0, pack_of(4, 3))]
    await queue.put("acme:k", 1, [], packs=every)
    assert await sieve.purge(Mark("domain", HERE), EVENT) == 4
    assert await client.hgetall(f"{queue.base}shelved") == {store.encode(): b"4"}


# a campaign


async def step(queue: Queue, scope: str, cursor: str) -> tuple[int, str]:
    count, raw = await scripts.run(
        queue.client, "purge", queue.base, [scope, ["event", "purged"], cursor, "e"]
    )
    return int(count), raw.decode()


async def test_a_retry_that_comes_due_during_a_purge_is_purged(
    queue: Queue, control: Control, client: Client
) -> None:
    worker = await Worker(queue).start()
    await put(queue, lane(), 3, 1)
    await control.close(Scope.of_campaign("acme", "spring"), Gate("purging"), {})
    await control.open(Scope.of_campaign("acme", "spring"), {})
    await worker.settle(*(retry(one, 1) for one in taken_items(await worker.take())))
    dropped, cursor = await step(queue, "acme|spring", "")
    assert (dropped, cursor) == (0, "picked"), "the lanes are empty"
    while not await client.exists(f"{queue.base}lane:{lane()}"):
        await worker.take(want=0)
    while cursor != "done":
        count, cursor = await step(queue, "acme|spring", cursor)
        dropped += count
    assert dropped == 3
    assert (await look(client, queue.base)).everywhere() == []


async def test_a_pack_that_is_opened_during_a_purge_is_purged(
    queue: Queue, shelves: Shelves, client: Client
) -> None:
    await queue.put("acme:c", 1, [], packs=[(lane(site="*"), 0, pack_of(5, 4))])
    [picked] = await shelves.pick(1, 60_000, 100)
    dropped, cursor = await step(queue, "acme|spring", "")
    await shelves.expand(picked.id, [[lane(), 0, *(item(n, 4) for n in range(5))]])
    while cursor != "done":
        count, cursor = await step(queue, "acme|spring", cursor)
        dropped += count
    assert dropped == 5
    assert (await look(client, queue.base)).everywhere() == []


async def test_a_purge_of_a_campaign_frees_a_pack_that_is_being_opened(
    queue: Queue, control: Control, shelves: Shelves, client: Client
) -> None:
    await queue.put(
        "acme:c", 1, [], packs=[(lane(site="*"), 0, pack_of(5, 4)), (lane(site="*"), 0, pack_of(7, 5))]
    )
    [picked] = await shelves.pick(1, 60_000, 1)
    assert await control.purge("acme", "spring", EVENT) == 12
    assert not await shelves.expand(picked.id, [[lane(), 0, item(1, 4)]]), "too late: nothing is put"
    picture = await look(client, queue.base)
    assert (picture.everywhere(), picture.purged, faults(picture)) == ([], 12, [])


async def test_a_purge_leaves_what_is_in_flight(queue: Queue, control: Control, client: Client) -> None:
    worker = await Worker(queue).start()
    await put(queue, lane(), 10, 1)
    taken = taken_items(await worker.take(4))
    assert await control.purge("acme", "spring", EVENT) == 6
    assert {one async for one in _flying(queue)} == {one.id for one in taken}
    assert sum(one["event"] in FINAL for one in await told(client, queue.base)) == 1
    assert LEASE > 0


async def _flying(queue: Queue) -> Any:
    for message_id, _, _ in await queue.flight("w1"):
        yield message_id
