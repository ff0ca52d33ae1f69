"""The demo, in small: everything it checks of itself holds, and nothing is left running."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from bench.nodes import Nodes


@pytest.mark.timeout(120)
def test_the_demo_holds_and_leaves_nothing_running() -> None:
    held()


@pytest.mark.timeout(120)
def test_the_demo_holds_on_a_cluster() -> None:
    with Nodes(replicas=0) as nodes:
        held("--redis", nodes.url)
        again = demo("--redis", nodes.url)
        said, _ = again.communicate(timeout=60)
        assert again.returncode == 1
        assert "holds an engine's queue" in said, "a queue that may be somebody's is left alone"


def demo(*words: str, **more: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "mta", "demo", "--recipients", "400", "--rate", "25/s", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "COLUMNS": "140", **more},
    )  # fmt: skip


def held(*words: str) -> None:
    """Run the demo to its end, and hold it to what it says and to what it leaves."""
    tmp_path = Path(tempfile.mkdtemp(prefix="mta-t"))  # a unix socket's path is short
    before = {process.pid for process in psutil.process_iter()}
    running = demo(*words, TMPDIR=str(tmp_path))
    said, _ = running.communicate(timeout=110)
    assert running.returncode == 0, said
    assert "All of it holds." in said
    assert "rsa-sha256: pass" in said
    assert "ed25519-sha256: pass" in said
    left = [
        process for process in psutil.process_iter(["pid", "cmdline"])
        if process.pid not in before and str(tmp_path) in " ".join(process.info["cmdline"] or ())
    ]  # fmt: skip
    assert left == []
    assert list(tmp_path.glob("mta-demo-*")) == []
    tmp_path.rmdir()
