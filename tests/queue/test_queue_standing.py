"""Each state of a waiting message is told as what it is, read from the keys that take goes by."""

import pytest
from lanework import Worker, lane, pack_of, put, retry, taken_items

from mta.queue.codec import Item
from mta.queue.control import Control, Gate, Scope
from mta.queue.finding import Finder
from mta.queue.history import History
from mta.queue.keys import Keys
from mta.queue.lanes import PathDefaults, Queue, Report, Result
from mta.queue.link import Client
from mta.queue.place import Wanted
from mta.queue.shares import Shares
from mta.queue.standing import Standing
from mta.queue.terms import SiteLimits, Terms, TermsBook
from mta.queue.warmbook import WarmBook
from mta.throttle.pools import Source, pools_of
from mta.throttle.waiting.answer import Answer, why
from mta.throttle.waiting.facts import Facts
from mta.throttle.waiting.shares import sentence

LIMITS = PathDefaults(rate=0, connections=20, batch=8)


@pytest.fixture
def standing(client: Client, keys: Keys) -> Standing:
    return Standing(client, keys, LIMITS, 20_000)


def tried(one: Item, wait: int) -> Result:
    """Return the result of an attempt that failed for now."""
    one.record.attempts += 1
    return retry(one, wait)


class Ask:
    """Finds a message and says why it waits."""

    def __init__(self, client: Client, keys: Keys, standing: Standing) -> None:
        self.client, self.keys, self.standing = client, keys, standing

    async def facts(self, name: str) -> Facts:
        (place,) = (await Finder(self.client, self.keys).find(Wanted(name=name))).found
        return await self.standing.of(place)

    async def why(self, name: str) -> Answer:
        return why(await self.facts(name))


@pytest.fixture
def ask(client: Client, keys: Keys, standing: Standing) -> Ask:
    return Ask(client, keys, standing)


async def test_standing_without_a_worker_and_then_next(queue: Queue, ask: Ask) -> None:
    await put(queue, lane(), 2, entry=1)
    assert (await ask.why("m1.0")).reason == "no_worker"
    await Worker(queue).start()
    assert (await ask.why("m1.0")).reason == "next"
    assert (await ask.why("m1.1")).reason == "turn"


async def test_standing_connections_in_use_and_whose_turn_it_is(
    queue: Queue, client: Client, keys: Keys, ask: Ask
) -> None:
    await TermsBook(client, keys).limit_site("google", SiteLimits(0, 1, 5), 0)
    for entry, campaign in enumerate(("a", "b", "c"), 1):
        await put(queue, lane(site="google", campaign=campaign), 100, entry)
    worker = await Worker(queue, defaults=LIMITS).start()
    taken = await worker.take(want=32, most=4)
    assert len(taken.batches) == 4  # of five connections bulk leaves one
    await worker.take(want=0, most=0, reports=[Report("default|google", 4, 0, 2)])
    left = await ask.facts("m3.99")
    assert left.path is not None
    assert left.campaign is not None
    assert (left.path.connections, left.path.busy, left.path.pace) == (5, 4, 8.0)
    assert len(left.campaign.others) == 2
    answer = why(left)
    assert answer.reason == "connections"
    assert answer.text.startswith(
        "google: 4 of 5 connections in use (one is kept for higher classes); your campaign c"
    )
    # All of three campaigns go before the last of one of them, at 32 a second.
    assert answer.ahead == 300 - 32 - 1
    assert left.now + 8_000 < answer.at < left.now + 9_000


async def test_standing_behind_higher_classes(queue: Queue, ask: Ask) -> None:
    await put(queue, lane(), 1, entry=1)
    await put(queue, lane(cls=0), 7, entry=2)
    await Worker(queue).start()
    answer = await ask.why("m1.0")
    assert (answer.reason, answer.ahead) == ("class", 7)


async def test_standing_a_rate_that_is_used_up(queue: Queue, client: Client, keys: Keys, ask: Ask) -> None:
    await TermsBook(client, keys).limit_site("example.net", SiteLimits(0.1, 1), 0)
    await put(queue, lane(), 10, entry=1)
    taken = await (await Worker(queue).start()).take()
    assert len(taken_items(taken)) == 1
    answer = await ask.why("m1.3")
    assert answer.reason == "rate"
    assert answer.ahead == 2
    assert taken.now + 29_000 < answer.at < taken.now + 31_000


async def test_standing_a_limit_that_ended_is_no_limit(
    queue: Queue, client: Client, keys: Keys, ask: Ask
) -> None:
    await TermsBook(client, keys).limit_site("example.net", SiteLimits(0.1, 1, 1), 1)
    await put(queue, lane(), 1, entry=1)
    path = (await ask.facts("m1.0")).path
    assert path is not None
    assert (path.interval, path.connections) == (0, 20)


async def test_standing_paused(queue: Queue, ask: Ask) -> None:
    await put(queue, lane(), 3, entry=1)
    worker = await Worker(queue).start()
    taken = await worker.take(want=1, most=1)
    await worker.settle(tried(taken_items(taken)[0], 90_000), pauses=[("default|example.net", 30_000)])
    answer = await ask.why("m1.1")
    assert answer.reason == "paused"
    assert answer.at >= taken.now + 30_000
    later = await ask.why("m1.0")
    assert (later.state, later.reason) == ("scheduled", "retry")


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (Scope.of_tenant("acme"), "tenant acme is held by ops (look first), until somebody opens it"),
        (Scope.of_campaign("acme", "spring"), "campaign acme/spring is held by ops (look first)"),
        (Scope.of_site("example.net"), "site example.net is held by ops (look first)"),
        (Scope.of_recipient("u1@example.net"), "recipient u1@example.net is held by ops (look first)"),
        (Scope.of_domain("example.net"), "domain example.net is held by ops (look first)"),
        (Scope.of_message("acme", "m1.1"), "message acme/m1.1 is held by ops (look first)"),
    ],
)
async def test_standing_behind_a_gate_before_and_after_a_take_met_it(
    queue: Queue, client: Client, keys: Keys, ask: Ask, scope: Scope, said: str
) -> None:
    await put(queue, lane(), 3, entry=1)
    await Control(client, keys).close(scope, Gate("held", "look first", "ops"), {})
    worker = await Worker(queue).start()
    for _ in range(2):
        answer = await ask.why("m1.1")
        assert (answer.reason, answer.at) == ("held", 0)
        assert answer.text.startswith(said)
        await worker.take()


async def test_standing_a_tenants_bulk_mail_is_held_and_its_receipts_go_on(
    queue: Queue, client: Client, keys: Keys, ask: Ask
) -> None:
    await put(queue, lane(), 1, entry=1)
    await put(queue, lane(cls=1), 1, entry=2)
    await Worker(queue).start()
    await Control(client, keys).close(Scope.of_bulk("acme"), Gate("held", "complaints", "guard"), {})
    assert (await ask.why("m1.0")).text.startswith("bulk mail of tenant acme is held by guard (complaints)")
    assert (await ask.why("m2.0")).reason == "next"


async def test_standing_a_path_as_answers_have_left_it(queue: Queue, client: Client, ask: Ask) -> None:
    await put(queue, lane(), 9, entry=1)
    taken = await (await Worker(queue).start()).take(want=1)
    now, path = taken.now, "mta:{0}:path:default|example.net"
    await client.hset(path, mapping={"top": 2, "base": 1.8, "cut": now, "waits": 0, "tat": now + 9000})
    slow = (await ask.facts("m1.5")).path
    assert slow is not None
    assert 480 < slow.interval < 560
    assert slow.tolerance == 50
    assert "too fast" in slow.slower
    assert (await ask.why("m1.5")).reason == "rate"
    await client.hset(path, mapping={"few": 1, "fewer": now})
    few = (await ask.facts("m1.5")).path
    assert few is not None
    assert (few.connections, few.fewer) == (1, True)
    await client.hset(path, "stop", now + 60_000)
    assert (await ask.why("m1.5")).reason == "stopped"


async def test_standing_a_tenants_own_rate_and_quota(
    queue: Queue, client: Client, keys: Keys, ask: Ask
) -> None:
    book = TermsBook(client, keys)
    await book.set("t|acme", Terms(rate=0.1))
    await book.set("c|acme|winter", Terms(per_day=1))
    await put(queue, lane(), 5, entry=1)
    await put(queue, lane(tenant="other"), 5, entry=3)
    worker = await Worker(queue).start()
    assert len(taken_items(await worker.take())) == 6
    answer = await ask.why("m1.4")
    assert answer.reason == "own_rate"
    assert answer.text.startswith("tenant acme: its own rate of 6/min is used up until")
    await book.set("t|acme", Terms())
    await put(queue, lane(campaign="winter"), 3, entry=2)
    await worker.take()
    answer = await ask.why("m2.2")
    assert answer.reason == "quota"
    assert answer.at % 86_400_000 == 0


async def test_standing_in_the_store(queue: Queue, client: Client, keys: Keys) -> None:
    await queue.put("acme:k", 1, [], packs=[(lane(site="*"), 0, pack_of(10, 1))])
    await Worker(queue).start()
    assert (await Ask(client, keys, Standing(client, keys, LIMITS, 20_000)).why("s1.4")).reason == "expander"
    await put(queue, lane(), 5, entry=2)
    full = await Ask(client, keys, Standing(client, keys, LIMITS, 5)).why("s1.4")
    assert (full.state, full.reason, full.ahead) == ("packed", "ready_full", 4)


async def test_standing_reads_past_fields_it_does_not_know(queue: Queue, client: Client, ask: Ask) -> None:
    await put(queue, lane(), 1, entry=1)
    await client.hset("mta:{0}:path:default|example.net", mapping={"later:w1": "no figure"})
    await client.hset("mta:{0}:scopes", "t|acme", "2 0 0 0 0 and more")
    assert (await ask.facts("m1.0")).path is not None


async def test_history_looks_back_for_one_message(queue: Queue, client: Client, keys: Keys) -> None:
    for n in range(1200):
        await client.xadd("mta:{0}:events", {"event": "deferred", "id": f"m{n % 300}", "tenant": "acme"})
    await client.xadd("mta:{0}:events", {"event": "delivered", "id": "m7", "tenant": "acme", "rcpt": "m8"})
    history = History(client, keys)
    found = await history.of("id", "m7", "acme")
    assert [one["event"] for one in found] == ["deferred"] * 4 + ["delivered"]
    assert history.complete
    assert [one["id"] for one in await history.of("rcpt", "m8")] == ["m7"]
    assert await history.of("id", "m7", "other") == []
    short = History(client, keys, looked_at=500)
    assert await short.of("id", "m299", "acme") != []
    assert not short.complete


async def test_shares_of_a_site_and_of_a_campaign(
    queue: Queue, client: Client, keys: Keys, standing: Standing
) -> None:
    await TermsBook(client, keys).limit_site("google", SiteLimits(0.001, 9), 0)
    await put(queue, lane(site="google"), 70, entry=1)
    await put(queue, lane(site="google", campaign="other"), 5, entry=9)
    worker = await Worker(queue).start()
    taken = taken_items(await worker.take(want=9, most=1))
    mine = [one for one in taken if one.lane == lane(site="google")]
    await worker.settle(*(tried(one, 60_000) for one in mine[:3]))
    await queue.put("acme:k", 1, [], packs=[(lane(site="*"), 0, pack_of(30, 5))])
    whole = await Shares(client, keys, standing).of_campaign("acme", "spring")
    left = 70 - len(mine)
    assert {(one.reason, one.of): one.count for one in whole.parts} == {
        ("rate", "google"): left, ("expander", ""): 30, ("retry", ""): 3, ("in_flight", ""): len(mine) - 3
    }  # fmt: skip
    assert whole.exact
    assert whole.count == 100
    assert f"{left} % wait for google's rate" in sentence(whole.parts, not whole.exact)
    site = await Shares(client, keys, standing).of_site("google")
    assert site.count == 75
    assert not (await Shares(client, keys, standing).of_site("nowhere.example")).parts


async def test_shares_tell_held_mail_and_what_waits_for_a_time(
    queue: Queue, client: Client, keys: Keys, standing: Standing
) -> None:
    await put(queue, lane(), 4, entry=1)
    await Control(client, keys).close(Scope.of_campaign("acme", "spring"), Gate("held"), {})
    seconds, _ = await client.time()
    await queue.put("acme:late", 1, [], packs=[(lane(site="*"), (int(seconds) + 90) * 1000, pack_of(6, 2))])
    await Worker(queue).start()
    whole = await Shares(client, keys, standing).of_campaign("acme", "spring")
    assert {one.reason: one.count for one in whole.parts} == {"held": 4, "later": 6}


async def test_a_source_that_warms_up_is_what_it_waits_for(queue: Queue, client: Client, keys: Keys) -> None:
    pools = pools_of({"new": Source("new", "192.0.2.1", warm=False)}, {"default": {"new": 1.0}})
    ask = Ask(client, keys, Standing(client, keys, LIMITS, 20_000, pools))
    book = WarmBook(client, keys)
    await put(queue, lane(), 30, entry=1)
    worker = await Worker(queue).start()
    assert (await ask.why("m1.0")).text == "source warm-up cap: the warm-up of new has not begun"
    await book.allow({("new", "*"): (20, 30)})
    assert (await ask.why("m1.0")).reason == "next"
    assert len(await worker.deliver(pools=pools.wire)) == 20
    found = await ask.why("m1.29")
    assert (found.reason, found.at % 86_400_000) == ("warmup", 0)
    assert "source warm-up cap: new has sent its 20 messages of today" in found.text
    await book.allow({("new", "*"): (-1, 0)})
    assert (await ask.why("m1.29")).reason == "turn"


async def test_sources_that_are_suspended_or_stopped_are_told(
    queue: Queue, client: Client, keys: Keys
) -> None:
    sources = {name: Source(name, f"192.0.2.{number}") for number, name in enumerate("ab", 1)}
    pools = pools_of(sources, {"default": {"a": 1.0, "b": 1.0}})
    ask = Ask(client, keys, Standing(client, keys, LIMITS, 20_000, pools))
    await put(queue, lane(), 2, entry=1)
    worker = await Worker(queue).start()
    await Control(client, keys).close(Scope.of_source("a"), Gate("suspended", "listed"), {})
    assert (await ask.why("m1.0")).reason == "next"
    await worker.settle(pauses=[("@b|example.net", 60_000)])
    found = await ask.why("m1.0")
    assert found.reason == "paused"
    assert "source a is suspended (listed)" in found.text
    assert (await ask.facts("m1.0")).sources[1].path.paused_until > 0
