"""A TLS report handed in over HTTPS to a real local server (RFC 8460 sections 3 and 5.4)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from authority import make

from mta.net.question import Answer
from mta.net.report import ReportPost
from mta.net.resolver import Resolver

REPORT = b"\x1f\x8b not looked at"


class Server:
    """Takes what is posted; `status` is what it answers."""

    def __init__(self) -> None:
        self.status = 201
        self.port = 0
        self.taken: list[tuple[str, str, bytes]] = []
        self.silent = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.taken.append((request.path, request.headers["Content-Type"], await request.read()))
        if self.silent:
            await asyncio.sleep(30)
        headers = {"Location": "/elsewhere"} if self.status == 307 else {}
        return web.Response(status=self.status, headers=headers)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server with a certificate of its own making, expired and of another name."""
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    context = make("someone.else").server()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


async def ask(name: str, kind: str) -> Answer:
    found = {("r.test", "A"): ((0, "127.0.0.1"),)}.get((name, kind), ())
    return Answer(found, 60.0, exists=name == "r.test")


def post(seconds: float = 10.0, allow_private: bool = True) -> ReportPost:
    return ReportPost(Resolver(ask, ipv6=False, allow_private=allow_private), seconds)


async def test_a_report_is_posted_under_its_type_whatever_the_certificate(server: Server) -> None:
    assert await post()(f"https://r.test:{server.port}/v1/tlsrpt", REPORT) == ""
    assert server.taken == [("/v1/tlsrpt", "application/tlsrpt+gzip", REPORT)]


@pytest.mark.parametrize(
    ("status", "why"), [(200, ""), (204, ""), (307, "status 307"), (404, "status 404"), (500, "status 500")]
)
async def test_only_2xx_takes_it_and_no_redirect_is_followed(server: Server, status: int, why: str) -> None:
    server.status = status
    assert await post()(f"https://r.test:{server.port}/x", REPORT) == why
    assert len(server.taken) == 1


async def test_a_server_that_is_silent_is_left(server: Server) -> None:
    server.silent = True
    assert await post(seconds=0.3)(f"https://r.test:{server.port}/x", REPORT) == "timed out"


async def test_a_host_inside_our_network_is_not_asked(server: Server) -> None:
    why = await post(allow_private=False)(f"https://r.test:{server.port}/x", REPORT)
    assert "private" in why
    assert server.taken == []


@pytest.mark.parametrize("literal", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0"])
async def test_an_address_in_the_place_of_a_name_is_held_to_the_same(server: Server, literal: str) -> None:
    assert await post(allow_private=False)(f"https://{literal}:{server.port}/x", REPORT)
    assert server.taken == []


@pytest.mark.parametrize(
    "url", ["https://", "https://[", "https://none.test/x", "https://r.test:99999/x", "https://r.test:x/"]
)
async def test_a_url_that_leads_nowhere_is_a_reason_and_no_error(url: str) -> None:
    assert await post()(url, REPORT)
