"""Streams rewritten: entries keep their ids, groups what they have read, and some fields say something else.

Redis has no command for it, and a deleted entry's bytes stay in memory and in the append-only file as long as its
neighbours do. So a copy is made beside the stream and takes its place in one step; a crash before leaves the stream
as it was, and a copy that ends by itself.
"""

from collections.abc import Callable
from typing import Final

from mta.queue import scripts
from mta.queue.link import Client

PAGE: Final = 500  # entries read at once
COPY_SECONDS: Final = 600  # a copy that nobody goes on with is gone after this
TRIES: Final = 20  # times that new entries may come faster than they are copied
Flat = list[bytes]
Change = Callable[[Flat], Flat | None]
"""Returns other fields for an entry, the same list as it stands, None for an entry that goes."""


class Busy(RuntimeError):
    """More came into the stream than could be copied."""


async def rewrite(client: Client, stream: str, change: Change) -> int:
    """Rewrite a stream; return how many entries changed or went, 0 when it was left alone.

    Raises Busy, QueueFull (there must be room for the copy) and QueueDown; the stream then is as it was.
    """
    if not await _meant(client, stream, change):
        return 0
    # Beside the stream in the same cluster slot: of its own hash tag, or the whole name as one.
    copy = f"{stream}:copy" if "{" in stream else f"{{{stream}}}:copy"
    await client.delete(copy)
    changed, last = 0, ""
    try:
        for _ in range(TRIES):
            count, last = await _copied(client, stream, copy, change, last)
            changed += count
            if await scripts.run(client, "rebuild", stream, [copy, last]):
                return changed
    except BaseException:
        await client.delete(copy)
        raise
    await client.delete(copy)
    raise Busy(f"{stream} grows faster than it can be copied; try again when less comes in")


async def _meant(client: Client, stream: str, change: Change) -> bool:
    last = ""
    while page := await _page(client, stream, last):
        if any(change(flat) is not flat for _, flat in page):
            return True
        last = page[-1][0].decode()
    return False


async def _copied(client: Client, stream: str, copy: str, change: Change, last: str) -> tuple[int, str]:
    changed = 0
    while page := await _page(client, stream, last):
        pipe = client.pipeline(transaction=False)
        for entry_id, flat in page:
            new = change(flat)
            changed += new is not flat
            if new is not None:
                pipe.execute_command("XADD", copy, entry_id, *new)
        pipe.expire(copy, COPY_SECONDS)
        await pipe.execute()
        last = page[-1][0].decode()
        if len(page) < PAGE:
            break  # the step that puts the copy in place takes what has come since
    return changed, last


async def _page(client: Client, stream: str, last: str) -> list[tuple[bytes, Flat]]:
    # A name in bytes has no parser in redis-py: the fields come as they are.
    start = f"({last}" if last else "-"
    found: list[tuple[bytes, Flat]] = await client.execute_command(
        b"XRANGE", stream, start, "+", "COUNT", PAGE
    )
    return found
