"""What web tiers in other languages submit is delivered, and they read that it was."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.rig import free_port

PRODUCERS = Path(__file__).resolve().parents[2] / "docs" / "producers"


def deliver(engine: Callable[..., Any], command: list[str], folder: Path) -> None:
    """Run a producer against a whole engine; both of its people get their mail, and it is told so."""
    port = free_port()
    running = engine(settings={"redis": {"port": port}}, signed=False)
    environment = {**os.environ, "REDIS_URL": f"redis://127.0.0.1:{port}"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    delivered = {event["rcpt"]: event["ref"] for event in running.until(2, "delivered")}
    assert delivered == {"bob@example.org": "u-1", "eve@example.net": "u-2"}
    told = [line.split() for line in done.stdout.splitlines()]
    assert ["delivered", "bob@example.org"] in told
    assert ["delivered", "eve@example.net"] in told
    assert running.rig.received()["messages"] == 2


def test_python(engine: Callable[..., Any], tmp_path: Path) -> None:
    deliver(engine, [sys.executable, str(PRODUCERS / "producer.py")], tmp_path)


@pytest.mark.system
def test_php(engine: Callable[..., Any], tmp_path: Path) -> None:
    if (
        not shutil.which("php")
        or b"redis" not in subprocess.run(["php", "-m"], capture_output=True, check=True).stdout
    ):
        pytest.skip("php with its redis extension is missing: apt-get install php-cli php-redis")
    deliver(engine, ["php", str(PRODUCERS / "producer.php")], tmp_path)


@pytest.mark.system
@pytest.mark.timeout(180)
def test_node(engine: Callable[..., Any], tmp_path: Path) -> None:
    if not shutil.which("npm"):
        pytest.skip("node and npm are missing: apt-get install nodejs npm")
    for name in ("producer.mjs", "package.json"):
        shutil.copy(PRODUCERS / name, tmp_path)
    command = ["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--fetch-retries=0"]
    installed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)
    if installed.returncode:
        pytest.skip(f"npm can't install the package redis: {installed.stderr.strip()[-200:]}")
    deliver(engine, ["node", "producer.mjs"], tmp_path)
