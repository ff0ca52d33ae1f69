"""Canaries are counted once per person, judged by their bounds, and followed by one act."""

import time

import pytest

from mta.event import event
from mta.keeper.canaries import CanaryWatch
from mta.keeper.rejected import Rejected
from mta.message import Class, Lane, MessageId, Record
from mta.queue import codec
from mta.queue.campaigns import Campaign, Campaigns
from mta.queue.canaries import DONE, PASSED, RUNNING, STOPPED
from mta.queue.control import CANARY, REJECTED, Control, Gate, Scope
from mta.queue.keys import Keys
from mta.queue.lanes import Queue
from mta.queue.link import Client
from mta.queue.progress import Progress
from mta.queue.review import Review
from mta.queue.sites import Sites
from mta.throttle.canary import Canary, Counts

REST = Scope.of_rest("acme", "spring")


class Bench:
    """A campaign with a canary of ten people, and a keeper that watches."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client, self.keys = client, keys
        self.review = Review(client, keys)
        self.canaries = self.review.canaries
        self.watch = CanaryWatch(self.review)

    async def begin(self, terms: Canary, campaign: str = "spring") -> None:
        known = Campaign("acme", campaign, Class.BULK, b"{}", b"", b"d", 1, True)
        await Campaigns(self.client, self.keys).define(known)
        gate = Gate(CANARY, "some go first", since=1)
        await self.review.control.close(Scope.of_rest("acme", campaign), gate, {})
        await self.canaries.begin("acme", campaign, terms)
        drawn = [(f"acme|{campaign}", "drawn", 10)]
        counts = [(f"acme|{campaign}", "accepted", 100)]
        await Queue(self.client, self.keys).put(f"acme:{campaign}", 1, [], counts=counts, drawn=drawn)
        await Campaigns(self.client, self.keys).close("acme", campaign, "1-0")

    async def results(self, *told: str, domain: str = "example.net", campaign: str = "spring") -> None:
        events = [
            event(
                kind,
                f"{kind}{n}",
                1,
                tenant="acme",
                campaign=campaign,
                id=f"m.{domain}.{n}",
                rcpt=f"u{n}@{domain}",
            )
            for n, kind in enumerate(told)
        ]
        await self.watch.tally(events)

    async def look(self) -> str:
        await self.watch.judge()
        return await self.canaries.phase("acme", "spring")

    async def told(self) -> list[tuple[str, str]]:
        rows = await self.client.xrange(self.keys.events(0))
        return [(fields[b"event"].decode(), fields.get(b"reason", b"").decode()) for _, fields in rows]


@pytest.fixture
async def bench(client: Client, keys: Keys) -> Bench:
    return Bench(client, keys)


async def counts(bench: Bench) -> dict[str, Counts]:
    report = await bench.canaries.report("acme", "spring")
    assert report is not None
    return report.sites


async def test_each_person_counts_once_however_often_it_is_told(bench: Bench) -> None:
    await bench.begin(Canary(0.1))
    await Sites(bench.client, bench.keys).put({"gmail.example": ("google", 60.0)})
    for _ in range(2):
        await bench.results(
            "deferred", "delivered", "bounced", "suppressed", "opened", domain="gmail.example"
        )
    assert await counts(bench) == {"google": Counts(delivered=1, deferred=1, bounced=1, suppressed=1)}
    await bench.results("delivered", "bounced", "delivered", domain="gmail.example")
    await bench.results("deferred", "complained", domain="gmail.example")
    assert await counts(bench) == {"google": Counts(delivered=1, bounced=2, suppressed=1)}
    await Sites(bench.client, bench.keys).put({"gmail.example": ("elsewhere", 60.0)})
    await bench.results("complained", domain="gmail.example")
    await bench.results("delivered")
    found = await counts(bench)
    assert found["google"] == Counts(delivered=1, bounced=2, complained=1, suppressed=1)
    assert found["example.net"] == Counts(delivered=1)
    assert "elsewhere" not in found


async def test_others_results_and_campaigns_without_a_canary_are_not_counted(bench: Bench) -> None:
    await bench.results("delivered")
    assert await bench.client.keys("*tried*") == []
    await bench.begin(Canary(0.1))
    await bench.results("delivered", campaign="fall")
    assert await counts(bench) == {}


async def test_past_a_bound_the_campaign_is_held_and_says_why(bench: Bench) -> None:
    await bench.begin(Canary(0.1, "go", least=5))
    await bench.results(*["bounced"] * 2)
    assert await bench.look() == RUNNING
    await bench.results(*["bounced"] * 2, *["delivered"] * 4)
    assert await bench.look() == STOPPED
    assert await bench.look() == STOPPED
    ((kind, reason),) = await bench.told()
    assert kind == "held"
    assert "2 of 6 bounced (33.3%, the bound is 5.0%)" in reason
    gates = await bench.review.control.gates()
    assert gates["c|acme|spring"].state == "held"
    assert "k|acme|spring" in gates


async def test_one_that_is_well_goes_on_when_its_time_is_over(bench: Bench) -> None:
    await bench.begin(Canary(0.1, "go", least=5, wait=0))
    await bench.results(*["delivered"] * 10)
    assert await bench.look() == DONE
    assert REST.text not in await bench.review.control.gates()
    assert [kind for kind, _ in await bench.told()] == ["released"]
    assert not await bench.canaries.watched()
    await bench.look()
    assert len(await bench.told()) == 1


async def test_one_that_is_well_waits_for_a_person_when_it_asked_for_that(bench: Bench) -> None:
    await bench.begin(Canary(0.1, "hold", least=5, wait=0))
    await bench.results(*["delivered"] * 10)
    assert await bench.look() == PASSED
    standing = await bench.review.standing("acme", "spring")
    assert standing.gate is None
    assert standing.hold is not None
    assert "waits for approval" in standing.hold.reason
    assert [kind for kind, _ in await bench.told()] == ["held"]
    assert [row[:2] for row in await bench.review.waiting()] == [("acme", "spring")]


async def test_what_a_dead_keeper_began_is_brought_to_its_end(bench: Bench) -> None:
    # It opened the store and died before it noted that.
    await bench.begin(Canary(0.1, "go", least=5, wait=0))
    await bench.results(*["delivered"] * 10)
    await bench.review.control.open(REST, {})
    assert await bench.look() == DONE
    # It held the campaign and died before it noted that: the event is not told again.
    await bench.begin(Canary(0.1, "go", least=5), "spring")
    await bench.results(*["bounced"] * 10)
    await bench.review.hold("acme", "spring", "canary: 10 of 10", eid="acme/spring/canary/held")
    assert await bench.look() == STOPPED
    assert [kind for kind, _ in await bench.told()] == ["held"]


async def test_a_campaign_that_was_purged_leaves_nothing_to_decide(bench: Bench) -> None:
    await bench.begin(Canary(0.1))
    await bench.review.hold("acme", "spring", "a look")
    await bench.client.hset(f"{bench.keys.base(0)}count:acme|spring", "purged", 100)
    await bench.review.tidy("acme", "spring")
    assert await bench.review.control.gates() == {}
    assert await bench.canaries.watched() == set()
    assert await bench.review.waiting() == []
    assert "was purged" in (await bench.review.standing("acme", "spring")).why_not("spring")


async def test_what_comes_after_a_rejection_is_dropped_and_told(
    bench: Bench, client: Client, keys: Keys
) -> None:
    await bench.begin(Canary(0.1))
    control, queue = Control(client, keys), Queue(client, keys)
    await client.hset(f"{keys.base(0)}count:acme|spring", "purged", 100)
    await control.close(
        Scope.of_campaign("acme", "spring"), Gate(REJECTED, "no opt-in", "jo", since=int(time.time())), {}
    )
    item = codec.encode(MessageId(0, 1, 1).pack(), Record("late.1", "u@example.net", 1, 2**41))
    lane = str(Lane(2, "default", "example.net", "acme", "spring"))
    await queue.put("acme:late", 1, [[lane, 0, item]], counts=[("acme|spring", "accepted", 1)])
    await Rejected(control, Progress(client, keys)).drop()
    assert await bench.told() == [("purged", "no opt-in")]
    assert (await Progress(client, keys).totals("acme", "spring"))["queued"] == 0
    await Rejected(control, Progress(client, keys)).drop()
    assert len(await bench.told()) == 1
