"""Programs of unpacked Debian packages, started as if they were installed: in a mount namespace of their own.

There the users they need exist, their folders lie where they were built to look, and the only name server is loopback,
where nobody answers: no look-up leaves the machine. Needs root; nothing of the machine itself is changed.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.packages import Unavailable, debian, libraries

USERS = {"Debian-exim": 60010, "opensmtpd": 60011, "opensmtpq": 60012}


def root(*packages: str) -> Path:
    """Return the folder of these packages' files; skip the test where there can be none."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("users and folders of another server need root and unshare")
    try:
        return debian(*packages)
    except Unavailable as error:
        pytest.skip(str(error))


@contextmanager
def running(unpacked: Path, folder: Path, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command that sees the packages' files in /usr, /etc and /var; what it writes there goes with it."""
    over = folder / "over"
    for part in ("usr", "etc", "var", "lay"):
        (over / part).mkdir(parents=True)
    for name, line in (("passwd", "{0}:x:{1}:{1}::/nonexistent:/bin/false\n"), ("group", "{0}:x:{1}:\n")):
        lines = [line.format(user, number) for user, number in USERS.items()]
        (over / "etc" / name).write_text(Path("/etc", name).read_text() + "".join(lines))
    resolv = folder / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    script = ["set -e", "mount --make-rprivate /", f"mount -t tmpfs tmpfs {over}/lay"]
    for part in ("usr", "etc", "var"):
        lower = ":".join(str(path) for path in (over / part, unpacked / part) if path.exists())
        up, work = f"{over}/lay/{part}", f"{over}/lay/{part}.work"
        script.append(f"mkdir {up} {work}")
        script.append(f"mount -t overlay o -o lowerdir={lower}:/{part},upperdir={up},workdir={work} /{part}")
    # In a container this file is a mount of its own, which the layer below does not hide.
    script.append(f"touch /etc/resolv.conf; mount --bind {resolv} /etc/resolv.conf")
    script.append('exec "$@"')
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", "\n".join(script), "sh", *command],
            env=libraries(unpacked), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder that servers may enter when they have left root."""
    with tempfile.TemporaryDirectory(prefix="mta-interop-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
