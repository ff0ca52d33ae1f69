"""MTA-STS over a real name server and a real HTTPS server with its own authority (RFC 8461)."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from aiohttp import web
from authority import make

from mta.demo.nameserver import Nameserver
from mta.demo.zone import Fault, Zone
from mta.net.https import PATH, PolicyFetch
from mta.net.mtasts import CHECK_SECONDS, RETRY_SECONDS, FetchFault, StsPolicies
from mta.net.policies import Policies
from mta.net.question import asker, nameservers
from mta.net.resolver import Memory, Resolver

ROOT = make("root", signs=True)
SITE = make("site", ROOT, names=["mta-sts.d.test"])
DAY = 86400.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def text(mode: str = "enforce", mx: str = "*.d.test", age: int = 7 * 86400) -> str:
    return f"version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: {age}\r\n"


@dataclass
class Shared:
    """The cache of several processes, in memory."""

    kept: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    async def get(self, domain: str) -> str | None:
        return self.kept.get(domain)

    async def put(self, domain: str, document: str, seconds: float) -> None:
        self.kept[domain] = document
        self.seconds = seconds


class World:
    """A name server, a web server that shows `SITE` and says `body`, and a clock."""

    def __init__(self) -> None:
        self.zone = Zone(ttl=30)
        self.body = text()
        self.kind = "text/plain"
        self.status = 200
        self.fetched = 0
        self.now = 1_000_000.0
        self.trusted = ssl.create_default_context(cadata=ROOT.pem.decode())
        self.zone.add("mta-sts.d.test", {"A": ("127.0.0.1",)})
        self.announce("1")
        self.stack = AsyncExitStack()
        self.handler: Handler | None = None

    def announce(self, name: str) -> None:
        self.zone.add("_mta-sts.d.test", {"TXT": (f'"v=STSv1; id={name};"',)})

    async def start(self, context: ssl.SSLContext) -> None:
        names = Nameserver(self.zone)
        await names.start("127.0.0.1")
        self.stack.push_async_callback(names.stop)
        app = web.Application()
        app.router.add_get("/{tail:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        # Nothing is remembered, so that what changes is seen; the resolver's memory has tests of its own.
        memory = Memory(least_ttl=0, most_ttl=0, negative_ttl=0, stale=0, failure_ttl=0)
        asked = asker(nameservers([f"127.0.0.1:{names.port}"], timeout=5, lifetime=5))
        self.resolver = Resolver(asked, ipv6=False, allow_private=True, memory=memory)
        self.fetch = PolicyFetch(self.resolver, self.trusted, seconds=20, port=port)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.fetched += 1
        if self.handler is not None:
            return await self.handler(request)
        if request.path != PATH or request.host.partition(":")[0] != "mta-sts.d.test":
            return web.Response(status=404)
        return web.Response(text=self.body, content_type=self.kind, status=self.status)

    def policies(self, cache: Shared | None = None) -> StsPolicies:
        return StsPolicies(self.resolver, self.fetch, cache, clock=lambda: self.now)

    async def why(self, domain: str = "d.test") -> str:
        with pytest.raises(FetchFault) as caught:
            await self.fetch(domain)
        return caught.value.fault


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.start(SITE.server())
    yield made
    await made.stack.aclose()


async def mode(policies: StsPolicies, domain: str = "d.test") -> str:
    policy = await policies.policy(domain)
    return policy.mode if policy else "nothing"


# The fetch.


async def test_the_file_is_fetched(world: World) -> None:
    assert await world.fetch("d.test") == text()


@pytest.mark.parametrize(
    "bad",
    [
        make("self", names=["mta-sts.d.test"]), make("other", ROOT, names=["d.test"]),
        make("old", ROOT, names=["mta-sts.d.test"], ends=timedelta(days=-1)),
    ],
    ids=["self-signed", "other name", "expired"],
)  # fmt: skip
async def test_a_web_server_that_does_not_prove_itself_is_not_believed(bad: object) -> None:
    world = World()
    await world.start(bad.server())  # type: ignore[attr-defined]
    assert await world.why() == "sts-webpki-invalid"
    assert await mode(world.policies()) == "nothing"
    assert world.fetched == 0
    await world.stack.aclose()


async def test_no_redirect_is_followed(world: World) -> None:
    async def away(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/elsewhere")

    world.handler = away
    assert await world.why() == "sts-policy-fetch-error"
    assert world.fetched == 1


@pytest.mark.parametrize("status", [204, 206, 404, 500])
async def test_only_200_is_an_answer(world: World, status: int) -> None:
    world.status = status
    assert await world.why() == "sts-policy-fetch-error"


async def test_only_plain_text_is_a_policy(world: World) -> None:
    world.kind = "text/html"
    assert await world.why() == "sts-policy-fetch-error"


async def test_a_file_beyond_64_kb_is_not_read_to_its_end(world: World) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        try:
            for _ in range(10_000):
                await response.write(b"mx: a.test\n" * 1000)
                sent += 11_000
        except ConnectionError:
            pass
        return response

    world.handler = endless
    assert await world.why() == "sts-policy-invalid"
    assert sent < 20_000_000


async def test_a_server_that_drips_is_left(world: World) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x")
                await asyncio.sleep(0.02)
        except ConnectionError:
            return response

    world.handler = slow
    world.fetch = PolicyFetch(world.resolver, world.trusted, seconds=0.2, port=world.fetch.port)
    assert await world.why() == "sts-policy-fetch-error"


async def test_a_policy_host_inside_our_network_is_not_asked(world: World) -> None:
    world.resolver.allow_private = False
    assert await world.why() == "sts-policy-fetch-error"
    assert world.fetched == 0


async def test_a_policy_host_without_an_address_is_a_failed_fetch(world: World) -> None:
    assert await world.why("other.test") == "sts-policy-fetch-error"


# What binds.


async def test_a_policy_is_found_and_fetched_once(world: World) -> None:
    policies = world.policies()
    found = await asyncio.gather(*(policies.policy("d.test") for _ in range(50)))
    assert {policy.mode for policy in found if policy} == {"enforce"}
    world.now += CHECK_SECONDS + 1
    await policies.policy("d.test")
    assert world.fetched == 1, "the id is the same"
    assert await mode(policies, "none.test") == "nothing"
    assert await mode(policies, "[192.0.2.1]") == "nothing"
    assert world.fetched == 1


async def test_a_new_id_fetches_the_new_policy(world: World) -> None:
    policies = world.policies()
    await policies.policy("d.test")
    world.body = text("testing")
    assert await mode(policies) == "enforce"
    world.announce("2")
    world.now += CHECK_SECONDS + 1
    assert await mode(policies) == "testing"


@pytest.mark.parametrize(
    "trouble", ["record gone", "dns silent", "web server fails", "file is bad", "two records"]
)
async def test_the_old_policy_binds_while_the_new_one_cannot_be_had(world: World, trouble: str) -> None:
    policies = world.policies()
    assert await mode(policies) == "enforce"
    if trouble == "record gone":
        del world.zone.records["_mta-sts.d.test"]
    elif trouble == "dns silent":
        world.zone.faults["_mta-sts.d.test"] = Fault("servfail")
    elif trouble == "two records":
        world.zone.add("_mta-sts.d.test", {"TXT": ('"v=STSv1; id=2;"', '"v=STSv1; id=3;"')})
    else:
        world.announce("2")
        world.status, world.body = (500, "") if trouble == "web server fails" else (200, "rubbish")
    for _ in range(6):
        world.now += DAY
        assert await mode(policies) == "enforce"
    fails = {"web server fails": "sts-policy-fetch-error", "file is bad": "sts-policy-invalid"}
    assert policies.fault("d.test") == fails.get(trouble, "")
    world.now += 2 * DAY
    assert await mode(policies) == "nothing", "its week is over"


async def test_a_fetch_that_failed_is_tried_again_after_a_while(world: World) -> None:
    world.status = 500
    policies = world.policies()
    assert await mode(policies) == "nothing"
    world.status = 200
    world.now += RETRY_SECONDS - 1
    assert await mode(policies) == "nothing"
    assert world.fetched == 1
    world.now += 2
    assert await mode(policies) == "enforce"
    assert policies.fault("d.test") == ""


async def test_a_policy_is_refreshed_before_its_time_is_over(world: World) -> None:
    world.body = text(age=3 * int(CHECK_SECONDS))
    policies = world.policies()
    for _ in range(20):
        assert await mode(policies) == "enforce"
        world.now += CHECK_SECONDS
    assert world.fetched > 5


async def test_mode_none_releases(world: World) -> None:
    policies = world.policies()
    await policies.policy("d.test")
    world.body = "version: STSv1\nmode: none\nmax_age: 86400\n"
    world.announce("2")
    world.now += CHECK_SECONDS + 1
    assert await mode(policies) == "none"


async def test_processes_share_what_one_has_fetched(world: World) -> None:
    shared = Shared()
    assert await mode(world.policies(shared)) == "enforce"
    assert shared.seconds == 7 * DAY
    assert await mode(world.policies(shared)) == "enforce"
    assert world.fetched == 1
    world.zone.faults["_mta-sts.d.test"] = Fault("servfail")
    world.status = 500
    assert await mode(world.policies(shared)) == "enforce", "a process that starts while the DNS is silent"
    shared.kept["d.test"] = "rubbish"
    assert await mode(world.policies(shared)) == "nothing"


async def test_a_domains_mode_is_told_when_it_is_known(world: World) -> None:
    policies = world.policies()
    assert policies.mode("none.test") is None
    assert policies.mode("[192.0.2.1]") == "none"
    await policies.policy("none.test")
    await policies.policy("d.test")
    assert policies.mode("none.test") == "none"
    assert policies.mode("d.test") == "enforce"
    world.now += CHECK_SECONDS + 1
    assert policies.mode("none.test") is None


async def test_what_is_to_be_known_can_be_learnt(world: World) -> None:
    table = Policies(world.resolver, sts=world.policies())
    assert table.tag("d.test") is None
    await table.learn("d.test")
    assert table.tag("d.test") == " d.test enforce"
    await Policies(world.resolver).learn("d.test")
    assert Policies(world.resolver).tag("d.test") == ""


async def test_what_is_known_is_bounded(world: World) -> None:
    policies = StsPolicies(world.resolver, world.fetch, clock=lambda: world.now, most=10)
    for n in range(30):
        await policies.policy(f"d{n}.test")
    assert repr(policies) == "<StsPolicies 10 domains>"
