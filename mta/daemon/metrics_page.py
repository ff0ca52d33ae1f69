"""How the engine looks from outside: the metrics of all its processes summed, its health, its pulse for systemd.

The supervisor has one for all roles; a role that runs alone has one for itself.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from mta.daemon.exits import UNAVAILABLE, Stop
from mta.daemon.pulse import Pulse
from mta.metrics.exposition import CONTENT_TYPE, Exposition
from mta.metrics.merged import Merged
from mta.metrics.meter import Meter

SILENT_SECONDS: Final = 15.0
"""A process that lives and has told nothing for so long hangs."""
OWN: Final = "supervisor"


class MetricsPage:
    """Serves /metrics, /healthz and /readyz at `listen` ("host:port"; empty: nowhere)."""

    def __init__(self, listen: str, sites: int, ready: Callable[[], bool]) -> None:
        self.listen = listen
        self.ready = ready
        self.merged = Merged()
        self._meter = Meter(time.time())  # what the supervisor counts itself
        self._told_at: dict[str, float] = {}
        self._pulse = Pulse(self.merged.totals, self.fault)
        self._beating: asyncio.Task[None] | None = None
        self._exposition = Exposition(self.merged.totals, sites=sites)
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Begin to beat, and listen; raise Stop when the address can't be had."""
        if not self.listen:
            self.beat()
            return
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._alive)
        app.router.add_get("/readyz", self._readiness)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        host, _, port = self.listen.rpartition(":")
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            await runner.cleanup()
            raise Stop(
                UNAVAILABLE, f"metrics.listen {self.listen} can't be used: {error.strerror}"
            ) from error
        self._runner = runner
        self.beat()

    def beat(self) -> None:
        """Tell systemd from now on how things are."""
        if self._beating is None:
            self._beating = asyncio.get_running_loop().create_task(self._pulse.run())

    async def stop(self) -> None:
        """Stop listening and beating."""
        if self._beating is not None:
            self._beating.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    def told(self, name: str, snapshot: dict[str, Any]) -> None:
        """Take a process's latest snapshot."""
        if snapshot:
            self._told_at[name] = time.monotonic()
            self.merged.update(name, snapshot)

    def died(self, name: str) -> None:
        """Keep a dead process's totals; its gauges end."""
        self._told_at.pop(name, None)
        self.merged.gone(name)

    def reloaded(self, *, used: bool) -> None:
        """The configuration was read again, and is used or refused."""
        self._meter.count("reloads_total", "used" if used else "refused")
        self._meter.gauge("reload_refused", 0 if used else 1)
        self.merged.update(OWN, self._meter.snapshot())

    def show_sites(self, sites: int) -> None:
        """Give so many receiving sites series of their own."""
        self._exposition.show_sites(sites)

    def fault(self) -> str:
        """Return why the watchdog is not to be fed: a process hangs, or Redis answers none; empty: all is well."""
        now = time.monotonic()
        silent = sorted(name for name, at in self._told_at.items() if now - at > SILENT_SECONDS)
        if silent:
            return f"{', '.join(silent)} silent for {SILENT_SECONDS:.0f} s"
        away = self.merged.totals().gauges.get("redis_away_processes", {}).get((), 0)
        if self._told_at and away >= len(self._told_at):
            return "Redis does not answer"
        return ""

    async def _metrics(self, _: web.Request) -> web.Response:
        body = await asyncio.to_thread(self._exposition.page)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def _alive(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readiness(self, _: web.Request) -> web.Response:
        why = self.fault() if self.ready() else "not all roles run"
        return web.Response(text=f"{why or 'ready'}\n", status=503 if why else 200)
