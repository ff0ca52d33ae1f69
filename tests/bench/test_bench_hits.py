"""`bench.hits` against a small server whose pace is known."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bench.hits import Crowd

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n" + b"x" * 43


@asynccontextmanager
async def served(asked: list[bytes], *, slow_first: float = 0.0) -> AsyncIterator[int]:
    """A server's port; `asked` gets the path of each request."""
    under_way: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                asked.append(head.split(b" ")[1])
                if slow_first and len(asked) == 1:
                    await asyncio.sleep(slow_first)
                # In two pieces: a reply need not come at once.
                writer.write(REPLY[:20])
                await asyncio.sleep(0)
                writer.write(REPLY[20:])
        writer.close()
        await writer.wait_closed()

    def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way.add(asyncio.ensure_future(answer(reader, writer)))

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.gather(*under_way)


async def test_every_hit_is_counted_with_its_status_and_its_path() -> None:
    asked: list[bytes] = []
    async with served(asked) as port:
        found = await Crowd(["/a", "/b"], 0.0, 0.2).run(port, 3)
    assert found["hits"] == len(asked) == found["statuses"][200]
    assert set(asked) == {b"/a", b"/b"}


async def test_a_stall_is_late_for_all_that_were_due_meanwhile() -> None:
    asked: list[bytes] = []
    async with served(asked, slow_first=0.3) as port:
        found = await Crowd(["/a"], 100.0, 0.4).run(port, 1)
    assert found["hits"] == len(asked)
    assert found["ms"]["p50"] > 20, "one connection: what was due behind the first waited for it"
