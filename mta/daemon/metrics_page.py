"""The supervisor's page: the metrics of all its processes summed, and whether they all live."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from mta.daemon.exits import UNAVAILABLE, Stop
from mta.metrics.exposition import CONTENT_TYPE, Exposition
from mta.metrics.merged import Merged


class MetricsPage:
    """Serves /metrics, /healthz and /readyz at `listen` ("host:port"; empty: nowhere)."""

    def __init__(self, listen: str, sites: int, ready: Callable[[], bool]) -> None:
        self.listen = listen
        self.ready = ready
        self.merged = Merged()
        self._exposition = Exposition(self.merged.totals, sites=sites)
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen; raise Stop when the address can't be had."""
        if not self.listen:
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

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def told(self, name: str, snapshot: dict[str, Any]) -> None:
        """Take a process's latest snapshot."""
        if snapshot:
            self.merged.update(name, snapshot)

    def died(self, name: str) -> None:
        """Keep a dead process's totals; its gauges end."""
        self.merged.gone(name)

    async def _metrics(self, _: web.Request) -> web.Response:
        body = await asyncio.to_thread(self._exposition.page)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def _alive(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readiness(self, _: web.Request) -> web.Response:
        ready = self.ready()
        return web.Response(text="ready\n" if ready else "not all roles run\n", status=200 if ready else 503)
