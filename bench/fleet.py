"""The processes of a running engine, found by the names they carry, for benches that end some of them."""

import os
import signal
import socket
import time
from dataclasses import dataclass

import psutil

ROLES = ("worker", "courier", "ingest", "express", "keeper")


@dataclass(frozen=True, slots=True)
class Victim:
    """One process of the engine: its role's name (worker1, ingest1, redis), its pid and its age in seconds."""

    name: str
    pid: int
    age: float

    @property
    def role(self) -> str:
        """The name without its number."""
        return self.name.rstrip("0123456789")

    @property
    def lease(self) -> str:
        """The name under which a worker takes mail: hosts may share a queue."""
        return f"{socket.gethostname()}.{self.name}"

    def send(self, number: int) -> bool:
        """Send a signal; False when the process has ended by itself."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> bool:
        """End it as a power cut would; False when it was gone."""
        return self.send(signal.SIGKILL)


def fleet(root: int) -> list[Victim]:
    """Return what runs below the supervisor `root` and can be ended: roles with a number, and the embedded server."""
    found = []
    for process in psutil.Process(root).children(recursive=True):
        try:
            name, age = process.name(), time.time() - process.create_time()
            ended = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
        if ended:
            continue
        if name.startswith(("valkey", "redis")):
            found.append(Victim("redis", process.pid, age))
        elif name.startswith("mta-") and name[4:].rstrip("0123456789") in ROLES:
            found.append(Victim(name[4:], process.pid, age))
    return found
