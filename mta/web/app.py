"""The web application: routes to handlers, one middleware that counts."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from mta.web.doors import Doors, answer
from mta.web.handlers import Handlers, html
from mta.web.outbox import Outbox
from mta.web.pages import not_found, try_later
from mta.web.spool import Spool
from mta.web.words import Words, words

MAX_BODY = 16 << 10  # a one-click POST has 26 bytes
KEEP_ALIVE = 15.0
_log = logging.getLogger("mta.web")
TOKEN = "{token:[A-Za-z2-7]{45}}"


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of the web; `spool` is the file that keeps events while Redis is away (one per process)."""

    spool: Path
    spool_bytes: int = 64 << 20
    trusted_hops: int = 0
    max_days: int = 400  # age of beacons, links and view pages; unsubscribing has no age


OUTBOX = web.AppKey("outbox", Outbox)
HANDLERS = web.AppKey("handlers", Handlers)


def make_app(doors: Doors, rules: Rules) -> web.Application:
    """Return the application; its outbox starts and stops with it."""
    outbox = Outbox(doors.feedback, doors.suppressions, Spool(rules.spool, rules.spool_bytes))
    handlers = Handlers(doors, outbox, rules.trusted_hops, rules.max_days)
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_counting(doors)])
    app[OUTBOX], app[HANDLERS] = outbox, handlers
    app.router.add_get(f"/o/{TOKEN}.gif", handlers.beacon, name="open")
    app.router.add_get("/o/{rest:.*}", handlers.gif, name="open-unknown")
    app.router.add_get(f"/c/{TOKEN}/{{link:[0-9]{{1,4}}}}", handlers.click, name="click")
    app.router.add_get(f"/u/{TOKEN}", handlers.ask, name="ask")
    app.router.add_post(f"/u/{TOKEN}", handlers.leave, name="leave")
    app.router.add_get(f"/v/{TOKEN}", handlers.view, name="view")
    app.router.add_get("/healthz", _alive, name="health")
    app.router.add_get("/readyz", _readiness(doors), name="ready")
    if doors.metrics is not None:
        app.router.add_get("/metrics", _metrics(doors.metrics), name="metrics")
    app.on_response_prepare.append(_unnamed)
    app.on_startup.append(_start)
    app.on_cleanup.append(_stop)
    return app


def use(app: web.Application, rules: Rules) -> None:
    """Keep to other rules from the next request on; the file of the spool stays."""
    app[HANDLERS].trusted_hops, app[HANDLERS].max_days = rules.trusted_hops, rules.max_days
    app[OUTBOX].spool.max_bytes = rules.spool_bytes


async def serve(
    app: web.Application,
    host: str,
    port: int,
    sockets: Sequence[socket.socket] = (),
    tls: ssl.SSLContext | None = None,
) -> web.AppRunner:
    """Listen on `sockets` that somebody opened for us, else on host and port; with `tls` by HTTPS alone.

    `runner.cleanup()` ends requests under way within 5 s and stops. Port 0: see `runner.addresses`."""
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEP_ALIVE, shutdown_timeout=5.0)
    await runner.setup()
    for one in sockets:
        await web.SockSite(runner, one, ssl_context=tls).start()
    if not sockets:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
    return runner


def _counting(doors: Doors) -> Middleware:
    @web.middleware
    async def counting(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as refused:
            response = (
                html(not_found(_accepted(request)), 404)
                if refused.status == 404
                else web.Response(status=refused.status)
            )
        except Exception:
            _log.exception("a request failed")
            response = html(try_later(_accepted(request)), 503)
        doors.counted(request.match_info.route.name or "unknown", str(response.status))
        return response

    return counting


def _accepted(request: web.Request) -> Words:
    return words("", request.headers.get("Accept-Language", ""))


async def _alive(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _readiness(doors: Doors) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def ready(_: web.Request) -> web.Response:
        why = await answer(doors.ready())
        return web.Response(text=f"{why or 'ready'}\n", status=503 if why else 200)

    return ready


def _metrics(page: Callable[[], bytes]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def metrics(request: web.Request) -> web.Response:
        body = await asyncio.to_thread(page)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    return metrics


async def _unnamed(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)  # its versions are of use to nobody but an attacker


async def _start(app: web.Application) -> None:
    app[OUTBOX].start()


async def _stop(app: web.Application) -> None:
    await app[OUTBOX].stop()
