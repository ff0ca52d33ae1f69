"""`bench.hits` against a small server whose pace is known."""

import asyncio
from contextlib import suppress

from bench.hits import Crowd

BODY = b"x" * 43
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n" + BODY


async def serve(asked: list[bytes], *, slow_first: float = 0.0) -> asyncio.Server:
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

    return await asyncio.start_server(answer, "127.0.0.1", 0)


async def test_every_hit_is_counted_with_its_status_and_its_path() -> None:
    asked: list[bytes] = []
    server = await serve(asked)
    crowd = Crowd(["/a", "/b"], 0.0, 0.2)
    found = await crowd.run(server.sockets[0].getsockname()[1], 3)
    server.close()
    assert found["hits"] == len(asked) == found["statuses"][200]
    assert set(asked) == {b"/a", b"/b"}


async def test_a_stall_is_late_for_all_that_were_due_meanwhile() -> None:
    asked: list[bytes] = []
    server = await serve(asked, slow_first=0.3)
    found = await Crowd(["/a"], 100.0, 0.4).run(server.sockets[0].getsockname()[1], 1)
    server.close()
    assert found["hits"] == len(asked)
    assert found["ms"]["p50"] > 20, "one connection: what was due behind the first waited for it"
