"""The demo, in small: everything it checks of itself holds, and nothing is left running."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest


@pytest.mark.timeout(120)
def test_the_demo_holds_and_leaves_nothing_running() -> None:
    tmp_path = Path(tempfile.mkdtemp(prefix="mta-t"))  # a unix socket's path is short
    before = {process.pid for process in psutil.process_iter()}
    environment = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "140"}
    demo = subprocess.Popen(
        [sys.executable, "-m", "mta", "demo", "--recipients", "400", "--rate", "25/s"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
    )  # fmt: skip
    said, _ = demo.communicate(timeout=110)
    assert demo.returncode == 0, said
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
