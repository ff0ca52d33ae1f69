"""What peers of `bench.peers` have in common: the work's domains and key, and what a running one is."""

import contextlib
import socket
import time
from dataclasses import dataclass

from bench.packages import Unavailable

DOMAIN = "acme.example"
SELECTOR = "s1"
DOMAINS = 50
"""Recipient domains, each at a loopback address of its own."""
START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Running:
    """Where a peer takes mail, and the processes whose CPU and memory are its own, with all below them."""

    port: int
    pids: tuple[int, ...]


def until_open(port: int, why: str) -> None:
    """Wait until something listens on loopback; raise Unavailable with `why`."""
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0) as wire:
            if wire.recv(3) == b"220":
                return
        time.sleep(0.05)
    raise Unavailable(why)
