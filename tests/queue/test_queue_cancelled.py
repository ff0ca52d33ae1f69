"""A task that is cancelled in the middle of a call ends, whatever the call was about to do; a call has its time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mta.queue import link
from mta.queue.link import QueueDown, Server, connect

TURNS = 40  # of the event loop, more than a call takes


async def one(client: Any) -> None:
    await client.get("nothing")


async def several(client: Any) -> None:
    await client.pipeline(transaction=False).get("nothing").get("nobody").execute()


@pytest.mark.parametrize("call", [one, several])
@pytest.mark.parametrize("blocking", [False, True])
async def test_a_cancellation_is_never_forgotten(
    redis_url: str, call: Callable[[Any], Awaitable[None]], blocking: bool
) -> None:
    client = connect(Server(redis_url), blocking=blocking)

    async def for_ever() -> None:
        while True:
            await call(client)

    for turns in range(TURNS):
        task = asyncio.create_task(for_ever())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        # Turn by turn, each has had its chance to be the one that a send or a read ends in.
        done, _ = await asyncio.wait([task], timeout=5)
        if not done:
            task.cancel()
            pytest.fail(f"cancelled after {turns} turns of the loop, and it went on")
        assert task.cancelled()
    await client.aclose()


async def test_a_server_that_never_answers_is_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = await reader.read(65536)
        while greeting:  # only what every connection begins with is answered
            writer.write(b"+OK\r\n" * greeting.count(b"CLIENT"))
            greeting = await reader.read(65536)
        writer.close()

    monkeypatch.setattr(link._Client, "seconds", 0.2)
    path = tmp_path / "s"
    server = await asyncio.start_unix_server(silent, path)
    client = connect(Server(f"unix://{path}"))
    for call in (one, several):
        with pytest.raises(QueueDown):
            await call(client)
    await client.aclose()
    server.close()
