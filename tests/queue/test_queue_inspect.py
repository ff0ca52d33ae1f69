"""What people are told about the lanes is what is in them, and looking changes nothing."""

import pytest

from mta.message import Lane, MessageId, Record
from mta.queue import codec
from mta.queue.control import Control, Gate, Scope
from mta.queue.inspect import Inspect
from mta.queue.keys import Keys
from mta.queue.lanes import OP_RETRY, PathDefaults, Queue, Result
from mta.queue.link import Client
from mta.queue.producer import Producer


def lane(cls: int = 2, site: str = "example.net", tenant: str = "acme", campaign: str = "spring") -> Lane:
    return Lane(cls, "default", site, tenant, campaign)


def items(count: int, entry: int, born: int = 1000) -> list[bytes]:
    records = [
        Record(f"m{entry}.{row}", f"u{row}@example.net", born=born + row, expires=2**41)
        for row in range(count)
    ]
    return [codec.encode(MessageId(0, entry, row).pack(), record) for row, record in enumerate(records)]


@pytest.fixture
def queue(client: Client, keys: Keys) -> Queue:
    return Queue(client, keys)


@pytest.fixture
def look(client: Client, keys: Keys) -> Inspect:
    return Inspect(client, keys)


async def take(queue: Queue, want: int) -> tuple[int, list[codec.Item]]:
    epoch, _ = await queue.register("w1", 30_000)
    taken = await queue.take("w1", epoch, want=want, most=9, lease_ms=30_000, defaults=PathDefaults())
    return epoch, [item for batch in taken.batches for item in batch.items]


async def test_each_message_is_counted_once_wherever_it_is(queue: Queue, look: Inspect) -> None:
    now = await look.now()
    await queue.put(
        "acme:a", 1, [[str(lane()), 0, *items(9, 1)], [str(lane(cls=1, campaign="")), 0, *items(2, 2)]]
    )
    await queue.put("acme:b", 1, [[str(lane(site="example.org")), now + 3_600_000, *items(3, 3)]])
    epoch, taken = await take(queue, 5)
    one = taken[-1]
    await queue.settle(
        "w1",
        epoch,
        30_000,
        [Result(OP_RETRY, one.id, one.lane, "acme|spring", item=one.encode(), wait=60_000)],
    )
    survey = await look.survey()
    assert survey.complete
    found = {str(state.lane): state for state in survey.lanes}
    assert sum(state.waiting + state.scheduled + state.in_flight for state in survey.lanes) == 14
    assert sum(state.in_flight for state in survey.lanes) == len(taken) - 1 == 4
    bulk, single = found[str(lane())], found[str(lane(cls=1, campaign=""))]
    assert (bulk.waiting + bulk.in_flight, bulk.scheduled, single.in_flight) == (8, 1, 2)
    assert bulk.oldest == 1000 + 3
    later = found[str(lane(site="example.org"))]
    assert (later.waiting, later.scheduled, later.oldest) == (0, 3, 0)
    assert later.next - now == pytest.approx(3_600_000, abs=60_000)
    [worker] = await look.workers()
    assert (worker.name, worker.in_flight) == ("w1", 4)
    assert 0 < worker.lease_ms <= 30_000


@pytest.mark.parametrize(
    "scope, held",
    [
        (Scope.of_tenant("acme"), {"acme": 5, "other": 0}),
        (Scope.of_campaign("acme", "spring"), {"acme": 3, "other": 0}),
        (Scope.of_site("example.net"), {"acme": 3, "other": 4}),
    ],
)
async def test_what_a_gate_keeps_is_held_before_and_after_a_worker_meets_it(
    queue: Queue, look: Inspect, client: Client, keys: Keys, scope: Scope, held: dict[str, int]
) -> None:
    lanes = [lane(), lane(campaign="winter", site="example.org"), lane(tenant="other")]
    counts = (3, 2, 4)
    await queue.put(
        "acme:a",
        1,
        [[str(one), 0, *items(count, n)] for n, (one, count) in enumerate(zip(lanes, counts, strict=True))],
    )
    await Control(client, keys).close(scope, Gate("suspended"), {})
    for _ in range(2):
        survey = await look.survey()
        assert sum(state.waiting + state.in_flight for state in survey.lanes) == 9
        for tenant, count in held.items():
            assert sum(one.waiting for one in survey.lanes if one.held and one.lane.tenant == tenant) == count
            assert all(one.held in ("", scope.text) for one in survey.lanes)
        await take(queue, 256)


async def test_only_what_is_asked_for(queue: Queue, look: Inspect) -> None:
    await queue.put(
        "acme:a", 1, [[str(lane()), 0, *items(3, 1)], [str(lane(tenant="other")), 0, *items(2, 2)]]
    )
    survey = await look.survey(lambda lane: lane.tenant == "other")
    assert [(one.lane.tenant, one.waiting) for one in survey.lanes] == [("other", 2)]


async def test_a_look_that_was_cut_says_so(
    queue: Queue, look: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mta.queue.inspect.MAX_ITEMS", 2)
    later = await look.now() + 3_600_000
    await queue.put("acme:a", 1, [[str(lane()), later, *items(3, 1)]])
    assert not (await look.survey()).complete
    monkeypatch.setattr("mta.queue.inspect.MAX_ITEMS", 3)
    assert (await look.survey()).complete


async def test_looking_changes_nothing(queue: Queue, look: Inspect, client: Client) -> None:
    await queue.put("acme:a", 1, [[str(lane()), 0, *items(3, 1)]])
    await take(queue, 1)

    async def everything() -> dict[bytes, bytes]:
        return {key: await client.dump(key) async for key in client.scan_iter()}

    before = await everything()
    await look.survey()
    await look.workers()
    await look.submitted()
    assert await everything() == before


async def test_a_producer_stops_at_the_limit_and_when_told(client: Client, keys: Keys) -> None:
    producer = Producer(client, keys, submit_limit=2)
    for number in range(3):
        assert await producer.hindrance("bulk") == ""
        await producer.submit("bulk", "message", "acme", f"k{number}", b"{}")
    assert await producer.hindrance("bulk") == "3 entries wait to be taken in, the limit is 2"
    assert await producer.hindrance("urgent") == "", "a full bulk stream stops no alert"
    await client.hset(keys.status, mapping={"accepting": 1, "submit_limit": 3})
    assert await producer.hindrance("bulk") == ""
    await client.hset(keys.status, mapping={"accepting": 0, "why": "Redis uses 90 % of its memory"})
    assert await producer.hindrance("urgent") == "Redis uses 90 % of its memory"
