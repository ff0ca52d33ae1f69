"""Gates: what is closed waits, what is opened goes on, also when the one who opens it dies half-way."""

from mta.message import Lane, MessageId, Record
from mta.queue import codec, scripts
from mta.queue.control import Control, Gate, Scope
from mta.queue.keys import Keys
from mta.queue.lanes import PathDefaults, Queue
from mta.queue.link import Client

LANES = 450  # an opening brings 200 lanes back at a time


async def taken(queue: Queue, epoch: int) -> int:
    count = 0
    while batches := (
        await queue.take(
            "w1", epoch, want=256, most=256, lease_ms=30_000, defaults=PathDefaults(connections=1000)
        )
    ).batches:
        count += sum(len(batch.items) for batch in batches)
    return count


async def fill(queue: Queue) -> None:
    for chunk, start in enumerate(range(0, LANES, 150), 1):
        groups = []
        for number in range(start, start + 150):
            record = Record(f"m.{number}", f"u@d{number}.example", born=1, expires=2**41)
            lane = Lane(2, "default", f"d{number}.example", "acme", "spring")
            groups.append([str(lane), 0, codec.encode(MessageId(0, 1, number).pack(), record)])
        await queue.put("acme:k", chunk, groups)


async def test_a_closed_campaign_waits_and_goes_on_when_opened(client: Client, keys: Keys) -> None:
    queue, control = Queue(client, keys), Control(client, keys)
    epoch, _ = await queue.register("w1", 30_000)
    scope = Scope.of_campaign("acme", "spring")
    event = {"event": "suspended", "eid": "1"}
    assert await control.close(scope, Gate("suspended", "look", "ops"), event)
    assert not await control.close(scope, Gate("suspended", "look", "ops"), event), "it was closed already"
    await fill(queue)
    assert await taken(queue, epoch) == 0
    assert (await control.gates())[scope.text].reason == "look"
    assert await control.open(scope, {"event": "resumed", "eid": "2"})
    assert await taken(queue, epoch) == LANES
    assert not await control.open(scope, {}), "it is open"
    assert [fields[b"event"] for _, fields in await client.xrange(keys.events(0))] == [
        b"suspended",
        b"resumed",
    ]
    assert await control.half_open() == set()


async def test_an_opening_that_was_cut_short_is_finished_by_another(client: Client, keys: Keys) -> None:
    queue, control = Queue(client, keys), Control(client, keys)
    epoch, _ = await queue.register("w1", 30_000)
    scope = Scope.of_tenant("acme")
    await control.close(scope, Gate("suspended"), {"event": "suspended", "eid": "1"})
    await fill(queue)
    while await client.scard(f"{keys.base(0)}parked:{scope.text}") < LANES:
        assert await taken(queue, epoch) == 0
    await scripts.run(client, "gate", keys.base(0), ["open", scope.text, "", []])  # one step, then it dies
    assert 0 < await taken(queue, epoch) < LANES
    assert await control.half_open() == {scope}
    await control.open(scope, {})
    assert await taken(queue, epoch) > 0
    assert await client.exists(f"{keys.base(0)}parked:{scope.text}") == 0
    assert await control.half_open() == set()


async def test_purge_takes_what_waits_and_what_is_scheduled_and_counts_it(client: Client, keys: Keys) -> None:
    queue, control = Queue(client, keys), Control(client, keys)
    lane = str(Lane(2, "default", "d.example", "acme", "spring"))
    other = str(Lane(2, "default", "d.example", "acme", "other"))

    def item(number: int) -> bytes:
        record = Record(f"m.{number}", "u@d.example", born=1, expires=2**41)
        return codec.encode(MessageId(0, 1, number).pack(), record)

    seconds, _ = await client.time()
    later = (seconds + 3600) * 1000
    await queue.put(
        "acme:a", 1, [[lane, 0, *(item(n) for n in range(10))], [lane, later, item(10), item(11)]]
    )
    await queue.put("acme:b", 1, [[other, later, item(20)], [other, 0, item(21)]])
    dropped = await control.purge("acme", "spring", {"event": "purged", "eid": "p"})
    assert dropped == 12
    events = [fields for _, fields in await client.xrange(keys.events(0))]
    assert sum(int(fields[b"count"]) for fields in events) == 12
    assert len({fields[b"eid"] for fields in events}) == len(events)
    epoch, _ = await queue.register("w1", 30_000)
    assert await taken(queue, epoch) == 1, "another campaign's mail stays"
