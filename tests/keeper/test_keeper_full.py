"""A Redis without memory refuses the keeper's words; the duties that make room must go on all the same."""

import asyncio
from pathlib import Path

from mta.archive.archive import Archive
from mta.event import event, flat
from mta.keeper.keeper import Doors, Keeper, Settings
from mta.queue.campaigns import Campaigns
from mta.queue.control import Control
from mta.queue.intake import Intake
from mta.queue.keys import Keys
from mta.queue.link import Client, Server, connect
from mta.queue.progress import Progress
from mta.queue.rates import Rates
from mta.queue.terms import TermsBook
from mta.queue.upkeep import Upkeep


async def test_the_keeper_lives_through_it_and_makes_room(
    client: Client, keys: Keys, tmp_path: Path, redis_url: str
) -> None:
    blocking = connect(Server(redis_url), blocking=True)
    await Intake(client, blocking, keys, "i1").prepare()
    archive = Archive(tmp_path)
    keeper = Keeper(
        Settings(keys),
        Doors(
            Upkeep(client, keys), Progress(client, keys), Campaigns(client, keys), Control(client, keys),
            archive, TermsBook(client, keys),
        ),
    )  # fmt: skip
    told = flat(event("delivered", "acme/a/delivered/0", 1_795_000_000_000, id="a", tenant="acme"))
    pairs = dict(zip(told[::2], told[1::2], strict=True))
    for _ in range(50):
        await client.xadd(keys.events(0), pairs)
    await client.config_set("maxmemory", "1")
    try:
        running = asyncio.create_task(keeper.run())
        async with asyncio.timeout(20):
            while sum(len(path.read_text().splitlines()) for path in tmp_path.glob("events-*.ndjson")) < 50:
                assert not running.done()
                await asyncio.sleep(0.02)
        assert await client.hgetall(keys.status) == {}
        await client.config_set("maxmemory", "0")
        async with asyncio.timeout(20):
            while not await client.hget(keys.status, "beat"):
                assert not running.done()
                await asyncio.sleep(0.02)
            while not await client.exists(keys.rates):
                assert not running.done()
                await asyncio.sleep(0.02)
        # What could not be said while Redis was full is part of what is said now.
        assert sum(one.delivered for one in await Rates(client, keys).read()) == 50
    finally:
        await client.config_set("maxmemory", "0")
        keeper.drain()
        await running
        archive.close()
        await blocking.aclose()
