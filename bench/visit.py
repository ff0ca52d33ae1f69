"""How long a receiver takes for one message when nobody else is there: its own share of any latency."""

import asyncio
import time

_ENVELOPE = b"MAIL FROM:<visit@example.test>\r\nRCPT TO:<visit@visit.example.test>\r\nDATA\r\n"
_MESSAGE = b"Subject: visit\r\nMessage-ID: <visit@example.test>\r\n\r\nhello\r\n.\r\n"


async def visit(host: str, port: int, times: int = 3) -> dict[str, float]:
    """Return the shortest seconds of a message on a `new` connection, and on an `open` one; commands are pipelined.

    Raises RuntimeError when the receiver says no, OSError when it is not there.
    """
    fresh: list[float] = []
    further: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection(host, port)
        try:
            await _reply(reader, 220)
            writer.write(b"EHLO bench.example.test\r\n")
            await _reply(reader, 250)
            await _send(reader, writer)
            fresh.append(time.perf_counter() - began)
            began = time.perf_counter()
            await _send(reader, writer)
            further.append(time.perf_counter() - began)
        finally:
            writer.close()
    return {"new": min(fresh), "open": min(further)}


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_ENVELOPE)
    for code in (250, 250, 354):
        await _reply(reader, code)
    writer.write(_MESSAGE)
    await _reply(reader, 250)


async def _reply(reader: asyncio.StreamReader, code: int) -> None:
    while True:
        line = await reader.readline()
        if line[:3] != b"%d" % code:
            raise RuntimeError(f"the receiver said {line[:80]!r} where {code} was expected")
        if line[3:4] != b"-":
            return
