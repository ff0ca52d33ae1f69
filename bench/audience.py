"""People who have been sent a campaign: whose bounces, opens and clicks can come."""

import asyncio
import time
from pathlib import Path
from typing import Any

from bench.load import connect, entry
from bench.rig import Rig
from mta.archive.archive import Archive
from mta.message import MessageId

PER_ENTRY = 1000
SENT_SECONDS = 120.0
CAMPAIGN = {"id": "spring", "list": "customers", "from": "News <news@t0.example>", "subject": "Hi"}


def audience(rig: Rig, people: int, content: dict[str, Any]) -> list[MessageId]:
    """Send a campaign of tenant t0 with this content to so many people; return their messages when all have it.

    Raises TimeoutError, and LookupError when the archive does not know them.
    """
    asyncio.run(_sent(rig.redis_url, people, CAMPAIGN | content))
    return _ids(rig.state / "archive", people)


async def _sent(url: str, people: int, document: dict[str, Any]) -> None:
    redis = connect(url)
    await redis.xadd("mta:submit:bulk", entry("campaign", "t0", "c", document))
    rows = [[f"u{number}@d{number % 50}.example.test"] for number in range(people)]
    for start in range(0, people, PER_ENTRY):
        part = rows[start : start + PER_ENTRY]
        last = start + PER_ENTRY >= people
        given = {"campaign": document["id"], "columns": ["email"], "rows": part, "last": last}
        await redis.xadd("mta:submit:bulk", entry("recipients", "t0", f"r{start}", given))
    ends = time.monotonic() + SENT_SECONDS
    while time.monotonic() < ends:
        if int(await redis.hget(f"mta:progress:t0:{document['id']}", "delivered") or 0) == people:
            await redis.aclose()
            return
        await asyncio.sleep(0.05)
    raise TimeoutError("the campaign was not delivered")


def _ids(folder: Path, people: int) -> list[MessageId]:
    """Return the messages of the campaign, as the archive names them; the campaign's own entry has none."""
    wanted = -(-people // PER_ENTRY)
    archive = Archive(folder)
    try:
        for _ in range(100):  # the keeper is a moment behind
            first = (MessageId(0, number, 0) for number in range(1, wanted + 20))
            entries = [one.entry for one in first if archive.recipient(one) is not None]
            if len(entries) == wanted:
                return [MessageId(0, entries[n // PER_ENTRY], n % PER_ENTRY) for n in range(people)]
            time.sleep(0.1)
    finally:
        archive.close()
    raise LookupError("the archive has no recipients")
