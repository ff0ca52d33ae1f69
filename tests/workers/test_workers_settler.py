"""Results on their way back: none is forgotten, whatever ends the call that carries them."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest

from mta.queue.lanes import OP_FINAL, Result
from mta.queue.link import QueueDown
from mta.queue.scripts import LostLease
from mta.workers import settler as settler_module
from mta.workers.settler import Lease, Settler


class Door:
    """Stands for the queue: each call meets the next fate, then all succeed."""

    def __init__(self, *fates: BaseException | asyncio.Event) -> None:
        self.fates = list(fates)
        self.calls: list[list[bytes]] = []
        self.pauses: dict[str, int] = {}

    async def settle(
        self, worker: str, epoch: int, lease_ms: int, results: Sequence[Result], pauses: Any = ()
    ) -> int:
        self.calls.append([one.id for one in results])
        fate = self.fates.pop(0) if self.fates else None
        if isinstance(fate, asyncio.Event):
            fate.set()
            await asyncio.Event().wait()  # until the caller is cancelled
        elif fate is not None:
            raise fate
        self.pauses |= dict(pauses)
        return 0


def settler(door: Door) -> tuple[Settler, list[bytes]]:
    done: list[bytes] = []
    one = Settler(door, Lease("w1", 30_000))  # type: ignore[arg-type]

    async def before(_: Sequence[Result]) -> None:
        pass

    one.before = before
    one.settled = lambda results: done.extend(result.id for result in results)
    return one, done


def result(number: int) -> Result:
    return Result(OP_FINAL, bytes([number]), "2|default|x.example|acme|spring", "acme|spring", "delivered")


async def run_until_drained(one: Settler) -> None:
    running = asyncio.create_task(one.run())
    async with asyncio.timeout(5):
        await one.drained()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_call_that_is_cancelled_is_made_again_by_the_next_run() -> None:
    asked = asyncio.Event()
    door = Door(asked)
    one, done = settler(door)
    one.add(result(1))
    one.pause("default|x.example", 500)
    running = asyncio.create_task(one.run())
    await asked.wait()
    one.add(result(2))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert not done
    await run_until_drained(one)
    assert done == [b"\1", b"\2"]
    assert door.pauses == {"default|x.example": 500}


async def test_a_call_that_redis_does_not_answer_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler_module, "RETRY_SECONDS", 0.01)
    door = Door(QueueDown("gone"), QueueDown("still gone"))
    one, done = settler(door)
    one.add(result(1))
    await run_until_drained(one)
    assert done == [b"\1"]
    assert door.calls == [[b"\1"]] * 3


async def test_a_lost_lease_is_told_and_what_it_could_not_write_can_be_dropped() -> None:
    one, done = settler(Door(LostLease("LOST lease of w1")))
    one.add(result(1))
    with pytest.raises(LostLease):
        await one.run()
    assert [dropped.id for dropped in one.drop()] == [b"\1"]
    await run_until_drained(one)
    assert not done


async def test_what_was_taken_again_is_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that was carried out and whose reply was lost: its message may be ours once more, and on its way."""
    monkeypatch.setattr(settler_module, "RETRY_SECONDS", 0.01)
    door = Door(QueueDown("the reply was lost"))
    one, done = settler(door)
    one.add(result(1))
    one.add(result(2))
    with one.taking() as taken:
        running = asyncio.create_task(one.run())
        while not door.calls:
            await asyncio.sleep(0)
        await asyncio.sleep(0.03)
        assert len(door.calls) == 1, "nothing is told twice while a take is under way"
        assert not one._sure.is_set()
        taken([bytes([2])])
    async with asyncio.timeout(5):
        await one.sure()
        await one.drained()
    running.cancel()
    assert door.calls == [[bytes([1]), bytes([2])], [bytes([1])]]
    assert done == [bytes([1])]


async def test_what_is_taken_while_it_is_told_is_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler_module, "RETRY_SECONDS", 0.01)
    began = asyncio.Event()
    door = Door(began)
    one, done = settler(door)
    one.add(result(1))
    running = asyncio.create_task(one.run())
    await began.wait()
    with one.taking() as taken:
        taken([bytes([1])])
    running.cancel()  # as when another of the worker's calls failed
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await run_until_drained(one)
    async with asyncio.timeout(5):
        await one.sure()
    assert door.calls == [[bytes([1])]]
    assert done == []
