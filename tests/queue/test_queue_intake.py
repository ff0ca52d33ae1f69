"""Which process a new entry goes to."""

import asyncio

from mta.message import Class
from mta.queue.intake import Intake
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.nodes import each


async def submit(client: Client, keys: Keys, cls: Class) -> None:
    await client.xadd(keys.submit(cls), {"v": "1"})


async def test_what_somebody_waits_for_goes_to_who_does_nothing_else(client: Client, keys: Keys) -> None:
    ingest = Intake(client, client, keys, "ingest1")
    express = Intake(client, client, keys, "express1", bulk=False)
    await ingest.prepare()
    for _ in range(5):
        # Both wait, ingest longer: the server would serve it first.
        first = asyncio.create_task(entry(ingest))
        while not await blocked(client, 1):
            await asyncio.sleep(0.01)
        second = asyncio.create_task(entry(express))
        while not await blocked(client, 2):
            await asyncio.sleep(0.01)
        await submit(client, keys, Class.TRANSACTIONAL)
        assert [await second] == [keys.submit(Class.TRANSACTIONAL)]
        await submit(client, keys, Class.BULK)
        assert [await first] == [keys.submit(Class.BULK)]


async def test_ingest_takes_in_what_nobody_else_does(client: Client, keys: Keys) -> None:
    ingest = Intake(client, client, keys, "ingest1")
    await ingest.prepare()
    assert await ingest.read(20) == []
    await submit(client, keys, Class.TRANSACTIONAL)
    assert [entry[0] for entry in await ingest.read(2000)] == [keys.submit(Class.TRANSACTIONAL)]


async def entry(intake: Intake) -> str:
    """Return the stream of the one entry that comes; in a cluster a wait may end before there is one."""
    while not (rows := await intake.read(2000)):
        pass
    (row,) = rows
    return row[0]


async def blocked(client: Client, count: int) -> bool:
    """Whether so many clients wait at the servers, or more: in a cluster one may wait at several."""
    infos = [await node.info("clients") for node in await each(client)]
    return sum(int(info["blocked_clients"]) for info in infos) >= count
