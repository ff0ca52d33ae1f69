"""Redis as the keeper of accepted mail: safe, with room, quick, on the same time; and the processes that use it."""

import os
import time
from typing import TYPE_CHECKING, Final

from mta.cli.checkup.finding import BAD, OK, WARN, Finding

if TYPE_CHECKING:
    from mta.cli.door import Door
    from mta.queue.roll import Present

AREA: Final = "redis"
PINGS: Final = 20
SLOW_MS: Final = 5.0
CLOCK_SECONDS: Final = 2.0
FULL: Final = 70  # percent


async def server(opened: "Door", roll: "list[Present]") -> list[Finding]:
    """Return the findings about a server that answers."""
    from mta.cli.options import server_of
    from mta.queue.link import UnsafeServer
    from mta.queue.nodes import check_all, each

    settings, found = opened.settings, list[Finding]()
    try:
        facts = await check_all(opened.client, server_of(settings), durability=settings.redis.durability)
        found.append(
            Finding(
                AREA, OK, "safety", f"{facts['name']} {facts['version']}, appendfsync {facts['appendfsync']}"
            )
        )
    except UnsafeServer as error:
        level = WARN if settings.redis.accept_unsafe else BAD
        _, _, faults = str(error).partition("unsafe for mail: ")
        found.append(
            Finding(AREA, level, "safety", faults or str(error), "change it in the server's configuration")
        )
    for node in await each(opened.client):
        found += await _node(node, settings.redis.url == "embedded", settings.queue.memory_stop)
    found += [await _pace(opened), await _clock(opened), *_processes(roll)]
    return found


async def _node(node: "object", own: bool, stop: int) -> list[Finding]:
    info = await node.info()  # type: ignore[attr-defined]
    found = []
    for name, about in (
        ("aof_last_write_status", "append-only file"),
        ("aof_last_bgrewrite_status", "rewrite of the file"),
    ):
        if info.get(name, "ok") != "ok":
            cure = "look at Redis's log and its disk; until then nothing is safe there"
            found.append(Finding(AREA, BAD, about, f"the last one failed ({name} is {info[name]})", cure))
    most, used = int(info.get("maxmemory", 0)), int(info["used_memory"])
    if not most and not own:
        cure = (
            "set maxmemory below the machine's memory: mail is then refused in time, and no process is killed"
        )
        found.append(Finding(AREA, WARN, "memory", "maxmemory is not set", cure))
    percent = used * 100 // most if most else 0
    if percent >= stop:
        found.append(
            Finding(
                AREA,
                BAD,
                "memory",
                f"{percent} % used: no new mail is accepted",
                "docs/operations.md, Redis is full",
            )
        )
    elif percent >= FULL:
        found.append(Finding(AREA, WARN, "memory", f"{percent} % used", "docs/operations.md, Redis is full"))
    elif most:
        found.append(Finding(AREA, OK, "memory", f"{percent} % of {most / (1 << 20):,.0f} MiB used"))
    return found


async def _pace(opened: "Door") -> Finding:
    times = []
    for _ in range(PINGS):
        began = time.perf_counter()
        await opened.client.ping()
        times.append((time.perf_counter() - began) * 1000)
    middle = sorted(times)[PINGS // 2]
    if middle > SLOW_MS:
        cure = "put Redis next to the engine: every batch of mail waits for several calls"
        return Finding(AREA, WARN, "round trip", f"{middle:.1f} ms", cure)
    return Finding(AREA, OK, "round trip", f"{middle:.2f} ms")


async def _clock(opened: "Door") -> Finding:
    seconds, micros = await opened.client.time()
    off = time.time() - int(seconds) - int(micros) / 1e6
    if abs(off) > CLOCK_SECONDS:
        return Finding(AREA, BAD, "time of Redis", f"this host's is {off:+.0f} s off", "set both by NTP")
    return Finding(AREA, OK, "time of Redis", "this host's is the same")


def _processes(roll: "list[Present]") -> list[Finding]:
    from mta import __version__

    others = sorted({one.version for one in roll if one.version and one.version != __version__})
    if not others:
        return []
    says = f"processes of version {', '.join(others)} run beside this command's {__version__}"
    return [
        Finding(
            AREA,
            WARN,
            "versions",
            says,
            f"restart them: systemctl restart mta ({os.uname().nodename} has {__version__})",
        )
    ]
