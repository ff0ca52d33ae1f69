"""systemd's notification socket (sd_notify(3)): readiness, status text, watchdog."""

import os
import socket


def notify(text: str) -> bool:
    """Send a state such as `READY=1` or `STATUS=...`; False when nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        try:
            wire.connect(address)
            wire.sendall(text.encode())
        except OSError:
            return False
    return True
