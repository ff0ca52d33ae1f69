"""What receivers' answers do to paths, inside Redis: the pace as the pure module has it, stops, connections, alarms."""

import time

import pytest
from lanework import Worker, final, lane, put, taken_items

from mta.queue import scripts
from mta.queue.control import Control
from mta.queue.keys import Keys
from mta.queue.lanes import Counted, PathDefaults, Queue, Slow
from mta.queue.link import Client
from mta.queue.paths import Paths
from mta.queue.terms import SiteLimits, TermsBook
from mta.throttle import reactions
from mta.throttle.pace import Pace, cut, rate

PATH = "default|example.net"
KEY = f"mta:{{0}}:path:{PATH}"
PART = (scripts.resources.files("mta.queue") / "lua/parts/pace.lua").read_text()


async def lua(client: Client, now: int, call: str) -> list[float]:
    told = "for i = 1, #out do out[i] = string.format('%.17g', out[i]) end"
    text = f"local NOW = {now}\n{PART}\nlocal out = {{{call}}}\n{told}\nreturn out"
    return [float(one) for one in await client.eval(text, 0)]


@pytest.mark.parametrize("later", [-900, 0, 1, 3000, 11_999, 12_000, 20_000, 47_000, 71_999, 90_000])
async def test_the_script_has_the_pace_of_the_pure_module(client: Client, later: int) -> None:
    at = 1_800_000_000_000
    for top in (0.3, 4.0, 25.0, 900.0):
        pace = Pace(top, top * 0.9, at, 2)
        assert await lua(client, at + later, f"paced({top}, {top * 0.9}, {at})") == pytest.approx(
            [rate(pace, at + later)]
        )
        for share in (0.01, 0.5, 0.95, 1.0):
            for began in (at - 1, at + max(later, 0)):
                found = await lua(
                    client, at + later, f"cut_pace({top}, {top * 0.9}, {at}, 2, {began}, 20.0, {share})"
                )
                after = cut(pace, began, at + later, 20.0, share)
                assert found == ([] if after is pace else pytest.approx(list(after)))
    assert await lua(client, at, f"cut_pace(nil, nil, nil, 0, {at}, 20.0, 0.25)") == pytest.approx(
        list(cut(None, at, at, 20.0, 0.25))
    )


async def worker_with_mail(queue: Queue, count: int = 200, **defaults: float) -> Worker:
    worker = await Worker(
        queue, defaults=PathDefaults(**({"connections": 20, "batch": 64} | defaults))
    ).start()  # type: ignore[arg-type]
    await put(queue, lane(), count, 1)
    return worker


async def tell(worker: Worker, queue: Queue, **told: object) -> None:
    await queue.settle(worker.name, worker.epoch, 30_000, [], **told)  # type: ignore[arg-type]


async def test_too_fast_slows_the_path_for_every_worker(queue: Queue, client: Client) -> None:
    worker = await worker_with_mail(queue, rate=100.0, burst=100)
    other = await Worker(queue, "w2", defaults=worker.defaults).start()
    await tell(worker, queue, slows=[Slow(PATH, 0.5, 100, 200.0)], interval=10.0)
    state = await client.hgetall(KEY)
    assert float(state[b"top"]) == pytest.approx(49.0)
    assert float(state[b"base"]) == pytest.approx(46.5)
    assert len(taken_items(await other.take())) <= 4  # 50 ms of 50 a second, and no burst of a second
    states = await Paths(client, queue.keys).states()
    assert 46 <= states[0].pace <= 49.5


async def test_a_path_without_a_limit_is_slowed_from_what_is_sent(queue: Queue, client: Client) -> None:
    worker = await worker_with_mail(queue)
    await worker.take(want=10)
    await tell(worker, queue, slows=[Slow(PATH, 0.1, 100, 40.0)])
    assert float(await client.hget(KEY, "top")) == pytest.approx(2 * 40 * 0.9 * 0.98)


async def test_a_limit_of_the_site_is_what_a_cut_begins_at(queue: Queue, client: Client, keys: Keys) -> None:
    await TermsBook(client, keys).replace_sites({"example.net": SiteLimits(rate=10.0)})
    worker = await worker_with_mail(queue)
    await tell(worker, queue, slows=[Slow(PATH, 0.5, 100, 200.0)], interval=1.0)
    assert float(await client.hget(KEY, "top")) == pytest.approx(4.9)


async def test_old_refusals_cut_nothing_twice(queue: Queue, client: Client) -> None:
    worker = await worker_with_mail(queue, rate=100.0)
    for _ in range(2):
        await tell(worker, queue, slows=[Slow(PATH, 0.5, 60_000, 200.0)], interval=10.0)
    assert float(await client.hget(KEY, "top")) == pytest.approx(49.0)


async def test_refused_connections_are_fewer(queue: Queue, client: Client) -> None:
    worker = await worker_with_mail(queue, connections=8, batch=1)
    await tell(worker, queue, fews=[(PATH, 4)])
    taken = await worker.take()
    assert len(taken.batches) == 3
    await client.hset(KEY, "fewer", int(time.time() * 1000) - 91_000)  # in time three more, of which bulk
    await client.zadd("mta:{0}:due:2", {PATH: 0})  # leaves one to the classes above it
    assert len((await worker.take()).batches) == 2


def rule(**given: object) -> reactions.Rule:
    return reactions.rule("default.0", {"class": "reputation", **given})


async def events(client: Client) -> list[dict[str, str]]:
    rows = await client.xrange("mta:{0}:events")
    return [{name.decode(): value.decode() for name, value in fields.items()} for _, fields in rows]


async def test_enough_answers_stop_the_path_and_say_why(queue: Queue, client: Client, keys: Keys) -> None:
    worker = await worker_with_mail(queue)
    stops = rule(count=3, within="1h", suspend="10m", alarm=True)
    await tell(worker, queue, counted=[Counted(PATH, stops, "reputation", 2)])
    assert await client.hget(KEY, "stop") is None
    assert len(await worker.deliver(want=1)) == 1
    await tell(worker, queue, counted=[Counted(PATH, stops, "reputation", 1)])
    assert taken_items(await worker.take()) == []
    told = (await events(client))[-1]
    assert told["event"] == "suspended"
    assert told["scope"] == "site:example.net"
    assert told["reason"] == "3 answers reputation within 1 h"
    assert 590_000 < int(told["until"]) - int(told["ts"]) <= 600_000
    state = (await Paths(client, keys).states())[0]
    assert state.state(await Paths(client, keys).now()) == "suspended"
    # While it stands nothing is told again; soon after it stands twice as long.
    await tell(worker, queue, counted=[Counted(PATH, stops, "reputation", 5)])
    assert len(await events(client)) == 2  # the delivery and the stop
    now = int(time.time() * 1000)
    await client.hset(f"mta:{{0}}:answers:{PATH}", "default.0", f"{now} 2 0 {now - 1000}")
    await tell(worker, queue, counted=[Counted(PATH, stops, "reputation", 1)])
    told = (await events(client))[-1]
    assert 1_190_000 < int(told["until"]) - int(told["ts"]) <= 1_200_000
    await Control(client, keys).forget_answers("example.net")
    assert len(await worker.deliver(want=5)) == 5


async def test_answers_of_another_time_do_not_add_up(queue: Queue, client: Client) -> None:
    worker = await worker_with_mail(queue)
    stops = rule(count=2, within="10m", suspend="10m")
    await tell(worker, queue, counted=[Counted(PATH, stops, "reputation", 1)])
    since = int(time.time() * 1000) - 700_000
    await client.hset(f"mta:{{0}}:answers:{PATH}", "default.0", f"{since} 1 0 0")
    await tell(worker, queue, counted=[Counted(PATH, stops, "reputation", 1)])
    assert await client.hget(KEY, "stop") is None


async def test_a_rule_slows_a_path_for_a_while(queue: Queue, client: Client) -> None:
    worker = await worker_with_mail(queue, rate=1000.0, burst=100)
    await tell(worker, queue, counted=[Counted(PATH, rule(slow=0.1, **{"for": "30m"}), "reputation", 1)])
    assert 1 <= len(taken_items(await worker.take())) <= 12  # 100 ms of burst at a tenth of the rate
    assert await events(client) == []


async def test_an_alarm_is_told_once_in_its_time(queue: Queue, client: Client) -> None:
    worker = await worker_with_mail(queue)
    for _ in range(3):
        await tell(worker, queue, counted=[Counted(PATH, rule(alarm=True), "auth", 1)])
    told = await events(client)
    assert [one["event"] for one in told] == ["warned"]
    assert told[0]["reason"] == "1 answers auth within 1 h"


async def test_a_path_nobody_complains_about_has_none_of_it(queue: Queue, client: Client) -> None:
    worker = await worker_with_mail(queue)
    taken = await worker.take(want=10)
    await worker.settle(*(final(one) for one in taken_items(taken)))
    assert not {b"top", b"stop", b"slow", b"few"} & set(await client.hkeys(KEY))
    assert [key async for key in client.scan_iter("mta:{0}:answers:*")] == []
