"""Sockets that systemd opened for us (sd_listen_fds(3)): no capability is needed for port 25, and no connection is
refused while the process is started again.
"""

import os
import socket
from collections.abc import Mapping, MutableMapping
from functools import cache
from typing import Final

FIRST: Final = 3
MAX_SOCKETS: Final = 64


def received(environ: Mapping[str, str], pid: int) -> dict[str, list[socket.socket]]:
    """Return the listening sockets passed to process `pid`, by the name the .socket unit gives them.

    A name is FileDescriptorName=, else the unit's own (`mta-web.socket`). Raises ValueError on values that no
    systemd sends, OSError when a descriptor is not a socket.
    """
    if environ.get("LISTEN_PID") != str(pid):
        return {}
    try:
        count = int(environ.get("LISTEN_FDS", "0"))
    except ValueError:
        raise ValueError(f"LISTEN_FDS is {environ['LISTEN_FDS']!r}, no number") from None
    if not 0 <= count <= MAX_SOCKETS:
        raise ValueError(f"LISTEN_FDS is {count}; up to {MAX_SOCKETS} sockets are taken")
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    for number in range(count):
        os.set_inheritable(FIRST + number, False)
        one = socket.socket(fileno=FIRST + number)
        one.setblocking(False)
        name = names[number] if number < len(names) and names[number] else "unknown"
        found.setdefault(name, []).append(one)
    return found


def forget(environ: MutableMapping[str, str]) -> None:
    """Take the variables out of an environment, so that no child believes the sockets are its own."""
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(name, None)


@cache
def _ours() -> dict[str, list[socket.socket]]:
    found = received(os.environ, os.getpid())
    forget(os.environ)
    return found


def sockets(role: str) -> list[socket.socket]:
    """Return the sockets systemd opened for a role of this process: those named `role`, or `mta-<role>.socket`."""
    found = _ours()
    return found.get(role, []) + found.get(f"mta-{role}.socket", [])
