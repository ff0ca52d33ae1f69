"""The roll of processes and the short story of rates, on a real server; and the judgement made of them."""

import msgspec
import pytest

from mta.queue.control import Gate
from mta.queue.health import BEAT_MS, DEGRADED, DOWN, READY, health
from mta.queue.inspect import Inspect
from mta.queue.overview import ClassDepth, Glance
from mta.queue.rates import EVERY_SECONDS, KEPT, Interval, Rates, counted, per_second
from mta.queue.roll import FORGET_MS, SILENT_MS, Present, Roll

NOW = 1_795_000_000_000


async def test_who_signs_is_on_the_roll_until_it_signs_off(client, keys) -> None:
    roll = Roll(client, keys)
    await roll.sign(Present("worker", "worker1", "b", 7, "1", 5, faults=("no disk",)))
    await roll.sign(Present("keeper", "keeper", "a", 8))
    first, second = await roll.read()
    now = await Inspect(client, keys).now()
    assert [(one.host, one.name, one.pid) for one in (first, second)] == [
        ("a", "keeper", 8),
        ("b", "worker1", 7),
    ]
    assert second.faults == ("no disk",)
    assert not second.silent(now)
    assert second.silent(second.at + SILENT_MS + 1)
    await roll.off("b", "worker1")
    assert [one.name for one in await roll.read()] == ["keeper"]


async def test_who_was_silent_for_a_day_is_forgotten(client, keys) -> None:
    roll = Roll(client, keys)
    await roll.sign(Present("worker", "worker1", "b"))
    [one] = await roll.read()
    assert await roll.forget(one.at + FORGET_MS) == 0
    assert await roll.forget(one.at + FORGET_MS + 1) == 1
    assert await roll.read() == []


async def test_what_a_newer_engine_wrote_is_left_out(client, keys) -> None:
    roll = Roll(client, keys)
    await client.hset(keys.roll, "a/x", b'{"role": 5}')
    await roll.sign(Present("keeper", "keeper", "a"))
    assert [one.name for one in await roll.read()] == ["keeper"]


async def test_the_newest_intervals_are_kept(client, keys) -> None:
    rates = Rates(client, keys)
    for number in range(KEPT + 3):
        await rates.add(Interval(NOW + number * 5000, 5.0, delivered=number))
    found = await rates.read()
    assert [one.delivered for one in found] == list(range(3, KEPT + 3))
    newest = found[-1].at
    mean = sum(range(KEPT + 3 - 12, KEPT + 3)) / 60
    assert per_second(found, "delivered", newest, 60.0) == pytest.approx(mean)
    assert per_second(found, "delivered", newest + 120_000) == 0.0
    assert per_second([], "delivered", NOW) == 0.0


def test_what_is_counted_of_events() -> None:
    events = [
        {"event": "accepted", "kind": "recipients", "count": "500"},
        {"event": "accepted", "kind": "recipients", "count": "500", "repeat": "1"},
        {"event": "accepted", "kind": "control", "count": "9"},
        {"event": "accepted", "kind": "message", "count": "2"},
        {"event": "delivered"}, {"event": "delivered"}, {"event": "bounced"},
        {"event": "bounced", "async": "1"}, {"event": "opened"}, {},
    ]  # fmt: skip
    found = counted(events)
    assert (found["accepted"], found["delivered"], found["bounced"], found["failed"]) == (502, 2, 1, 0)


def glance(**more: object) -> Glance:
    """A glance at an engine that is well, with changes."""
    well = Glance(
        NOW,
        [ClassDepth("urgent"), ClassDepth("transactional"), ClassDepth("bulk")],
        {"beat": str(NOW - 500), "accepting": "1"},
        [Present(role, role, "a", at=NOW - 3000) for role in ("ingest", "keeper", "worker", "web")],
        [],
        [Interval(NOW - n * 5000, EVERY_SECONDS, delivered=10) for n in range(60, -1, -1)],
        {},
    )
    for name, value in more.items():
        setattr(well, name, value)
    return well


def idle() -> list[Interval]:
    return [Interval(NOW - n * 5000, EVERY_SECONDS) for n in range(60, -1, -1)]


def test_an_engine_that_is_well() -> None:
    assert health(glance()) == health(glance(lags={"web": 99_000, "archive": 19_000}))
    assert health(glance()).state == READY
    assert health(glance()).reasons == ()
    # What is held is somebody's decision, and no fault.
    assert health(glance(gates={"c|acme|spring": Gate("held", "look")}, intervals=idle())).state == READY


@pytest.mark.parametrize(
    ("change", "state", "said"),
    [
        ({"status": {}}, DOWN, "no engine ever ran"),
        ({"status": {"beat": str(NOW - BEAT_MS - 1)}}, DOWN, "the keeper gave its last sign 15 s ago"),
        ({"roll": [Present("keeper", "k", "a", at=NOW), Present("ingest", "i", "a", at=NOW)]}, DOWN, "no worker runs"),
        ({"status": {"beat": str(NOW), "accepting": "0", "why": "full"}}, DEGRADED, "no new mail is accepted: full"),
        ({"memory_used": 71, "memory_most": 100}, DEGRADED, "Redis uses 71 % of its memory"),
        ({"lags": {"web": 100_001}}, DEGRADED, "group web are 100,001 events behind"),
        ({"lags": {"archive": 20_001}}, DEGRADED, "group archive"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(change: dict[str, object], state: str, said: str) -> None:
    found = health(glance(**change))
    assert found.state == state
    assert any(said in reason for reason in found.reasons), found.reasons


def test_a_silent_process_and_one_with_a_fault_degrade() -> None:
    roll = glance().roll
    silent = msgspec.structs.replace(roll[3], at=NOW - SILENT_MS - 1)
    faulty = msgspec.structs.replace(roll[2], faults=("the mail log can't be written: no space",))
    found = health(glance(roll=[*roll[:2], faulty, silent]))
    assert found.state == DEGRADED
    assert found.reasons == (
        "web on a gave its last sign 20 s ago",
        "worker on a: the mail log can't be written: no space",
    )


def test_mail_that_is_due_and_does_not_move() -> None:
    old = [ClassDepth("urgent"), ClassDepth("transactional", ready=5, oldest=301.0), ClassDepth("bulk")]
    assert health(glance(classes=old, intervals=idle())).state == DEGRADED
    assert health(glance(classes=old)).state == READY  # something is delivered
    young = [ClassDepth("transactional", ready=5, oldest=20.0)]
    assert health(glance(classes=young, intervals=idle())).state == READY
    # An engine that has just begun has not failed to deliver for five minutes.
    assert health(glance(classes=old, intervals=idle()[-10:])).state == READY
