"""What systemd passes to a process: sockets that are open already, and credentials only it can read."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mta.config.settings import Settings
from mta.daemon import credentials, listening

ACTIVATE = shutil.which("systemd-socket-activate")
TELL = """
import json, sys
from mta.daemon import listening
one = listening.sockets("web")
again = listening.sockets("web")
import os
left = [name for name in os.environ if name.startswith("LISTEN")]
wire, _ = one[0].accept() if not one[0].setblocking(True) else (None, None)
wire.sendall(json.dumps([len(one), len(again), left, len(listening.sockets("inbound"))]).encode())
"""


def test_sockets_of_another_process_are_not_ours() -> None:
    assert listening.received({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, 2) == {}
    assert listening.received({}, 2) == {}
    assert listening.received({"LISTEN_PID": "2", "LISTEN_FDS": "0"}, 2) == {}


@pytest.mark.parametrize("count", ["x", "-1", "65"])
def test_a_number_no_systemd_sends(count: str) -> None:
    with pytest.raises(ValueError, match="LISTEN_FDS"):
        listening.received({"LISTEN_PID": "2", "LISTEN_FDS": count}, 2)


def test_sockets_go_by_the_name_of_their_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    first = 700  # far from what this process has open
    monkeypatch.setattr(listening, "FIRST", first)
    with socket.socket() as one:
        for number in range(3):
            os.dup2(one.fileno(), first + number, inheritable=True)
    environ = {"LISTEN_PID": "7", "LISTEN_FDS": "3", "LISTEN_FDNAMES": "web:inbound:web"}
    found = listening.received(environ, 7)
    assert {name: len(wires) for name, wires in found.items()} == {"web": 2, "inbound": 1}
    for wires in found.values():
        for wire in wires:
            assert not wire.get_inheritable()
            wire.close()
    listening.forget(environ)
    assert environ == {}


@pytest.mark.system
@pytest.mark.skipif(ACTIVATE is None, reason="systemd-socket-activate is missing (Debian package systemd)")
def test_a_socket_of_systemd_s_own_tool() -> None:
    assert ACTIVATE
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [ACTIVATE, "-l", f"127.0.0.1:{port}", "--fdname=web", sys.executable, "-c", TELL]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        ends = time.monotonic() + 30
        while True:
            try:
                wire = socket.create_connection(("127.0.0.1", port), timeout=20)
                break
            except ConnectionRefusedError:
                assert time.monotonic() < ends
                time.sleep(0.05)
        with wire:
            said = b""
            while more := wire.recv(4096):
                said += more
        assert json.loads(said) == [1, 1, [], 0]
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0, errors
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_without_credentials_nothing_changes() -> None:
    settings = Settings()
    assert credentials.applied(settings, {}) is settings


def test_credentials_go_before_settings(tmp_path: Path) -> None:
    given, runtime = tmp_path / "credentials", tmp_path / "run"
    given.mkdir()
    runtime.mkdir()
    environ = {"CREDENTIALS_DIRECTORY": str(given), "RUNTIME_DIRECTORY": f"{runtime}:/elsewhere"}
    assert credentials.applied(Settings(), environ) == Settings()
    for name in (
        "mta.redis-password",
        "mta.tracking",
        "mta.dkim_acme.example_s_1.pem",
        "mta.dkim_b.example_k.pem",
    ):
        (given / name).write_text(name)
    settings = credentials.applied(Settings(), environ)
    assert settings.redis.password_file == str(given / "mta.redis-password")
    assert settings.tracking_keys == given / "mta.tracking"
    assert (settings.dkim_keys / "acme.example" / "s_1.pem").read_text() == "mta.dkim_acme.example_s_1.pem"
    assert (settings.dkim_keys / "b.example" / "k.pem").read_text() == "mta.dkim_b.example_k.pem"
    # Again, as every role does at its start and at each reload.
    (given / "mta.dkim_b.example_k.pem").write_text("new")
    assert credentials.applied(Settings(), environ) == settings
    assert (settings.dkim_keys / "b.example" / "k.pem").read_text() == "new"
