"""Roles that use up the processor give way: what the kernel says of such a process, and of the others."""

import ctypes
import multiprocessing
import os
import platform
import struct
import sys

import pytest

from mta.daemon import yielding

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="asks by numbers of x86-64 Linux"
)
GETATTR = 315  # sched_getattr(2)


def told(role: str) -> tuple[int, int]:
    """Return the niceness and the slice in ns of a process that gave way as this role."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_told, (role,))


def _told(role: str) -> tuple[int, int]:
    yielding.give_way(role)
    room = ctypes.create_string_buffer(48)
    ctypes.CDLL(None).syscall(GETATTR, 0, room, 48, 0)
    _, _, _, nice, _, runtime, _, _ = struct.unpack("=IIQiIQQQ", room.raw)
    return nice, runtime


def test_a_worker_is_nice_and_runs_in_long_slices_where_the_kernel_has_them() -> None:
    nice, runtime = told("worker")
    assert nice == os.nice(0) + 5
    release = tuple(int(part) for part in platform.release().split(".")[:2])
    if release >= (6, 12):
        assert runtime == yielding.SLICE_SECONDS * 1e9


@pytest.mark.parametrize("role", ["courier", "express", "web", "keeper"])
def test_who_somebody_waits_for_is_as_it_was(role: str) -> None:
    nice, runtime = told(role)
    assert nice == os.nice(0)
    assert runtime != yielding.SLICE_SECONDS * 1e9
