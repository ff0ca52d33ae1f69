"""The append-only file, written anew: until then it still tells what was deleted or rewritten since it began."""

import asyncio
import time
from typing import Final

from redis.exceptions import ResponseError

from mta.queue.link import Client
from mta.queue.nodes import each

LOOK: Final = 0.2  # seconds between two looks at a rewrite under way


async def compact(client: Client, patience: float) -> list[str]:
    """Have every node write its append-only file anew; return what did not, in words. `patience` in seconds each.

    Raises QueueDown.
    """
    faults = []
    for number, node in enumerate(await each(client), 1):
        fault = await _compacted(node, time.monotonic() + patience)
        if fault:
            faults.append(f"the append-only file of Redis node {number}: {fault}")
    return faults


async def _compacted(node: Client, until: float) -> str:
    facts = await node.info("persistence")
    if not int(facts.get("aof_enabled", 0)):
        return ""
    if await _rewriting(node, until):  # one that began earlier holds what stood there then
        return "another rewrite did not end; run BGREWRITEAOF when it has"
    try:
        await node.execute_command("BGREWRITEAOF")
    except ResponseError as error:
        return f"{error}; run BGREWRITEAOF"
    if await _rewriting(node, until):
        return "its rewrite goes on; look at INFO persistence"
    status = (await node.info("persistence")).get("aof_last_bgrewrite_status")
    return "" if status == "ok" else "its rewrite failed; see the server's log, then run BGREWRITEAOF"


async def _rewriting(node: Client, until: float) -> bool:
    while True:
        facts = await node.info("persistence")
        if not int(facts.get("aof_rewrite_in_progress", 0)) and not int(
            facts.get("aof_rewrite_scheduled", 0)
        ):
            return False
        if time.monotonic() > until:
            return True
        await asyncio.sleep(LOOK)
