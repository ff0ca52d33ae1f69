"""`mta run`: the parent of all roles. Starts Redis if it is ours, then the roles; restarts what dies; stops in order.

Order of stopping: what takes work in before what does it, what does it before what records it, Redis last.
"""

import asyncio
import logging
import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

from mta.config.settings import Settings
from mta.daemon import child, logs
from mta.daemon.exits import Stop
from mta.daemon.kept import Kept, workers
from mta.daemon.metrics_page import MetricsPage
from mta.daemon.notify import notify, reloading
from mta.daemon.own_server import OwnServer, locked
from mta.daemon.reloading import Again, why

_log = logging.getLogger("mta")

STOP_ORDER = ("ingest", "express", "worker", "courier", "inbound", "web", "keeper")
QUICK_DEATH = 5.0  # a role that lived shorter waits before it is started again
LONGEST_WAIT = 10.0
DRAIN_SECONDS = (
    60.0  # transactions under way may take that long, then the rest is recovered at the next start
)
LAST_SECONDS = 2.0  # for each role that is asked when that time is over


class Supervisor:
    """Keeps the roles of one host."""

    def __init__(self, settings: Settings, again: Again) -> None:
        self.settings = settings
        self._again_read = again
        self._refused = ""  # why the configuration read last is not used
        self.server = OwnServer(settings)
        self.url = settings.redis.url
        self.roles = [Kept("keeper", "keeper"), Kept("ingest", "ingest1"), Kept("express", "express1")]
        self.roles += [Kept("worker", name) for name in workers(settings)]
        self.roles.append(Kept("courier", "courier1"))
        if settings.inbound.listen:
            self.roles.append(Kept("inbound", "inbound1"))
        if settings.web.listen:
            self.roles.append(Kept("web", "web1"))
        self.page = MetricsPage(settings.metrics.listen, settings.metrics.sites, self.ready)
        self.fault: Stop | None = None
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._stopping = asyncio.Event()
        self._terms = 0
        self._was_up = False  # once all roles ran, a role that can't come up waits for the cause to go

    def ready(self) -> bool:
        """Whether every role runs."""
        return all(kept.ready for kept in self.roles if not kept.stopping)

    async def run(self) -> int:
        """Run until a signal; return the exit code."""
        here = asyncio.get_running_loop()
        lock = locked(self.settings.paths.root)
        here.add_signal_handler(signal.SIGTERM, self._terminate)
        here.add_signal_handler(signal.SIGINT, self._terminate)
        here.add_signal_handler(signal.SIGHUP, self._reload)
        self._context.set_forkserver_preload(["mta.daemon.child"])
        try:
            await self.page.start()
            if self.url == "embedded":
                self.server.start()  # in this thread: the server ends with it
                self.url = self.server.url
            for kept in self.roles:
                self._start(kept)
            await self.server.watch(self._stopping)
        finally:
            await self._stop_all()
            await asyncio.to_thread(self.server.stop)
            await self.page.stop()
            os.close(lock)
        if self.fault is not None:
            raise self.fault
        return 0

    # roles

    def _start(self, kept: Kept) -> None:
        ours, theirs = self._context.Pipe()
        kept.process = self._context.Process(
            target=child.main, args=(self.settings, kept.role, kept.name, self.url, theirs), name=kept.name
        )
        kept.process.start()
        theirs.close()
        kept.pipe = ours
        kept.started = time.monotonic()
        kept.ready = False
        here = asyncio.get_running_loop()
        here.add_reader(ours.fileno(), self._read, kept, ours)
        here.add_reader(kept.process.sentinel, self._died, kept, kept.process)

    def _read(self, kept: Kept, pipe: Connection) -> None:
        try:
            kind, value = pipe.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(pipe.fileno())
            pipe.close()
            return
        if kind == "ready":
            kept.ready = True
            if self._refused:
                self._tell(kept, ("refused", self._refused))
            if self.ready():
                self._was_up = True
                notify("READY=1")
        elif kind == "metrics":
            self.page.told(kept.name, value)
        elif kind == "refused":
            self.page.reloaded(used=False)

    def _died(self, kept: Kept, process: ForkServerProcess) -> None:
        here = asyncio.get_running_loop()
        here.remove_reader(process.sentinel)
        process.join()
        code = process.exitcode or 0
        self.page.died(kept.name)
        kept.process = None
        if kept.stopping:
            kept.ended.set()
            if not self._stopping.is_set():
                self.roles.remove(kept)  # a worker too many since a reload
                self._fit()  # which may be wanted again by now
            return
        if not kept.ready and code >= 64 and not self._was_up:
            # It never came up and says why: starting it again would say the same.
            self.fault = Stop(code, f"{kept.name} could not start; stopping")
            kept.ended.set()
            self._stopping.set()
            return
        lived = time.monotonic() - kept.started
        kept.deaths = kept.deaths + 1 if lived < QUICK_DEATH else 0
        wait = 0.0 if kept.deaths <= 1 else min(0.25 * 2**kept.deaths, LONGEST_WAIT)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        _log.error("%s ended (%s), starting it again", kept.name, how)
        here.call_later(wait, self._again, kept)

    def _again(self, kept: Kept) -> None:
        if not kept.stopping and not self._stopping.is_set():
            self._start(kept)
        else:
            kept.ended.set()

    # stopping

    def _terminate(self) -> None:
        self._terms += 1
        notify("STOPPING=1")
        if self._terms == 1:
            self._stopping.set()
            return
        for kept in self.roles:
            if kept.process is not None:
                kept.process.kill()

    async def _stop_all(self) -> None:
        # One limit for all: systemd waits for no longer than TimeoutStopSec=90.
        ends = asyncio.get_running_loop().time() + DRAIN_SECONDS
        for role in STOP_ORDER:
            group = [kept for kept in self.roles if kept.role == role]
            for kept in group:
                asked, kept.stopping = kept.stopping, True
                if kept.process is None:
                    kept.ended.set()
                elif not asked:
                    kept.process.terminate()
            try:
                async with asyncio.timeout_at(max(ends, asyncio.get_running_loop().time() + LAST_SECONDS)):
                    for kept in group:
                        await kept.ended.wait()
            except TimeoutError:
                for kept in group:
                    if kept.process is not None:
                        kept.process.kill()
                        await kept.ended.wait()

    # reading the configuration again

    def _reload(self) -> None:
        reloading()
        try:
            self.settings = self._again_read(self.settings)
        except Exception as error:
            self._refused = why(error)
            _log.error("the new configuration is not used: %s", self._refused)
        else:
            self._refused = ""
            self.page.show_sites(self.settings.metrics.sites)
            logs.configure(self.settings.log.level, self.settings.log.format, "supervisor")
        self.page.reloaded(used=not self._refused)
        for kept in self.roles:
            self._tell(kept, ("refused", self._refused) if self._refused else ("reload", self.settings))
        if not self._refused:
            self._fit()
        notify("READY=1")

    def _tell(self, kept: Kept, message: tuple[str, Any]) -> None:
        if kept.pipe is not None and kept.process is not None:
            try:
                kept.pipe.send(message)
            except OSError:
                pass  # it is just dying; its next life begins with the new settings

    def _fit(self) -> None:
        """Have as many workers as the settings say: start what is missing, drain what is too much."""
        wanted = workers(self.settings)
        here = {kept.name: kept for kept in self.roles if kept.role == "worker"}
        for name in wanted:
            if name not in here and not self._stopping.is_set():
                kept = Kept("worker", name)
                self.roles.append(kept)
                self._start(kept)
        for name, kept in here.items():
            if name not in wanted and not kept.stopping:
                self._dismiss(kept)

    def _dismiss(self, kept: Kept) -> None:
        kept.stopping = True
        if kept.process is None:
            self.roles.remove(kept)
            return
        kept.process.terminate()
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, kept.process.kill)


def supervise(settings: Settings, again: Again) -> int:
    """Run the engine in the foreground; return the exit code."""
    logs.configure(settings.log.level, settings.log.format, "supervisor")
    return asyncio.run(_supervise(settings, again))


async def _supervise(settings: Settings, again: Again) -> int:
    return await Supervisor(settings, again).run()
