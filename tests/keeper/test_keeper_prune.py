"""A campaign that is past its time goes from Redis, unless it still has mail."""

import time
from pathlib import Path

from mta.archive.archive import Archive
from mta.keeper.keeper import Doors, Keeper, Settings
from mta.message import Class
from mta.queue.campaigns import Campaign, Campaigns
from mta.queue.control import Control
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.progress import Progress
from mta.queue.terms import Terms, TermsBook
from mta.queue.upkeep import Upkeep

DAY = 86_400_000


async def test_old_campaigns_without_mail_are_forgotten(client: Client, keys: Keys, tmp_path: Path) -> None:
    campaigns, terms, archive = Campaigns(client, keys), TermsBook(client, keys), Archive(tmp_path)
    now = int(time.time() * 1000)
    for name, age, delivered in (("old", 40, 5), ("waiting", 40, 4), ("young", 2, 5)):
        await campaigns.define(
            Campaign("acme", name, Class.BULK, b"{}", b"", b"d", now - age * DAY, started=True)
        )
        await terms.set(f"c|acme|{name}", Terms(weight=3))
        await client.hset(f"mta:{{0}}:count:acme|{name}", mapping={"accepted": 5, "delivered": delivered})
        await client.hset(keys.progress("acme", name), mapping={"accepted": 5})
    doors = Doors(
        Upkeep(client, keys), Progress(client, keys), campaigns, Control(client, keys), archive, terms
    )
    await Keeper(Settings(keys, keep_entries_s=30 * 86400), doors).prune()
    assert sorted(await campaigns.list()) == [("acme", "waiting"), ("acme", "young")]
    left = [key.decode() async for key in client.scan_iter("mta:*")]
    assert not any("old" in key for key in left)
    assert await client.hkeys("mta:{0}:scopes") == [b"c|acme|waiting", b"c|acme|young"]
    archive.close()
