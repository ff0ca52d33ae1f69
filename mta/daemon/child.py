"""One role in a process of its own: built, run until told to stop, its metrics told once a second.

The pipe to the supervisor is also the leash: when it closes, the role drains and ends.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mta.config.settings import Settings
from mta.daemon import logs, loop
from mta.daemon.exits import SOFTWARE, Stop
from mta.daemon.notify import notify
from mta.daemon.roles import Role, build

SNAPSHOT_SECONDS = 1.0


def main(settings: Settings, role: str, name: str, url: str, pipe: Connection | None) -> None:
    """Run a role and end the process with its exit code; the entry point of every child."""
    _call(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all: the supervisor decides
    code = run(settings, role, name, url, pipe)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # no interpreter shutdown: nothing is left that it could do but wait


def _call(name: str) -> None:
    """Let ps and top show which role this is."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(f"mta-{name}"[:15])


def run(settings: Settings, role: str, name: str, url: str, pipe: Connection | None) -> int:
    """Run a role until it is told to stop; return its exit code."""
    logs.configure(settings.log.level, settings.log.format, name)
    try:
        return loop.run(_run(settings, role, name, url, pipe))
    except Stop as stop:
        print(f"mta {name}: {stop.line}", file=sys.stderr)
        return stop.code
    except Exception:
        logging.getLogger("mta").exception("a bug ended this process")
        return SOFTWARE


async def _run(settings: Settings, role: str, name: str, url: str, pipe: Connection | None) -> int:
    here = asyncio.get_running_loop()
    built: Role = await build(settings, role, name, url)
    # What is here now stays: the collector need not look at it again and again, and garbage in cycles is rare.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    terms = 0

    def terminate() -> None:
        nonlocal terms
        terms += 1
        if terms == 1:
            notify("STOPPING=1")
            built.drain()
        else:
            os._exit(0)  # asked twice: what is in flight is recovered by the next life

    def read_pipe() -> None:
        assert pipe is not None
        try:
            message: tuple[str, Any] = pipe.recv()
        except (EOFError, OSError):
            here.remove_reader(pipe.fileno())
            terminate()
            return
        if message[0] == "reload":
            built.reload(message[1])

    here.add_signal_handler(signal.SIGTERM, terminate)
    if pipe is not None:
        here.add_reader(pipe.fileno(), read_pipe)
    else:
        here.add_signal_handler(signal.SIGINT, terminate)
        here.add_signal_handler(signal.SIGHUP, lambda: built.reload(None))
    teller = asyncio.ensure_future(_tell(built, pipe))
    notify("READY=1")
    try:
        await built.run()
    finally:
        teller.cancel()
        await built.close()
        _send(pipe, ("metrics", built.snapshot()))
    return 0


async def _tell(built: Role, pipe: Connection | None) -> None:
    _send(pipe, ("ready", None))
    while True:
        await asyncio.sleep(SNAPSHOT_SECONDS)
        _send(pipe, ("metrics", built.snapshot()))


def _send(pipe: Connection | None, message: tuple[str, Any]) -> None:
    if pipe is not None:
        try:
            pipe.send(message)
        except OSError:
            pass  # the supervisor is gone: the leash will tell
