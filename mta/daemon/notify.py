"""systemd's notification socket (sd_notify(3)): readiness, status text, watchdog (sd_watchdog_enabled(3))."""

import os
import socket
import time


def listened() -> bool:
    """Whether somebody listens at all."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def notify(text: str) -> bool:
    """Send a state such as `READY=1` or `STATUS=...`; False when nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as wire:
        try:
            wire.connect(address)
            wire.sendall(text.encode())
        except OSError:
            return False
    return True


def reloading() -> bool:
    """Say that the configuration is being read again; `READY=1` ends it."""
    return notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_seconds() -> float:
    """Return how often systemd wants to hear `WATCHDOG=1` from this very process, in seconds; 0: not at all."""
    try:
        usec = int(os.environ.get("WATCHDOG_USEC", "0"))
        pid = int(os.environ.get("WATCHDOG_PID", "0"))
    except ValueError:
        return 0.0
    return usec / 1e6 if usec > 0 and pid in (0, os.getpid()) else 0.0
