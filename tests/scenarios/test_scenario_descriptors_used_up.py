"""No file descriptor is left: the message is not lost and not stuck, and it goes out when there is one."""

import errno
import socket

import pytest

from tests.scenarios.conftest import SOON, World


async def test_it_goes_out_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.peer()
    original, left = socket.socket, [1]

    class Scarce(original):
        def __init__(self, *arguments, **options):
            if left and arguments[:1] == (socket.AF_INET,) and "fileno" not in options:
                left.pop()
                raise OSError(errno.EMFILE, "Too many open files")
            super().__init__(*arguments, **options)

    await world.put("jo@example.net")
    monkeypatch.setattr(socket, "socket", Scarce)
    await world.start(schedule=SOON)
    await world.events(1, "delivered", seconds=3.0)
