"""Starting and stopping: one clear line and the right exit code, or nothing left behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.rig import free_port
from mta.queue import embedded


def mta(folder: Path, config: str, *more: str, seconds: float = 30.0) -> subprocess.CompletedProcess[str]:
    """Run `mta run` with this configuration until it ends."""
    (folder / "mta.toml").write_text(config)
    command = [sys.executable, "-m", "mta", "run", "-c", str(folder / "mta.toml"), *more]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MTA_")}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=seconds, check=False, cwd=folder, env=environment
    )


def quiet(folder: Path, **tables: str) -> str:
    """A configuration on free ports."""
    lines = {
        "paths": f'state = "{folder / "state"}"',
        "inbound": f'listen = "127.0.0.1:{free_port()}"',
        "web": f'listen = "127.0.0.1:{free_port()}"',
        "metrics": f'listen = "127.0.0.1:{free_port()}"',
        "workers": "count = 1",
    } | tables
    return "\n".join(f"[{name}]\n{line}" for name, line in lines.items())


def one_line(ended: subprocess.CompletedProcess[str]) -> str:
    """What it said, without a traceback."""
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.stderr.strip()


def test_an_unknown_setting_names_file_key_and_the_nearest(tmp_path: Path) -> None:
    ended = mta(tmp_path, "[redis]\nurll = 'x'\n")
    said = one_line(ended)
    assert ended.returncode == 78
    assert "mta.toml" in said
    assert "urll" in said
    assert "redis.url" in said


def test_an_unreachable_redis(tmp_path: Path) -> None:
    ended = mta(tmp_path, quiet(tmp_path, redis=f'url = "redis://127.0.0.1:{free_port()}/0"'))
    assert ended.returncode == 69
    assert "can't be reached" in one_line(ended) or "does not answer" in one_line(ended)


def test_an_unsafe_redis_is_refused_by_the_faults_name(tmp_path: Path) -> None:
    path = tmp_path / "r.sock"
    server = subprocess.Popen(
        [embedded.find_binary(), "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no",
         "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not path.exists():
            time.sleep(0.01)
        ended = mta(tmp_path, quiet(tmp_path, redis=f'url = "unix://{path}"'))
    finally:
        server.terminate()
        server.wait()
    said = one_line(ended)
    assert ended.returncode == 69
    assert "append-only file is off" in said
    assert "allkeys-lru" in said


@pytest.mark.parametrize("setting", ["inbound", "web", "metrics"])
def test_a_taken_port(tmp_path: Path, setting: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        ended = mta(tmp_path, quiet(tmp_path, **{setting: f'listen = "127.0.0.1:{port}"'}))
    assert ended.returncode == 69
    assert f"{setting}.listen 127.0.0.1:{port} can't be used" in one_line(ended)


def test_a_role_without_an_engine(tmp_path: Path) -> None:
    ended = mta(tmp_path, quiet(tmp_path), "--role", "worker", "--name", "w1")
    assert ended.returncode == 69
    assert "no engine runs" in one_line(ended)


def test_a_second_engine_on_the_same_state_is_refused(engine: Callable[..., Any]) -> None:
    running = engine()
    folder = running.rig.root
    ended = mta(folder, (folder / "mta.toml").read_text())
    assert ended.returncode == 69
    assert "another engine" in one_line(ended)


def test_term_drains_and_leaves_no_process_and_no_socket(engine: Callable[..., Any]) -> None:
    running = engine(sink=("--dot-delay-ms", "300"), signed=False)
    running.campaign([[f"u{n}@d1.example.test"] for n in range(30)], ["email"])
    running.until(3, "delivered")
    tree = psutil.Process(running.rig.engine.pid).children(recursive=True)
    assert running.rig.stop_engine() == 0
    _, alive = psutil.wait_procs(tree, timeout=3)
    assert alive == []
    received = running.rig.received()
    assert received["dots_lost"] == 0, "transactions under way were finished"
    running.rig.start_engine()
    running.until(30, "delivered")
    assert running.rig.received()["duplicates"] == 0


def test_a_second_term_exits_at_once_and_loses_nothing(engine: Callable[..., Any]) -> None:
    running = engine(sink=("--dot-delay-ms", "3000"), signed=False)
    running.campaign([[f"u{n}@d1.example.test"] for n in range(5)], ["email"])
    while not running.rig.received()["dots_open"]:
        time.sleep(0.05)
    process = running.rig.engine
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    assert time.monotonic() - began < 2.5
    running.rig.start_engine()
    running.until(5, "delivered")


def test_hup_with_a_bad_file_changes_nothing(engine: Callable[..., Any]) -> None:
    running = engine(signed=False)
    path = running.rig.root / "mta.toml"
    path.write_text(path.read_text() + "\n[nonsense]\nx = 1\n")
    running.rig.engine.send_signal(signal.SIGHUP)
    running.campaign([["jo@d1.example.test"]], ["email"])
    running.until(1, "delivered")
    assert "the new configuration is not used" in running.rig.log_tail()


def test_a_single_role_joins_a_running_engine_and_takes_its_share(engine: Callable[..., Any]) -> None:
    running = engine(signed=False, sink=("--dot-delay-ms", "100"), settings={"limits": {"connections": 2}})
    config = str(running.rig.root / "mta.toml")
    joined = subprocess.Popen(
        [sys.executable, "-m", "mta", "run", "-c", config, "--role", "worker", "--name", "guest"],
        stderr=subprocess.PIPE, cwd=running.rig.root,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        journals = running.rig.state / "journal"
        while not list(journals.glob("*.guest")):
            assert time.monotonic() < deadline, "the guest did not come up"
            time.sleep(0.05)
        running.campaign([[f"u{n}@d{n % 20}.example.test"] for n in range(200)], ["email"])
        delivered = running.until(200, "delivered")
        assert len({event["rcpt"] for event in delivered}) == 200
    finally:
        joined.send_signal(signal.SIGTERM)
        _, said = joined.communicate(timeout=20)
    assert joined.returncode == 0, said


def test_opens_clicks_and_unsubscribes_come_back_by_http(engine: Callable[..., Any]) -> None:
    from mta.demo.readers import Readers

    running = engine(capture=True, settings={"tenants": {"bounce_domain": "b.t0.example"}})
    running.campaign(
        [["jo@d1.example.test"]], ["email"], html="<a href='https://x.example/a?b=1&amp;c=2'>x</a>"
    )
    raw = running.captured(1)

    async def read() -> Any:
        readers = Readers("127.0.0.1", running.rig.web_port, open_share=1, click_share=1, unsubscribe_share=1)
        return await readers.read(raw)

    reading = asyncio.run(read())
    assert (reading.opened, reading.clicked, reading.unsubscribed, reading.faults) == (1, 1, 1, {})
    clicked = running.until(1, "clicked")[0]
    assert clicked["url"] == "https://x.example/a?b=1&c=2"
    assert running.until(1, "opened")[0]["rcpt"] == "jo@d1.example.test"
    assert running.until(1, "unsubscribed")[0]["list"] == "customers"
    running.campaign([["jo@d1.example.test"]], ["email"], id="autumn")
    assert running.until(1, "suppressed")[0]["list"] == "customers"
