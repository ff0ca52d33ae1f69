"""A message that kills its worker is set aside after three deaths; nothing else of what was in flight is lost."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from mta.message import Flag
from mta.queue import codec
from mta.queue.lanes import OP_BACK, PathDefaults, Result
from mta.workers.journal import Journal, replay
from mta.workers.worker import KILLED, MOST_DEATHS
from tests.scenarios.conftest import World

LIMITS = PathDefaults(connections=1, batch=8)


async def in_flight(world: World, deaths: int = 0) -> list[codec.Item]:
    """Let an earlier life of w1 hold all that waits; the first has killed so many workers."""
    epoch, _ = await world.queue.register("w1", 30_000)
    for life in range(2):
        taken = await world.queue.take("w1", epoch, want=99, most=9, lease_ms=30_000, defaults=LIMITS)
        items = [one for batch in taken.batches for one in batch.items]
        if life == 0:
            items[0].record.flags |= deaths * Flag.DEATH
            back = [Result(OP_BACK, one.id, one.lane, "", item=one.encode()) for one in reversed(items)]
            await world.queue.settle("w1", epoch, 30_000, back)
            epoch, _ = await world.queue.register("w1", 30_000)
    return items


@pytest.mark.parametrize("deaths", range(MOST_DEATHS + 1))
async def test_what_was_being_made_when_a_worker_died_counts_its_deaths(world: World, deaths: int) -> None:
    peer = await world.peer()
    await world.put("poison@example.net", "one@example.net", "two@example.net")
    items = await in_flight(world, min(deaths, MOST_DEATHS))
    Journal(world.folder / "journal" / "w1").making(items[0].id)
    await world.start()
    events = {event["rcpt"].partition("@")[0]: event for event in await world.events(3)}
    assert events["one"]["event"] == events["two"]["event"] == "delivered"
    if deaths + 1 >= MOST_DEATHS:
        assert (events["poison"]["event"], events["poison"]["why"]) == ("failed", KILLED)
        assert len(peer.messages) == 2
    else:
        assert events["poison"]["event"] == "delivered"
    assert len(world.told) == 3 + (deaths + 1 < MOST_DEATHS) + 2, "what went back is told, too"


async def test_what_was_made_and_not_being_made_counts_no_death(world: World) -> None:
    await world.peer()
    await world.put("one@example.net")
    [item] = await in_flight(world, MOST_DEATHS - 1)
    journal = Journal(world.folder / "journal" / "w1")
    journal.making(item.id)
    journal.made()
    await world.start()
    await world.outcome(event="delivered")


def test_a_journal_tells_what_was_being_made_and_forgets_it(tmp_path: Path) -> None:
    one, two = b"1" * 9, b"2" * 9
    journal = Journal(tmp_path / "w1")
    journal.dot(one)
    journal.making(two)
    past = Journal(tmp_path / "w1").past
    assert (past.making, past.open) == (two, {one})
    second = Journal(tmp_path / "w1")
    assert second.past.making == b"", "the life that came after it has not begun to make it"
    second.making(one)
    second.making(two)
    assert replay((tmp_path / "w1").read_bytes()).making == two
    second.made()
    assert replay((tmp_path / "w1").read_bytes()).making == b""


LIFE = """
import asyncio, json, os, signal, sys
from pathlib import Path

from mta.net.resolver import Answer
from mta.queue.link import Server, connect
from mta.workers import prepare
from tests.scenarios.conftest import World

url, folder, names, port = json.loads(sys.argv[1])
made = prepare.message

def message(item, *rest):
    if item.record.rcpt.startswith("poison@"):
        os.kill(os.getpid(), signal.SIGKILL)
    return made(item, *rest)

prepare.message = message

async def live():
    world = World(url, connect(Server(url)), Path(folder))
    world.port = port
    for name, kind, values in names:
        world.names[name, kind] = Answer(tuple((number, text) for number, text in values), 300.0)
    await world.start(connections=1)
    await asyncio.sleep(60)

asyncio.run(live())
"""


async def test_a_message_that_kills_its_process_three_times_is_set_aside(
    world: World, redis_url: str
) -> None:
    peer = await world.peer()
    await world.put("one@example.net", "poison@example.net", "two@example.net", "three@example.net")
    names = [[name, kind, answer.values] for (name, kind), answer in world.names.items()]  # type: ignore[union-attr]
    told = json.dumps([redis_url, str(world.folder), names, world.port])
    root = Path(__file__).resolve().parents[2]
    deaths = 0
    while True:
        life = await asyncio.create_subprocess_exec(sys.executable, "-c", LIFE, told, cwd=root)
        done = asyncio.ensure_future(life.wait())

        async def finals() -> dict[str, str]:
            rows = await world.client.xrange(world.keys.events(0))
            return {fields[b"rcpt"].decode(): fields[b"event"].decode() for _, fields in rows}

        while not done.done() and len(await finals()) < 4:
            await asyncio.sleep(0.02)
        if not done.done():
            life.kill()
            await done
            break
        assert await done == -signal.SIGKILL
        deaths += 1
        assert deaths <= MOST_DEATHS
    assert deaths == MOST_DEATHS
    events = await world.events(4)
    assert {event["rcpt"].partition("@")[0]: event["event"] for event in events} == {
        "one": "delivered", "two": "delivered", "three": "delivered", "poison": "failed",
    }  # fmt: skip
    [failed] = [event for event in events if event["event"] == "failed"]
    assert failed["why"] == KILLED
    assert not any(b"poison" in message for message in peer.messages)
