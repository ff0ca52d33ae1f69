"""Hosts that broke the protocol, and are not pipelined to for a while."""

import time
from typing import Final

SECONDS: Final = 3600.0
MOST: Final = 10_000


class Careful:
    """By what sessions are shared by (mta.workers.opening), until when (time.monotonic)."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Careful {len(self._until)}>"

    def of(self, hosts: str) -> bool:
        """Whether they broke it lately."""
        return self._until.get(hosts, 0.0) > time.monotonic()

    def note(self, hosts: str) -> None:
        """They just did."""
        while len(self._until) >= MOST:
            del self._until[next(iter(self._until))]
        self._until[hosts] = time.monotonic() + SECONDS
