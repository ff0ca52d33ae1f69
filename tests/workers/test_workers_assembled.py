"""The worker's role as the engine builds it: settings of a file reach resolver, policies, routes, TLS; also anew."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from mta.config.load import load
from mta.config.settings import Settings
from mta.daemon import assemble, assemble_tls
from mta.daemon.exits import Stop
from mta.daemon.worker_role import Working, worker
from mta.demo.nameserver import Nameserver
from mta.demo.zone import Fault, Zone
from mta.net.mtasts import StsPolicies
from mta.net.resolver import Resolver
from mta.policy.tls import Level
from tests.scenarios.conftest import World, free_port
from tests.scenarios.peer import until
from tests.workers.sending import ROOT, STRANGER, certified, said_in_clear


class Assembled:
    """A role of one worker in this process, and the surroundings its settings name."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.zone = Zone(ttl=1)
        self.port = 0
        self.stack = AsyncExitStack()
        world.port = free_port()
        (world.folder / "root.pem").write_bytes(ROOT.pem)

    def settings(self, more: str = "", net: str = "") -> Settings:
        """Return the settings of a file: the test's own, and `more`."""
        path = self.world.folder / "mta.toml"
        path.write_text(f"""
            [paths]
            state = "{self.world.folder}/state"
            [workers]
            count = 1
            [net]
            smtp_port = {self.world.port}
            resolver = ["127.0.0.1:{self.port}"]
            allow_private = true
            ipv6 = false
            helo = "us.test"
            tls_authorities = "{self.world.folder}/root.pem"
            {net}
            [dns]
            least_ttl = 0
            timeout = "1s"
            lifetime = "1s"
            [limits]
            unreachable = "50ms"
            [retry.bulk]
            first = "1h"
            {more}
            """)
        return load(path, {}).settings

    async def start(self, settings: Settings) -> Working:
        queueing = await assemble.queueing(settings, self.world.redis_url)
        role = await worker(settings, "w1", queueing)
        running = asyncio.create_task(role.run())

        async def end() -> None:
            role.drain()
            await running
            await role.close()

        self.stack.push_async_callback(end)
        return role


@pytest.fixture
async def assembled(world: World) -> AsyncIterator[Assembled]:
    """A role's surroundings: a name server that knows example.net and its host."""
    made = Assembled(world)
    made.zone.add("example.net", {"MX": ("10 mx1.example.net.",)})
    made.zone.add("mx1.example.net", {"A": ("127.0.0.1",)})
    made.zone.origins = ("net", "test")
    names = Nameserver(made.zone)
    made.port = await names.start("127.0.0.1")
    made.stack.push_async_callback(names.stop)
    yield made
    await made.stack.aclose()


async def test_a_rule_of_the_file_is_kept_and_a_reload_changes_it(assembled: Assembled) -> None:
    world = assembled.world
    peer = await world.peer(tls=STRANGER.server())
    role = await assembled.start(assembled.settings('[tls."*.net"]\nlevel = "verify"'))
    await world.put("jo@example.net")
    (event,) = await world.events(1)
    assert event["event"] == "deferred"
    assert said_in_clear(peer) == {"EHLO", "STARTTLS"}
    role.reload(assembled.settings('[tls."*.net"]\nlevel = "encrypt"'))
    await world.put("jim@example.net")
    (event,) = await world.events(1, "delivered")
    assert event["tls"].startswith("TLSv1.3 ")


async def test_the_authorities_of_the_file_are_those_that_count(assembled: Assembled) -> None:
    await assembled.world.peer(tls=certified("mx1.example.net").server())
    await assembled.start(assembled.settings('[tls."example.net"]\nlevel = "verify"', 'tls_minimum = "1.3"'))
    await assembled.world.put("jo@example.net")
    (event,) = await assembled.world.events(1, "delivered")
    assert event["tls"].endswith(" verified")


async def test_a_route_of_the_file_is_taken(assembled: Assembled) -> None:
    world = assembled.world
    peer = await world.peer("relay.test")
    del assembled.zone.records["example.net"]
    route = f'[[routes]]\nhost = "[127.0.0.1]"\nport = {world.port}\ntls = "may"\ndomains = ["*"]'
    await assembled.start(assembled.settings(route))
    await world.put("jo@example.net")
    await world.events(1, "delivered")
    assert len(peer.messages) == 1


async def test_an_old_answer_serves_while_the_name_server_is_away(assembled: Assembled) -> None:
    world = assembled.world
    peer = await world.peer()
    role = await assembled.start(assembled.settings(net='tls = "off"'))
    await world.put("jo@example.net")
    await world.events(1, "delivered")
    resolver = role.sts.resolver
    assert (resolver.memory.stale, resolver.memory.failure_ttl, resolver.parallel) == (86_400, 5, 256)
    for name in ("example.net", "mx1.example.net"):
        assembled.zone.faults[name] = Fault("servfail")
    await until(lambda: resolver.known("example.net") is None)
    role.workers[0].delivery.dispatch.renew()
    await world.ended(peer)
    await world.put("jim@example.net")
    await world.events(2, "delivered")


async def test_sessions_are_counted_for_reports_and_added_up_in_redis(assembled: Assembled) -> None:
    world = assembled.world
    await world.peer()
    role = await assembled.start(
        assembled.settings('[tls_reports]\nsender = "tls@us.test"', "mta_sts = false")
    )
    await world.put("jo@example.net")
    await world.events(1, "delivered")
    await role._add_counts()
    (day,) = await role.book.days()
    ((row, count),) = await role.book.rows(day)
    assert (row.domain, row.policy, row.result, count) == ("example.net", "no-policy-found", "", 1)


def test_tls_that_is_off_asks_nobody_and_a_rule_still_counts(assembled: Assembled) -> None:
    settings = assembled.settings('[tls."a.test"]\nlevel = "encrypt"', 'tls = "off"')
    found = assemble_tls.secured(settings, _resolver(), None)  # type: ignore[arg-type]
    assert found.policies.default.level is Level.NONE
    assert found.policies.sts is None
    assert found.policies.tag("b.test") == ""
    assert found.policies.tag("a.test") == " a.test"


@pytest.mark.parametrize("text", ["", "no certificate\n", None], ids=["empty", "other", "missing"])
def test_a_file_of_authorities_that_is_no_good_is_named(assembled: Assembled, text: str | None) -> None:
    settings, path = assembled.settings(), Path(assembled.world.folder / "authorities.pem")
    if text is not None:
        path.write_text(text)
    settings = replace(settings, net=replace(settings.net, tls_authorities=str(path)))
    sts = StsPolicies(_resolver(), _resolver)  # type: ignore[arg-type]
    for build in (
        partial(assemble_tls.secured, settings, _resolver(), sts),
        partial(assemble_tls.web_context, settings),
    ):
        with pytest.raises(Stop) as caught:
            build()
        assert "`net.tls_authorities`" in caught.value.line
        assert str(path) in caught.value.line
        assert caught.value.code == 78


@pytest.mark.parametrize("word, secure", [("auto", True), ("yes", True), ("no", False)])
async def test_whose_validation_is_believed(assembled: Assembled, word: str, secure: bool) -> None:
    assembled.zone.secure = True
    settings = assembled.settings(net=f'trusted_resolver = "{word}"')
    assert (await assemble.resolver(settings).exchangers("example.net")).secure is secure


def _resolver() -> Resolver:
    async def ask(name: str, kind: str) -> None:
        raise AssertionError

    return Resolver(ask)  # type: ignore[arg-type]
