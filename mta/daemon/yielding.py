"""How roles that use up whatever processor there is let the others go first, which have little to do and people who
wait for it: Redis, express, courier, inbound, web."""

import contextlib
import ctypes
import os
import platform
import struct
from typing import Final

NICE: Final = {"worker": 5, "ingest": 5}
SLICE_SECONDS: Final = 0.02
"""The longest that the kernel grants; a process that wakes with a shorter one need not wait for its end."""

_CALLS: Final = {"x86_64": 314, "aarch64": 274}  # sched_setattr, by machine
_ATTR: Final = struct.Struct("=IIQiIQQQ")  # struct sched_attr, first version (sched_setattr(2))


def give_way(role: str) -> None:
    """Make this process of a role give way to processes that wake; does nothing where that is forbidden.

    Niceness says how much of a busy processor it gets. From Linux 6.12 on a task of the usual policy may also ask for
    a slice of time of its own: without one a task that wakes waits until the running one has used up its slice, a few
    milliseconds at each process that a message passes.
    """
    nice = NICE.get(role)
    if nice is None:
        return
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        _long_slices(os.nice(nice))


def _long_slices(nice: int) -> None:
    call = _CALLS.get(platform.machine())
    if call is None:
        return
    attr = _ATTR.pack(_ATTR.size, os.SCHED_OTHER, 0, nice, 0, int(SLICE_SECONDS * 1e9), 0, 0)
    ctypes.CDLL(None).syscall(call, 0, attr, 0)  # a kernel that knows no slices leaves them alone
