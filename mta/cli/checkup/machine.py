"""The host the engine runs on: its clock, file descriptors, disk, and the kernel's settings that Redis needs."""

import ctypes
import resource
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mta.cli.checkup.finding import BAD, OK, UNKNOWN, WARN, Finding

if TYPE_CHECKING:
    from mta.config.settings import Settings
    from mta.queue.roll import Present

AREA: Final = "machine"
SPARE_FILES: Final = 256  # logs, journals, Redis, DNS, listeners
LEAST_DISK: Final = 1 << 30
LEAST_SHARE: Final = 0.05
TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES: Final = 512  # struct timex has 208


def machine(settings: "Settings", roll: "list[Present]") -> list[Finding]:
    """Return the findings; `roll` are the engine's processes, of which those on this host are looked at."""
    found = [_clock(), *_descriptors(settings, roll), _disk(settings.paths.root)]
    if settings.redis.url == "embedded" or settings.redis.url.startswith("unix:"):
        found += _kernel()
    return found


def _clock() -> Finding:
    """Whether the kernel's clock is kept by somebody (adjtimex(2))."""
    about = "clock"
    cure = "apt-get install systemd-timesyncd (or chrony), and see that it reaches its servers"
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)  # all zero: modes = 0 asks and changes nothing
        state = libc.adjtimex(buffer)
    except (OSError, AttributeError):
        state = -1
    if state < 0:
        return Finding(
            AREA, UNKNOWN, about, "this system does not say whether its clock is synchronised", cure
        )
    if state == TIME_ERROR:
        return Finding(
            AREA, WARN, about, "it is not synchronised: signatures and links end by the clock", cure
        )
    return Finding(AREA, OK, about, "synchronised")


def _descriptors(settings: "Settings", roll: "list[Present]") -> list[Finding]:
    """A worker needs one for each session; the limit of the running service counts, not this shell's."""
    need = settings.workers.sessions + SPARE_FILES
    here = [one for one in roll if one.host == socket.gethostname() and one.role in ("worker", "courier")]
    limits = {one.name: limit for one in here if (limit := _limit_of(one.pid))}
    limits = limits or {"a process started from here": resource.getrlimit(resource.RLIMIT_NOFILE)[0]}
    name, least = min(limits.items(), key=lambda pair: pair[1])
    about = f"file descriptors of {name}"
    if least >= need:
        return [Finding(AREA, OK, about, f"{least:,} for {need:,}")]
    cure = f"LimitNOFILE={max(65536, need)} in the unit (or ulimit -n), or fewer workers.sessions"
    return [
        Finding(
            AREA,
            BAD,
            about,
            f"{least:,}, but workers.sessions = {settings.workers.sessions:,} needs {need:,}",
            cure,
        )
    ]


def _limit_of(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/limits").read_text()
    except OSError:
        return 0
    row = next((line for line in text.splitlines() if line.startswith("Max open files")), "")
    words = row.split()
    return int(words[3]) if len(words) > 3 and words[3].isdecimal() else 0


def _disk(state: Path) -> Finding:
    folder = next((one for one in (state, *state.parents) if one.exists()), Path("/"))
    usage = shutil.disk_usage(folder)
    about, says = (
        f"disk of {state}",
        f"{usage.free / (1 << 30):.1f} GiB free of {usage.total / (1 << 30):.1f}",
    )
    if usage.free < LEAST_DISK or usage.free < usage.total * LEAST_SHARE:
        return Finding(
            AREA,
            BAD,
            about,
            says,
            "make room: archive.keep_entries and keep_events say how long files are kept",
        )
    return Finding(AREA, OK, about, says)


def _kernel() -> list[Finding]:
    found = []
    if _read("/proc/sys/vm/overcommit_memory") == "0":
        cure = "sysctl vm.overcommit_memory=1 (and in /etc/sysctl.d/), or Redis can't rewrite its file under load"
        found.append(Finding(AREA, WARN, "vm.overcommit_memory", "it is 0", cure))
    if "[always]" in _read("/sys/kernel/mm/transparent_hugepage/enabled"):
        cure = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled: forks of Redis cost less"
        found.append(Finding(AREA, WARN, "transparent huge pages", "they are always on", cure))
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
