"""A container whose init is a real systemd, made of this machine's files."""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 40.0
WRAPPER = """#!/bin/sh
export PYTHONHOME=/opt/python PYTHONPATH=/opt/source:/opt/site PYTHONDONTWRITEBYTECODE=1
export LD_LIBRARY_PATH=/opt/python/lib
exec /opt/python/bin/python3 -m mta "$@"
"""


def why_not() -> str:
    """Return what is missing here for a container, empty when all is there."""
    if os.geteuid() != 0:
        return "needs root"
    if not Path("/usr/lib/systemd/systemd").exists():
        return "needs Debian package systemd"
    if not all(map(shutil.which, ("unshare", "nsenter", "pivot_root"))):
        return "needs Debian package util-linux"
    if cgroups() is None:
        return "no cgroup2 file system that can be written"
    probe = ["unshare", "--mount", "--pid", "--cgroup", "--net", "--fork", "sh", "-c"]
    overlay = "mkdir $0/u $0/w && mount -t tmpfs x $0 && mkdir $0/u $0/w $0/r && "
    overlay += "mount -t overlay x -o lowerdir=/,upperdir=$0/u,workdir=$0/w $0/r"
    folder = Path("/tmp") / f"mta-probe-{os.getpid()}"
    folder.mkdir()
    try:
        done = subprocess.run([*probe, overlay, str(folder)], capture_output=True, check=False)
    finally:
        shutil.rmtree(folder)
    return "" if done.returncode == 0 else "this machine allows no container with an overlay"


def cgroups() -> Path | None:
    """Return where the cgroup2 tree is, if groups can be made in it."""
    for path in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if (path / "cgroup.subtree_control").exists() and os.access(path, os.W_OK):
            return path
    return None


class Machine:
    """A running systemd, and commands in its namespaces."""

    def __init__(self, init: int) -> None:
        self.init = init

    def run(self, *words: str, check: bool = True) -> str:
        """Run a command inside; return what it says."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.init), "-a", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
        if check and done.returncode:
            raise AssertionError(f"{words}: {done.stdout}{done.stderr}\n{self.journal()}")
        return done.stdout

    def journal(self) -> str:
        shown = "systemctl status --no-pager 'mta*'; tail -n 40 /run/mta*.log; cat /run/redis*.log"
        return self.run("sh", "-c", shown, check=False)

    def show(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "-P", name, unit).strip()

    def until(self, what: Callable[[], bool]) -> None:
        """Poll until it holds."""
        ends = time.monotonic() + WAIT_SECONDS
        while not what():
            assert time.monotonic() < ends, (
                self.run("systemctl", "status", "mta*", check=False) + self.journal()
            )
            time.sleep(0.1)

    def fetch(self, address: str) -> str:
        """Return what an address inside serves."""
        asked = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=20).read().decode())"
        return self.run(*PYTHON, asked, address)


PYTHON = ["env", "PYTHONHOME=/opt/python", "/opt/python/bin/python3", "-B", "-c"]


@contextmanager
def booted(at: Path, prepare: str, *files: Path) -> Iterator[Machine]:
    """Boot a container that lives in directory `at`; the script `prepare` runs in its root before systemd does.

    `files` lie in its /run.
    """
    (at / "box").mkdir()
    (at / "mta").write_text(WRAPPER)
    (at / "mta").chmod(0o755)
    (at / "files").mkdir()
    (at / "files/prepare").write_text(prepare)
    for file in files:
        shutil.copy(file, at / "files")
    tree = cgroups()
    assert tree is not None
    group = tree / f"mta-test-{os.getpid()}"
    group.mkdir()
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SOURCE": str(ROOT), "BASE_PYTHON": sys.base_prefix}
    environ["SITE_PACKAGES"] = sysconfig.get_path("purelib")
    words = ["unshare", "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--net", "--fork", "--kill-child"]
    # A group of its own first: the container's root is where its first process is.
    words += [str(ROOT / "tests/systemd/container"), str(at)]
    join = f"echo $$ > {group}/cgroup.procs && exec {' '.join(words)}"
    with (at / "log").open("wb") as log:
        outer = subprocess.Popen(
            ["sh", "-c", join], env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield Machine(_init(outer, at))
    finally:
        outer.kill()
        outer.wait()
        _remove(group)


def _init(outer: "subprocess.Popen[bytes]", at: Path) -> int:
    """Wait until the container's systemd takes orders; return its pid."""
    ends = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < ends:
        assert outer.poll() is None, (at / "log").read_text()
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        if children and Path(f"/proc/{children[0]}/root/run/systemd/private").exists():
            return int(children[0])
        time.sleep(0.05)
    raise AssertionError((at / "log").read_text())


def _remove(group: Path) -> None:
    """Remove a tree of control groups, when its processes have gone."""
    ends = time.monotonic() + 10
    while group.exists():
        try:
            for path in sorted((one for one in group.rglob("*") if one.is_dir()), reverse=True):
                path.rmdir()
            group.rmdir()
        except OSError:
            assert time.monotonic() < ends
            time.sleep(0.1)
