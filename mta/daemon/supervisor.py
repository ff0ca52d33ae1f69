"""`mta run`: the parent of all roles. Starts Redis if it is ours, then the roles; restarts what dies; stops in order.

Order of stopping: what takes work in before what does it, what does it before what records it, Redis last.
"""

import asyncio
import fcntl
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess

from mta.config.settings import Settings
from mta.daemon import child
from mta.daemon.exits import UNAVAILABLE, Stop
from mta.daemon.metrics_page import MetricsPage
from mta.daemon.notify import notify, reloading
from mta.queue import embedded
from mta.queue.embedded import Embedded, NoServer

STOP_ORDER = ("ingest", "express", "worker", "courier", "inbound", "web", "keeper")
QUICK_DEATH = 5.0  # a role that lived shorter waits before it is started again
LONGEST_WAIT = 10.0
SERVER_SECONDS = 0.5  # how often the embedded server is looked after
DRAIN_SECONDS = (
    60.0  # transactions under way may take that long, then the rest is recovered at the next start
)
LAST_SECONDS = 2.0  # for each role that is asked when that time is over


@dataclass
class Kept:
    """A role the supervisor keeps alive."""

    role: str
    name: str
    process: ForkServerProcess | None = None
    pipe: Connection | None = None
    started: float = 0.0
    deaths: int = 0
    ready: bool = False
    stopping: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Keeps the roles of one host."""

    def __init__(self, settings: Settings, reload: Callable[[], Settings]) -> None:
        self.settings = settings
        self.reload_settings = reload
        self.server: Embedded | None = None
        self.url = settings.redis.url
        self.roles = [Kept("keeper", "keeper"), Kept("ingest", "ingest1"), Kept("express", "express1")]
        count = settings.workers.count or os.cpu_count() or 1
        self.roles += [Kept("worker", f"worker{number}") for number in range(1, count + 1)]
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
        return all(kept.ready for kept in self.roles)

    async def run(self) -> int:
        """Run until a signal; return the exit code."""
        here = asyncio.get_running_loop()
        lock = self._lock()
        here.add_signal_handler(signal.SIGTERM, self._terminate)
        here.add_signal_handler(signal.SIGINT, self._terminate)
        here.add_signal_handler(signal.SIGHUP, self._reload)
        self._context.set_forkserver_preload(["mta.daemon.child"])
        try:
            await self.page.start()
            if self.url == "embedded":
                self.server = self._start_server()  # in this thread: the server ends with it
                self.url = self.server.url
            for kept in self.roles:
                self._start(kept)
            await self._watch_server()
        finally:
            await self._stop_all()
            if self.server is not None:
                await asyncio.to_thread(self.server.stop)
            await self.page.stop()
            os.close(lock)
        if self.fault is not None:
            raise self.fault
        return 0

    def _lock(self) -> int:
        state = self.settings.paths.root
        state.mkdir(parents=True, exist_ok=True)
        fd = os.open(state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise Stop(UNAVAILABLE, f"another engine runs with the state directory {state}") from error
        return fd

    def _start_server(self) -> Embedded:
        redis = self.settings.redis
        directory = self.settings.paths.redis
        try:
            return embedded.start(
                directory,
                binary=redis.binary,
                durability=redis.durability,
                port=redis.port,
                memory=self.settings.redis.memory,
            )
        except NoServer as error:
            raise Stop(UNAVAILABLE, str(error)) from error

    async def _watch_server(self) -> None:
        """Wait for the end; start our Redis again when it dies. Its file holds all that was accepted."""
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(SERVER_SECONDS):
                    await self._stopping.wait()
            except TimeoutError:
                pass
            if self.server is None or self.server.process.poll() is None or self._stopping.is_set():
                continue
            print("mta: the embedded server ended, starting it again", file=sys.stderr)
            self.server.stop()
            try:
                self.server = self._start_server()
            except Stop as stop:
                print(f"mta: {stop.line}", file=sys.stderr)
                await asyncio.sleep(1.0)

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
            if self.ready():
                self._was_up = True
                notify("READY=1")
        elif kind == "metrics":
            self.page.told(kept.name, value)

    def _died(self, kept: Kept, process: ForkServerProcess) -> None:
        here = asyncio.get_running_loop()
        here.remove_reader(process.sentinel)
        process.join()
        code = process.exitcode or 0
        self.page.died(kept.name)
        kept.process = None
        if kept.stopping:
            kept.ended.set()
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
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        print(f"mta: {kept.name} ended ({why}), starting it again", file=sys.stderr)
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
                kept.stopping = True
                if kept.process is None:
                    kept.ended.set()
                else:
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

    def _reload(self) -> None:
        reloading()
        try:
            self.settings = self.reload_settings()
        except Exception as error:
            print(f"mta: the new configuration is not used: {error}", file=sys.stderr)
            self.page.reloaded(used=False)
            for kept in self.roles:
                if kept.pipe is not None and kept.process is not None:
                    kept.pipe.send(("refused", str(error)))
        else:
            self.page.reloaded(used=True)
            for kept in self.roles:
                if kept.pipe is not None and kept.process is not None:
                    kept.pipe.send(("reload", self.settings))
        notify("READY=1")


def supervise(settings: Settings, reload: Callable[[], Settings]) -> int:
    """Run the engine in the foreground; return the exit code."""
    return asyncio.run(_supervise(settings, reload))


async def _supervise(settings: Settings, reload: Callable[[], Settings]) -> int:
    return await Supervisor(settings, reload).run()
