"""Events on their way to Redis, and the file they wait in."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mta.event import event
from mta.web import outbox as module
from mta.web.outbox import Outbox
from mta.web.spool import Spool, SpoolFull


class Redis:
    """Takes what it is given, unless it is away."""

    def __init__(self) -> None:
        self.away = False
        self.eids: list[str] = []
        self.batches: list[int] = []
        self.left: list[str] = []

    async def publish(self, items: Any) -> None:
        if self.away:
            raise ConnectionError
        self.batches.append(len(items))
        self.eids += [fields["eid"] for _, fields in items]

    async def add(self, tenant: str, list_: str, addresses: Any, reason: str, by: str, ts: int) -> int:
        if self.away:
            raise ConnectionError
        new = [address for address in addresses if address not in self.left]
        self.left += new
        return len(new)


def told(n: int) -> dict[str, str]:
    return event("opened", f"e{n}", n + 1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(module, "REST_SECONDS", 0.03)


def made(folder: Path, size: int = 1 << 20) -> tuple[Redis, Outbox]:
    redis = Redis()
    return redis, Outbox(redis, redis, Spool(folder / "spool" / "web.ndjson", size))


async def test_events_go_in_batches(tmp_path: Path) -> None:
    redis, outbox = made(tmp_path)
    outbox.start()
    for n in range(450):
        outbox.event(0, told(n))
    await outbox.stop()
    assert redis.eids == [f"e{n}" for n in range(450)]
    assert redis.batches == [200, 200, 50]
    assert outbox.spool.empty


@pytest.mark.usefixtures("quick")
async def test_none_is_lost_while_redis_comes_and_goes(tmp_path: Path) -> None:
    redis, outbox = made(tmp_path)
    outbox.start()
    for n in range(300):
        redis.away = n % 100 < 50
        outbox.event(n % 2, told(n))
        if n % 10 == 0:
            await asyncio.sleep(0.005)
    redis.away = False
    async with asyncio.timeout(5):
        while len(set(redis.eids)) < 300 or not outbox.spool.empty:
            await asyncio.sleep(0.01)
    await outbox.stop()
    assert outbox.dropped == 0
    assert not outbox.spool.path.exists()


@pytest.mark.usefixtures("quick")
async def test_what_is_left_at_the_end_is_there_at_the_next_start(tmp_path: Path) -> None:
    redis, outbox = made(tmp_path)
    redis.away = True
    outbox.start()
    for n in range(5):
        outbox.event(0, told(n))
    await outbox.leave(0, told(9), "t", "l", "a@b.example", 1)
    await outbox.stop()
    with outbox.spool.path.open("ab") as file:
        file.write(b'["event", 0, {"torn')
    redis, outbox = made(tmp_path)
    outbox.start()
    async with asyncio.timeout(5):
        while not outbox.spool.empty:
            await asyncio.sleep(0.01)
    await outbox.stop()
    assert sorted(redis.eids) == ["e0", "e1", "e2", "e3", "e4", "e9"]
    assert redis.left == ["a@b.example"]


@pytest.mark.usefixtures("quick")
async def test_a_full_file_drops_and_counts(tmp_path: Path) -> None:
    redis, outbox = made(tmp_path, size=2000)
    redis.away = True
    outbox.start()
    for n in range(100):
        outbox.event(0, told(n))
        await asyncio.sleep(0)
        await outbox._flush()
    assert outbox.spool.path.stat().st_size <= 2000
    assert outbox.dropped > 0
    with pytest.raises(SpoolFull):
        await outbox.leave(0, told(1), "t", "l", "a@b.example" * 20, 1)
    await outbox.stop()


async def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 10)
    _, outbox = made(tmp_path)
    for n in range(15):
        outbox.event(0, told(n))
    assert (outbox.waiting, outbox.dropped) == (10, 5)


@pytest.mark.usefixtures("quick")
async def test_a_redis_that_never_answers_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CALL_SECONDS", 0.02)
    redis, outbox = made(tmp_path)

    async def hang(*_: object) -> int:
        await asyncio.sleep(60)
        return 0

    redis.publish = redis.add = hang  # type: ignore[assignment,method-assign]
    outbox.start()
    outbox.event(0, told(1))
    await outbox.leave(0, told(2), "t", "l", "a@b.example", 1)
    await outbox.stop()
    rows, _ = outbox.spool.peek(10)
    assert sorted(row[0] for row in rows) == ["event", "event", "suppress"]


def test_an_unsubscribe_is_on_disk_before_it_is_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(fd) or fsync(fd))
    spool = Spool(tmp_path / "s", 1000)
    spool.add([["event", 0, {}]])
    assert synced == []
    spool.add([["event", 0, {}]], durable=True)
    assert len(synced) == 1
