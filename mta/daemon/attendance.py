"""How a process signs the roll (mta.queue.roll): that it is here, and what it can't do at the moment, in words."""

import os
import resource
import socket
import time
from typing import Any, Final

from mta import __version__
from mta.queue.keys import Keys
from mta.queue.link import Client, QueueDown, QueueFull
from mta.queue.roll import SIGN_SECONDS, Present, Roll

MOST_OPEN: Final = 0.9
"""Share of the file descriptors above which a process says so."""
MAX_FAULT: Final = 300  # characters


class Attendance:
    """One process on the roll; `refused` is why the configuration read last is not used, empty when it is."""

    def __init__(self, client: Client, keys: Keys, role: str, name: str, built: Any) -> None:
        self.refused = ""
        self._roll = Roll(client, keys)
        self._built = built
        self._due = 0.0
        self._one = Present(
            role, name, socket.gethostname(), os.getpid(), __version__, int(time.time() * 1000)
        )

    def refuse(self, why: str) -> None:
        """Say with the next sign, which is due at once, why the configuration read last is not used; empty: it is."""
        self.refused, self._due = why, 0.0

    async def sign(self, *more: str) -> None:
        """Sign when it is due; `more` are faults that the caller knows of. Never raises."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + SIGN_SECONDS
        faults = tuple(fault[:MAX_FAULT] for fault in (*more, *self.faults()) if fault)
        one = Present(
            self._one.role, self._one.name, self._one.host, self._one.pid, self._one.version,
            self._one.started, 0, faults,
        )  # fmt: skip
        try:
            await self._roll.sign(one)
        except (QueueDown, QueueFull, OSError):
            self._due = 0.0  # as soon as Redis is back

    async def off(self) -> None:
        """Leave the roll; never raises."""
        try:
            await self._roll.off(self._one.host, self._one.name)
        except (QueueDown, OSError):
            pass  # its last sign grows old

    def faults(self) -> list[str]:
        """Return what this process can't do now."""
        found = []
        if self.refused:
            found.append(f"the configuration read last is not used: {self.refused}")
        watch = getattr(self._built, "watch", None)
        if watch is not None and watch.log.fault:
            found.append(f"the mail log can't be written: {watch.log.fault}")
        found += getattr(self._built, "faults", ())
        opened, most = len(os.listdir("/proc/self/fd")), resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if opened > most * MOST_OPEN:
            found.append(f"{opened} of {most} file descriptors are open; raise LimitNOFILE=")
        return found
