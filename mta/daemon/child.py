"""One role in a process of its own: built, run until told to stop, its metrics told every two seconds.

The pipe to the supervisor is also the leash: when it closes, the role drains and ends. A role without a supervisor
(`mta run --role`, a systemd unit of its own) serves its metrics itself and tells systemd how it is.
"""

import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mta.config.settings import Settings
from mta.daemon import assemble, credentials, logs, loop
from mta.daemon.exits import CONFIG, SOFTWARE, Stop
from mta.daemon.measured import script_names
from mta.daemon.metrics_page import MetricsPage
from mta.daemon.notify import notify, reloading
from mta.daemon.reloading import Again, why
from mta.daemon.roles import Role, build
from mta.daemon.vitals import Vitals
from mta.daemon.yielding import give_way
from mta.metrics.meter import joined

SNAPSHOT_SECONDS = 2.0
_log = logging.getLogger("mta")

# Read where the code is: in the process that all roles are forked from. A role that starts again after an upgrade has
# been installed below a running engine must not meet other files than its code knows.
script_names()
assemble.classifier()


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


def run(
    settings: Settings, role: str, name: str, url: str, pipe: Connection | None, again: Again | None = None
) -> int:
    """Run a role until it is told to stop; return its exit code. `again`: a role without a supervisor reads itself."""
    give_way(role)
    logs.configure(settings.log.level, settings.log.format, name)
    faulthandler.enable()  # systemd's watchdog ends a hung process with SIGABRT: the log then shows where it hung
    try:
        return loop.run(_run(settings, role, name, url, pipe, again))
    except Stop as stop:
        print(f"mta {name}: {stop.line}", file=sys.stderr)
        return stop.code
    except Exception:
        _log.exception("a bug ended this process")
        return SOFTWARE


def _with_credentials(settings: Settings) -> Settings:
    try:
        return credentials.applied(settings)
    except OSError as error:
        raise Stop(CONFIG, f"the credentials systemd passes can't be used: {error}") from error


async def _run(
    given: Settings, role: str, name: str, url: str, pipe: Connection | None, again: Again | None
) -> int:
    here = asyncio.get_running_loop()
    settings = _with_credentials(given)
    built: Role = await build(settings, role, name, url)
    vitals = Vitals(settings, role, name, built)
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

    def refused(said: str) -> None:
        """Go on with the settings before: said in the log, on the page, on the roll, to the supervisor."""
        if said:
            _log.error("the new configuration is not used: %s", said)
        vitals.refused(said)
        if page is not None:
            page.reloaded(used=not said)
        if said:
            _send(pipe, ("refused", said))

    def reload(fresh: Settings) -> None:
        try:
            used = _with_credentials(fresh)
            built.reload(used)
        except Exception as error:
            refused(why(error))
            return
        vitals.settings = used
        logs.configure(used.log.level, used.log.format, name)
        refused("")

    def hang_up() -> None:
        nonlocal given
        reloading()
        try:
            assert again is not None
            given = again(given)
        except Exception as error:
            refused(why(error))
        else:
            reload(given)
        notify("READY=1")

    def read_pipe() -> None:
        assert pipe is not None
        try:
            message: tuple[str, Any] = pipe.recv()
        except (EOFError, OSError):
            here.remove_reader(pipe.fileno())
            terminate()
            return
        if message[0] == "reload":
            reload(message[1])
        elif message[0] == "refused":
            vitals.refused(message[1])

    here.add_signal_handler(signal.SIGTERM, terminate)
    page: MetricsPage | None = None
    if pipe is not None:
        here.add_reader(pipe.fileno(), read_pipe)
    else:
        here.add_signal_handler(signal.SIGINT, terminate)
        if again is not None:
            here.add_signal_handler(signal.SIGHUP, hang_up)
        page = MetricsPage(settings.metrics.listen, settings.metrics.sites, lambda: terms == 0)
        await _serve(page)
    teller = asyncio.ensure_future(_tell(built, vitals, name, pipe, page))
    notify("READY=1")
    try:
        await built.run()
    finally:
        teller.cancel()
        await vitals.leave()
        await built.close()
        _send(pipe, ("metrics", joined(built.snapshot(), vitals.meter.snapshot())))
        if page is not None:
            await page.stop()
    return 0


async def _serve(page: MetricsPage) -> None:
    try:
        await page.start()
    except Stop as stop:
        # A second role on this machine, started by hand beside the engine: it works without a page of its own.
        _log.warning("no metrics of this role: %s", stop.line)
        page.beat()


async def _tell(
    built: Role, vitals: Vitals, name: str, pipe: Connection | None, page: MetricsPage | None
) -> None:
    here = asyncio.get_running_loop()
    _send(pipe, ("ready", None))
    while True:
        await vitals.sample()
        snapshot = joined(built.snapshot(), vitals.meter.snapshot())
        _send(pipe, ("metrics", snapshot))
        if page is not None:
            page.told(name, snapshot)
        due = here.time() + SNAPSHOT_SECONDS
        await asyncio.sleep(SNAPSHOT_SECONDS)
        vitals.late(here.time() - due)


def _send(pipe: Connection | None, message: tuple[str, Any]) -> None:
    if pipe is not None:
        try:
            pipe.send(message)
        except OSError:
            pass  # the supervisor is gone: the leash will tell
