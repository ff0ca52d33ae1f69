"""Packing by hiredis gives the bytes that redis-py's own packing gives."""

import pytest
from redis.asyncio.connection import Connection

from mta.queue.wire import packed


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "käse"),
        ("CONFIG GET", "appendfsync"),
        (b"XREADGROUP", "GROUP", b"\x00\xff", 10, 2.5),
        ("SET", b"", "x" * 100_000),
        ("XINFO STREAM", "mta:submit:bulk"),
    ],
)
def test_the_bytes_are_those_of_the_library(command: tuple[str | bytes | int | float, ...]) -> None:
    plain, fast = Connection(), packed(Connection)()
    assert b"".join(fast.pack_command(*command)) == b"".join(plain.pack_command(*command))
