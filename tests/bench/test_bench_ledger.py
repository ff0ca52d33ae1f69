"""The ledger: it holds for a sound run, names every fault that is put into one, and reads a live queue rightly."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import ledger
from bench.books import Entry, Verdict, check
from bench.snapshot import Waiting, queued
from mta.archive.archive import Archive
from mta.archive.entries import Entry as Kept
from mta.archive.log import EventLog
from mta.event import FINAL, event, flat
from mta.identity import entry_stem, public_id, recipient_id
from mta.message import ID_BYTES, Class, Lane, MessageId, Record
from mta.queue import codec, packs
from mta.queue.control import Control
from mta.queue.intake import Intake
from mta.queue.keys import Keys
from mta.queue.lanes import OP_FINAL, PathDefaults, Queue, Result
from mta.queue.link import Client
from mta.queue.upkeep import Upkeep

SCOPE = ("acme", "spring")
FATES = (*sorted(FINAL - {"purged"}), "queued", "flying")


class Run:
    """A sound run of one campaign: recipient n meets FATES[n], the last row is refused, two are purged unnamed."""

    def __init__(self, fates: tuple[str, ...] = FATES) -> None:
        names = tuple(f"spring.x.{n}" for n in range(len(fates) + 3))
        self.entries = [Entry("acme", "spring", "k1", names), Entry("acme", "", "k2", ("hello.0",))]
        self.events = [
            self.told("accepted", "k1", key="k1", kind="recipients", count=len(names) - 1, refused=1),
            self.told("rejected", "k1/row", key="k1", row=len(names) - 1),
            self.told("purged", "purge/0", count=2),
            self.told("deferred", names[0], id=names[0]),
            event("accepted", "k2", 1, tenant="acme", key="k2", kind="message", count=1, refused=0),
            event("delivered", "hello.0/1", 1, tenant="acme", id="hello.0"),
            event("bounced", "hello.0/late", 1, tenant="acme", id="hello.0", async_=1),
        ]
        self.waiting = Waiting()
        totals = dict.fromkeys(FINAL, 0) | {"purged": 2, "accepted": len(names) - 1}
        self.waiting.totals = {SCOPE: totals, ("acme", ""): {"accepted": 1, "delivered": 1}}
        for name, fate in zip(names, fates, strict=False):
            if fate in FINAL:
                self.events.append(self.told(fate, f"{name}/{fate}", id=name))
                totals[fate] += 1
            else:
                getattr(self.waiting, fate)["acme", name] += 1

    def told(self, kind: str, eid: str, /, **fields: Any) -> dict[str, str]:
        return event(kind, eid, 1, tenant="acme", campaign="spring", **fields)

    def verdict(self) -> Verdict:
        return check(self.entries, self.events, self.waiting)


def test_a_sound_run_adds_up() -> None:
    verdict = Run().verdict()
    assert verdict.holds, verdict.faults
    sums = verdict.sums
    assert sums["accepted"] == len(FATES) + 3 == sum(sums[name] for name in (*FINAL, "queued", "flying"))
    assert verdict.document()["holds"] is True


@given(st.lists(st.sampled_from(FATES), max_size=40), st.randoms())
@settings(max_examples=100, deadline=None)
def test_any_sound_run_adds_up_in_any_order_told_twice(fates: list[str], chance: Any) -> None:
    run = Run(tuple(fates))
    run.events += run.events
    chance.shuffle(run.events)
    verdict = run.verdict()
    assert verdict.holds, verdict.faults
    assert verdict.sums["repeats"] == len(run.events) // 2


def drop_final(run: Run) -> None:
    run.events = [one for one in run.events if one["event"] != "delivered" or one.get("campaign") != "spring"]


def drop_queued(run: Run) -> None:
    run.waiting.queued.clear()


def drop_flying(run: Run) -> None:
    run.waiting.flying.clear()


def drop_purge(run: Run) -> None:
    run.events = [one for one in run.events if one["event"] != "purged"]


def purge_more(run: Run) -> None:
    run.events.append(run.told("purged", "purge/1", count=1))
    run.waiting.totals[SCOPE]["purged"] += 1


def second_final(run: Run) -> None:
    run.events.append(run.told("bounced", "again", id="spring.x.1"))


def final_again_under_another_id(run: Run) -> None:
    run.events.append(run.told("delivered", "other", id=run.entries[0].names[FATES.index("delivered")]))


def final_of_what_waits(run: Run) -> None:
    run.events.append(run.told("delivered", "early", id=run.entries[0].names[FATES.index("queued")]))


def queued_twice(run: Run) -> None:
    run.waiting.queued["acme", run.entries[0].names[FATES.index("queued")]] += 1


def queued_and_flying(run: Run) -> None:
    run.waiting.queued["acme", run.entries[0].names[FATES.index("flying")]] += 1


def foreign_final(run: Run) -> None:
    run.events.append(run.told("delivered", "who", id="winter.y.0"))


def foreign_in_the_queue(run: Run) -> None:
    run.waiting.queued["other", run.entries[0].names[0]] += 1


def refused_row_is_sent(run: Run) -> None:
    run.events.append(run.told("delivered", "refused", id=run.entries[0].names[-1]))


def refused_entry_is_sent(run: Run) -> None:
    run.events[0] = run.told("rejected", "k1/rejected", key="k1", code="campaign_closed")


def row_is_not_told(run: Run) -> None:
    del run.events[1]


def wrong_count(run: Run) -> None:
    run.events[0]["count"] = "3"


def never_answered(run: Run) -> None:
    run.entries.append(Entry("acme", "spring", "k3", ("spring.z.0",)))


def eid_of_two(run: Run) -> None:
    run.events.append(run.told("delivered", "spring.x.1/delivered", id="spring.x.5"))
    run.events.append(run.told("purged", "purge/0", count=7))


def total_runs_ahead(run: Run) -> None:
    run.waiting.totals[SCOPE]["delivered"] += 1


def total_lags(run: Run) -> None:
    run.waiting.totals[SCOPE]["accepted"] -= 1


FAULTS: dict[Callable[[Run], None], str] = {
    drop_final: "lost",
    drop_queued: "lost",
    drop_flying: "lost",
    drop_purge: "lost",
    purge_more: "too many",
    second_final: "double final",
    final_again_under_another_id: "double final",
    final_of_what_waits: "final and waiting",
    queued_twice: "twice in the queue",
    queued_and_flying: "twice in the queue",
    foreign_final: "foreign",
    foreign_in_the_queue: "foreign",
    refused_row_is_sent: "foreign",
    refused_entry_is_sent: "foreign",
    row_is_not_told: "miscounted",
    wrong_count: "miscounted",
    never_answered: "forgotten",
    eid_of_two: "eid reused",
    total_runs_ahead: "wrong total",
    total_lags: "wrong total",
}


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda spoil: spoil.__name__)
def test_every_fault_is_named(spoil: Callable[[Run], None]) -> None:
    run = Run()
    spoil(run)
    verdict = run.verdict()
    assert FAULTS[spoil] in verdict.faults, verdict.faults
    assert not verdict.holds
    json.dumps(verdict.document())


def test_an_entry_that_is_being_taken_in_may_be_there_in_part() -> None:
    run = Run()
    names = tuple(f"spring.z.{n}" for n in range(4))
    run.waiting.unread = [("bulk", {"tenant": b"acme", "key": b"k3"})]
    run.entries.append(Entry("acme", "spring", "k3", names))
    assert run.verdict().holds, "still in its entry alone"
    run.waiting.queued["acme", names[0]] += 1
    assert "wrong total" in run.verdict().faults
    run.waiting.totals[SCOPE]["accepted"] += 1
    assert run.verdict().holds
    run.waiting.queued["acme", names[0]] += 1
    assert "twice in the queue" in run.verdict().faults


def test_an_entry_without_an_answer_may_be_there_or_not() -> None:
    run = Run()
    run.entries.append(Entry("acme", "spring", "k3", ("spring.z.0",), sure=False))
    assert run.verdict().holds
    run.entries.append(Entry("acme", "spring", "k4", ("spring.z.1",), sure=True))
    assert "forgotten" in run.verdict().faults


# a real queue


def recipients(key: str, rows: int) -> dict[str, Any]:
    people = [[f"u{n}@d{n % 2}.example"] for n in range(rows)]
    document = {"campaign": "spring", "columns": ["email"], "rows": people}
    return {"v": "1", "kind": "recipients", "tenant": "acme", "key": key, "data": json.dumps(document)}


async def accept(client: Client, keys: Keys, key: str, rows: int, *, packed: bool) -> None:
    """Take an entry in as ingest does."""
    intake, queue, fields = Intake(client, client, keys, "i1"), Queue(client, keys), recipients(key, rows)
    opened = await intake.begin("acme", key, b"digest")
    stem = entry_stem("acme", "spring", key)
    counts = [("acme|spring", "accepted", rows)]
    if packed:
        people = [packs.PackRow(n, f"u{n}@d0.example", []) for n in range(rows)]
        pack = packs.Pack(bytes(ID_BYTES), opened.entry, stem, 1, 2**41, "", people)
        lane = str(Lane(2, "default", "*", "acme", "spring"))
        await queue.put(f"acme:{key}", 1, [], [], counts, packs=[(lane, 0, packs.encode(pack))])
    else:
        lane = str(Lane(2, "default", "d0.example", "acme", "spring"))
        items = [
            codec.encode(
                MessageId(0, opened.entry, n).pack(),
                Record(recipient_id(stem, n), f"u{n}@d0.example", 1, 2**41),
            )
            for n in range(rows)
        ]
        half = rows // 2
        await queue.put(
            f"acme:{key}", 1, [[lane, 0, *items[:half]], [lane, 2**42, *items[half:]]], [], counts
        )
    told = event(
        "accepted", f"{key}/accepted", 1, tenant="acme", campaign="spring", key=key, kind="recipients", count=rows,
        refused=0,
    )  # fmt: skip
    keep = [1, int(Class.BULK), "recipients", "acme", key, "spring", fields["data"].encode()]
    assert await intake.accept("acme", key, opened, rows, 0, keep, flat(told), b"1-0")


async def deliver(client: Client, keys: Keys, settle: int) -> None:
    """Take what there is; deliver so many of it and leave the others in flight."""
    queue = Queue(client, keys)
    epoch, _ = await queue.register("w1", 30_000)
    taken = await queue.take(
        "w1", epoch, want=256, most=10, lease_ms=30_000, defaults=PathDefaults(batch=256)
    )
    items = [one for batch in taken.batches for one in batch.items]
    assert len(items) > settle
    results = []
    for one in items[:settle]:
        name = one.record.name
        told = event("delivered", f"{name}/1", 1, tenant="acme", campaign="spring", id=name)
        results.append(Result(OP_FINAL, one.id, one.lane, "acme|spring", "delivered", event=flat(told)))
    await queue.settle("w1", epoch, 30_000, results)


async def test_a_live_queue_is_read_wherever_mail_stands(client: Client, keys: Keys) -> None:
    await accept(client, keys, "k1", 20, packed=False)
    await accept(client, keys, "k2", 70, packed=True)
    await deliver(client, keys, 4)
    await client.xadd("mta:submit:bulk", recipients("k3", 3))
    waiting = await queued(client, keys)
    assert (waiting.queued.total(), waiting.flying.total(), len(waiting.unread)) == (10 + 70, 6, 1)
    assert waiting.queued["acme", public_id("acme", "spring", "k2", 69)] == 1
    verdict = await ledger.account(client, keys, None)
    assert verdict.holds, verdict.faults
    assert verdict.sums["accepted"] == 90
    assert verdict.sums["delivered"] == 4
    assert verdict.sums["unread"] == 1
    # And one that the queue loses is missed.
    name = (await client.keys("mta:{0}:lane:*") or await client.keys("mta:{0}:shelf:*"))[0]
    await client.lpop(name)
    assert set((await ledger.account(client, keys, None)).faults) >= {"lost"}


async def test_what_was_purged_without_names_is_counted(client: Client, keys: Keys) -> None:
    await accept(client, keys, "k1", 20, packed=False)
    await accept(client, keys, "k2", 70, packed=True)
    await deliver(client, keys, 4)
    told = event("purged", "order", 1, tenant="acme", campaign="spring", by="ops")
    assert await Control(client, keys).purge("acme", "spring", told) == 80
    verdict = await ledger.account(client, keys, None)
    assert verdict.holds, verdict.faults
    assert (verdict.sums["purged"], verdict.sums["flying"]) == (80, 6)


async def test_trimmed_events_and_archived_entries_are_read_from_the_archive(
    client: Client, keys: Keys, tmp_path: Path
) -> None:
    await accept(client, keys, "k1", 20, packed=False)
    await deliver(client, keys, 4)
    every = [one async for _, one in ledger.events(client, keys, 0, "-", "+")]
    EventLog(tmp_path).add(every)
    await client.xtrim(keys.events(0), maxlen=2, approximate=False)
    with pytest.raises(ValueError, match="--archive"):
        await ledger.account(client, keys, None)
    verdict = await ledger.account(client, keys, tmp_path)
    assert verdict.holds, verdict.faults
    rows = await Upkeep(client, keys).entries()
    Archive(tmp_path).add_entries([Kept(number, *row) for number, row in rows.items()])
    await client.delete("mta:{0}:entry")
    assert (await ledger.account(client, keys, tmp_path)).holds
    for path in tmp_path.glob("entries-*"):
        path.unlink()
    assert "not kept" in (await ledger.account(client, keys, tmp_path)).faults
