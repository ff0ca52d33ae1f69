"""Which addresses are this host's own."""

import socket


def is_local(address: str) -> bool:
    """Return whether a socket can be bound to an IP address, so that mail can be sent from it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
