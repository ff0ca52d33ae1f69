"""Domain to site: each domain asked once at a time, waited for no longer than a moment, kept while it holds."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from mta.ingest import routing
from mta.ingest.routing import Found, Routing
from mta.queue.keys import Keys
from mta.queue.link import Client, QueueDown
from mta.queue.sites import Sites

HELD = {"one.example": "big", "two.example": "big", "three.example": "three.example"}


class Names:
    """A DNS that answers when it is let."""

    def __init__(self, sites: Mapping[str, str] = HELD, seconds: float = 300.0) -> None:
        self.sites, self.seconds = sites, seconds
        self.asked: Counter[str] = Counter()
        self.now = self.most = 0
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, domain: str) -> Found | None:
        self.asked[domain] += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.go.wait()
        finally:
            self.now -= 1
        site = self.sites.get(domain)
        return None if site is None else Found(site, self.seconds)


class Nothing:
    """A Redis that is away when something is to be kept."""

    async def get(self, domains: Sequence[str]) -> dict[str, str]:
        return {}

    async def put(self, found: dict[str, tuple[str, float]]) -> None:
        raise QueueDown("away")


async def test_domains_of_one_provider_are_one_site_and_each_is_asked_once() -> None:
    names = Names()
    sites = Routing(lookup=names)
    assert await sites.of(set(HELD)) == HELD
    assert await sites.of({"one.example"}) == {"one.example": "big"}
    assert names.asked == dict.fromkeys(HELD, 1)


async def test_without_a_lookup_every_domain_is_its_own_site() -> None:
    assert await Routing().of({"a.example", "b.example"}) == {
        "a.example": "a.example",
        "b.example": "b.example",
    }


async def test_a_domain_that_many_ask_for_at_once_is_looked_up_once() -> None:
    names = Names()
    names.go.clear()
    sites = Routing(lookup=names)
    asking = [asyncio.ensure_future(sites.of({"one.example", other})) for other in HELD]
    while names.now < len(HELD):
        await asyncio.sleep(0)
    names.go.set()
    answers = await asyncio.gather(*asking)
    assert all(answer["one.example"] == "big" for answer in answers)
    assert names.asked == dict.fromkeys(HELD, 1)


async def test_one_that_gives_up_waiting_does_not_take_the_answer_from_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = Names()
    names.go.clear()
    sites = Routing(lookup=names)
    monkeypatch.setattr(routing, "SECONDS", 0.05)
    patient = asyncio.ensure_future(sites.of({"one.example"}))
    while not names.asked:
        await asyncio.sleep(0)
    monkeypatch.setattr(routing, "SECONDS", 30.0)
    second = asyncio.ensure_future(sites.of({"one.example"}))
    assert await patient == {"one.example": "one.example"}
    names.go.set()
    assert await second == {"one.example": "big"}


async def test_a_slow_dns_holds_nothing_up_and_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "SECONDS", 0.05)
    monkeypatch.setattr(routing, "RETRY_SECONDS", 0.05)
    names = Names()
    names.go.clear()
    sites = Routing(lookup=names)
    assert await sites.of({"one.example"}) == {"one.example": "one.example"}
    names.go.set()
    while (await sites.of({"one.example"}))["one.example"] != "big":
        await asyncio.sleep(0.01)


async def test_no_answer_is_not_kept_in_redis(client: Client, keys: Keys) -> None:
    kept = Sites(client, keys)
    sites = Routing(kept, Names())
    assert await sites.of({"unknown.example"}) == {"unknown.example": "unknown.example"}
    assert await kept.get(["unknown.example"]) == {}


async def test_what_one_process_found_another_need_not_ask(client: Client, keys: Keys) -> None:
    kept, names, others = Sites(client, keys), Names(seconds=300.0), Names()
    await Routing(kept, names).of(set(HELD))
    assert await Routing(kept, others).of(set(HELD)) == HELD
    assert not others.asked
    assert 298 <= await client.ttl(keys.site("one.example")) <= 300


async def test_an_answer_is_kept_for_its_time(client: Client, keys: Keys) -> None:
    names = Names(seconds=0.0)
    sites = Routing(None, names)
    await sites.of({"one.example"})
    names.sites = {"one.example": "moved"}
    assert await sites.of({"one.example"}) == {"one.example": "moved"}
    await Sites(client, keys).put({"a.example": ("b", 0.2)})
    assert await client.ttl(keys.site("a.example")) == 1, "a second at least: Redis knows no less"


async def test_an_answer_that_cannot_be_kept_is_an_answer() -> None:
    assert await Routing(Nothing(), Names()).of({"one.example"}) == {"one.example": "big"}


async def test_no_more_than_so_many_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    many = {f"d{number}.example": "big" for number in range(300)}
    names = Names(many)
    names.go.clear()
    sites = Routing(lookup=names)
    asking = asyncio.ensure_future(sites.of(set(many)))
    while names.now < routing.LOOKUPS:
        await asyncio.sleep(0)
    names.go.set()
    assert await asking == many
    assert names.most == routing.LOOKUPS


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "CACHED", 10)
    sites = Routing(lookup=Names({f"d{number}.example": "big" for number in range(50)}))
    for number in range(50):
        await sites.of({f"d{number}.example"})
    assert repr(sites) == "<Routing 10 domains>"
