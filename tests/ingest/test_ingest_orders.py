"""Orders about mail: every order on every scope does what it says; a refused one changes nothing."""

import json
from typing import Any

import pytest

from mta.ingest.administration import OPERATOR, SCOPES
from mta.ingest.codes import (
    BAD_RATE,
    BAD_SCOPE,
    NOT_HELD,
    OPERATOR_REQUIRED,
    UNKNOWN_CAMPAIGN,
    Refusal,
    Refused,
)
from mta.ingest.entry import Submission, read
from mta.ingest.office import Office
from mta.ingest.orders import Orders
from mta.message import Class, Lane, MessageId, Record
from mta.queue import codec
from mta.queue.campaigns import Campaign, Campaigns
from mta.queue.codec import Item
from mta.queue.control import PURGING, Control, Gate, Scope
from mta.queue.erasurebook import ErasureBook, Order
from mta.queue.keys import Keys
from mta.queue.lanes import OP_RETRY, PathDefaults, Queue, Result
from mta.queue.link import Client, QueueDown
from mta.queue.sifting import Sifting
from mta.queue.suppression import Suppressions
from mta.queue.terms import Terms, TermsBook

HERE, THERE = "example.net", "example.org"
NOW = 1_800_000_000_000
BY = {"by": "ops", "reason": "look"}


class Desk:
    """The office, and a queue with mail of two tenants to two domains."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client, self.keys = client, keys
        self.queue, self.gates, self.terms = (
            Queue(client, keys),
            Control(client, keys),
            TermsBook(client, keys),
        )
        self.campaigns, self.sifting = Campaigns(client, keys), Sifting(client, keys)
        self.orders = Orders(self.campaigns, self.gates, self.sifting, self.terms)
        self.office = Office(self.campaigns, self.orders, Suppressions(client, keys, b"x"), self.terms)
        self.numbers = 0

    async def campaign(self, tenant: str, name: str) -> None:
        known = Campaign(tenant, name, Class.BULK, b"{}", b"", name.encode(), 1, True)
        await self.campaigns.define(known)

    async def mail(self, tenant: str, campaign: str, site: str, domain: str, count: int, at: int = 0) -> None:
        self.numbers += 1
        items = [
            codec.encode(
                MessageId(0, self.numbers, row).pack(),
                Record(f"{tenant}{campaign}{self.numbers}.{row}", f"u{row}@{domain}", 1, 2**41),
            )
            for row in range(count)
        ]
        lane = str(Lane(2, "default", site, tenant, campaign))
        await self.queue.put(f"k:{self.numbers}", 1, [[lane, at, *items]])

    async def fill(self) -> None:
        """Four messages of each tenant here, four there, which is part of a provider's site."""
        for tenant in ("acme", "bolt"):
            for campaign in ("spring", "fall"):
                await self.campaign(tenant, campaign)
                await self.mail(tenant, campaign, HERE, HERE, 2)
                await self.mail(tenant, campaign, "provider", THERE, 2)

    def ask(self, op: str, scope: dict[str, str] | None, tenant: str, **more: Any) -> Submission | Refusal:
        document = {"op": op, **more} | ({"scope": scope} if scope is not None else {})
        fields = {"v": "1", "kind": "control", "tenant": tenant, "key": "o1", "data": json.dumps(document)}
        return read({name.encode(): value.encode() for name, value in fields.items()}, "control")

    async def order(self, op: str, scope: dict[str, str], tenant: str = OPERATOR, **more: Any) -> int:
        submission = self.ask(op, scope, tenant, **more)
        if isinstance(submission, Refusal):
            raise Refused(submission.code, submission.why)
        return await self.office.carry_out(submission, NOW)

    async def take(self) -> list[Item]:
        epoch, _ = await self.queue.register("w1", 30_000)
        for cls in range(3):
            for path in await self.client.zrange(f"{self.queue.base}due:{cls}", 0, -1):
                await self.client.zadd(f"{self.queue.base}due:{cls}", {path: 0})
        out: list[Item] = []
        for _ in range(4):  # what a scope keeps aside may be met first
            taken = await self.queue.take(
                "w1", epoch, want=256, most=99, lease_ms=30_000, defaults=PathDefaults(connections=99)
            )
            out += [one for batch in taken.batches for one in batch.items]
        return out

    async def everything(self) -> dict[bytes, bytes]:
        return {name: await self.client.dump(name) for name in sorted(await self.client.keys("*"))}

    async def told(self, kind: str) -> list[dict[str, str]]:
        rows = await self.client.xrange(self.keys.events(0))
        events = [{name.decode(): value.decode() for name, value in fields.items()} for _, fields in rows]
        return [one for one in events if one["event"] == kind]


@pytest.fixture
async def desk(client: Client, keys: Keys) -> Desk:
    desk = Desk(client, keys)
    await desk.fill()
    return desk


def domain(item: Item) -> str:
    return item.record.rcpt.partition("@")[2]


MEANT = {
    "tenant": ({"tenant": "acme"}, lambda one: "|acme|" in one.lane),
    "campaign": ({"tenant": "acme", "campaign": "spring"}, lambda one: one.lane.endswith("|acme|spring")),
    "domain": ({"domain": THERE}, lambda one: domain(one) == THERE),
    "site": ({"site": "provider"}, lambda one: "|provider|" in one.lane),
    "recipient": ({"recipient": f"u1@{THERE}"}, lambda one: one.record.rcpt == f"u1@{THERE}"),
    "message": ({"tenant": "bolt", "message": "boltfall8.1"}, lambda one: one.record.name == "boltfall8.1"),
}
COUNT = {"tenant": 8, "campaign": 4, "domain": 8, "site": 8, "recipient": 4, "message": 1}


@pytest.mark.parametrize("kind", [kind for kind in SCOPES["suspend"] if kind != "source"])
async def test_what_is_suspended_waits_until_it_is_resumed(desk: Desk, kind: str) -> None:
    scope, meant = MEANT[kind]
    assert await desk.order("suspend", scope, **BY) == 1
    taken = await desk.take()
    assert len(taken) == 16 - COUNT[kind]
    assert not any(meant(one) for one in taken)
    assert await desk.order("resume", scope, **BY) == 1
    back = await desk.take()
    assert len(back) == COUNT[kind]
    assert all(meant(one) for one in back)
    assert await desk.order("resume", scope) == 0, "it is open"
    [suspended], [resumed] = await desk.told("suspended"), await desk.told("resumed")
    for told in (suspended, resumed):
        assert (told["by"], told["reason"]) == ("ops", "look")
        assert told["scope"].startswith(f"{kind}:")
    assert await desk.gates.gates() == {}


async def test_who_is_to_be_erased_is_suppressed_at_once_and_handed_on(desk: Desk) -> None:
    submission = desk.ask("erase", None, "acme", addresses=["Jo@Example.net"], by="desk")
    assert isinstance(submission, Submission)
    assert await desk.office.carry_out(submission, NOW) == 1
    lists, book = desk.office.suppressions, ErasureBook(desk.client, desk.keys)
    assert await lists.find("acme", "", ["jo@example.net"], bulk=False) == ["erased"]
    assert await lists.find("bolt", "", ["jo@example.net"]) == [""]
    assert await book.orders() == [("acme/o1", Order(["Jo@example.net"], "acme", "desk"))]


async def test_a_suspension_for_a_time_says_until_when(desk: Desk) -> None:
    await desk.order("suspend", {"tenant": "acme"}, **{"for": "2h"})
    [gate] = (await desk.gates.gates()).values()
    assert gate.until == NOW + 7_200_000
    [told] = await desk.told("suspended")
    assert told["until"] == str(gate.until)


async def test_a_domain_that_is_a_site_of_its_own_stops_as_one(desk: Desk) -> None:
    await desk.order("suspend", {"domain": HERE})
    assert {domain(one) for one in await desk.take()} == {THERE}
    assert await desk.client.exists(f"{desk.queue.base}sieved:d|{HERE}") == 0
    await desk.order("resume", {"domain": HERE})
    assert {domain(one) for one in await desk.take()} == {HERE}


@pytest.mark.parametrize("kind", SCOPES["purge"])
async def test_what_is_purged_is_gone_each_with_its_event_and_the_rest_goes_on(desk: Desk, kind: str) -> None:
    scope, meant = MEANT[kind]
    assert await desk.order("purge", scope, **BY) == COUNT[kind]
    taken = await desk.take()
    assert len(taken) == 16 - COUNT[kind]
    assert not any(meant(one) for one in taken)
    events = await desk.told("purged")
    assert sum(int(one["count"]) for one in events) == COUNT[kind]
    assert len({one["eid"] for one in events}) == len(events)
    assert {(one["by"], one["reason"]) for one in events} == {("ops", "look")}
    assert all(one["tenant"] for one in events)
    assert await desk.gates.gates() == {}, "nothing stays closed"
    assert await desk.order("purge", scope) == 0


@pytest.mark.parametrize("kind", ["tenant", "campaign", "domain", "recipient"])
async def test_a_purge_takes_what_waits_for_its_retry(desk: Desk, kind: str) -> None:
    scope, _ = MEANT[kind]
    epoch = int(await desk.client.get(f"{desk.queue.base}epochs") or 0)
    taken = await desk.take()
    epoch += 1
    later = [Result(OP_RETRY, one.id, one.lane, "", item=one.encode(), wait=3_600_000) for one in taken]
    assert await desk.queue.settle("w1", epoch, 30_000, later) == 0
    assert await desk.order("purge", scope) == COUNT[kind]
    left = await desk.client.hgetall(f"{desk.queue.base}later")
    assert int(left[b"2"]) == 16 - COUNT[kind]


@pytest.mark.parametrize("kind", ["tenant", "campaign", "domain", "recipient"])
async def test_what_is_suspended_can_be_purged_and_stays_suspended(desk: Desk, kind: str) -> None:
    scope, meant = MEANT[kind]
    held = {"recipient": {"domain": THERE}}.get(kind, scope)
    await desk.order("suspend", held)
    await desk.take()
    assert await desk.order("purge", scope) == COUNT[kind]
    assert {gate.state for gate in (await desk.gates.gates()).values()} == {"suspended"}
    await desk.mail("acme", "spring", "provider", THERE, 2)
    assert not await desk.take()
    await desk.order("resume", held)
    assert not any(meant(one) for one in (await desk.take())[:-2])


async def test_a_purge_that_was_cut_short_is_finished_when_it_is_begun_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut(*_: object) -> int:
        raise QueueDown("away")

    with monkeypatch.context() as patch:
        patch.setattr(desk.gates, "purge", cut)
        patch.setattr(desk.sifting, "purge", cut)
        for kind in ("campaign", "domain"):
            with pytest.raises(QueueDown):
                await desk.order("purge", MEANT[kind][0])
    states = {gate.state for gate in (await desk.gates.gates()).values()}
    assert states == {PURGING}
    assert not any(MEANT[kind][1](one) for one in await desk.take() for kind in ("campaign", "domain"))
    assert (
        await desk.order("purge", MEANT["campaign"][0]) + await desk.order("purge", MEANT["domain"][0]) == 10
    )
    assert await desk.gates.gates() == {}


async def test_limits_of_tenants_and_campaigns_end(desk: Desk) -> None:
    await desk.terms.set("t|acme", Terms(weight=2.0, per_day=500))
    for kind, text in (("tenant", "t|acme"), ("campaign", "c|acme|spring")):
        before = await desk.terms.get(text)
        await desk.order("limit", MEANT[kind][0], limit={"rate": "120/min"}, **{"for": "1h"})
        changed = await desk.terms.get(text)
        assert changed is not None
        assert changed.rate == pytest.approx(2.0)
        assert (changed.weight, changed.per_day) == ((2.0, 500) if kind == "tenant" else (1.0, 0))
        assert await desk.terms.end_due(NOW + 3_599_999) == []
        assert await desk.terms.end_due(NOW + 3_600_000) == [text]
        assert await desk.terms.get(text) == before


@pytest.mark.parametrize("scope", [{"site": "provider"}, {"domain": HERE}])
async def test_a_limit_of_a_site_holds_for_its_time(desk: Desk, scope: dict[str, str]) -> None:
    site = next(iter(scope.values()))
    await desk.order("limit", scope, limit={"rate": "1/h", "connections": 2}, **{"for": "1h"})
    row = await desk.client.hget(f"{desk.queue.base}limits", f"!{site}")
    interval, tolerance, connections, until = row.decode().split()
    assert (float(interval), float(tolerance), connections) == (3_600_000.0, 0.0, "2")
    assert until == str(NOW + 3_600_000)
    assert sum(f"|{site}|" in one.lane for one in await desk.take()) == 1


async def test_a_closed_campaign_takes_no_more_and_sends_what_it_has(desk: Desk) -> None:
    await desk.order("close", MEANT["campaign"][0])
    assert await desk.campaigns.closed("acme", "spring") == "1800000000000-0"
    assert len(await desk.take()) == 16


async def test_a_held_campaign_is_released_or_rejected(desk: Desk) -> None:
    for campaign in ("spring", "fall"):
        await desk.gates.close(Scope.of_campaign("acme", campaign), Gate("held", "review"), {"event": "held"})
    assert len(await desk.take()) == 8
    assert await desk.order("release", {"tenant": "acme", "campaign": "spring"}) == 1
    assert len(await desk.take()) == 4
    assert await desk.order("reject", {"tenant": "acme", "campaign": "fall"}, by="ops") == 4
    assert await desk.take() == []
    assert await desk.campaigns.closed("acme", "fall")
    assert sum(int(one["count"]) for one in await desk.told("purged")) == 4
    [released] = await desk.told("released")
    assert released["campaign"] == "spring"


async def test_a_held_campaign_is_still_held_after_suspend_and_resume(desk: Desk) -> None:
    scope = {"tenant": "acme", "campaign": "spring"}
    await desk.gates.close(Scope.of_campaign("acme", "spring"), Gate("held", "review"), {"event": "held"})
    await desk.order("suspend", scope)
    await desk.order("resume", scope)
    assert len(await desk.take()) == 12


# refusals

WRONG = [
    ("suspend", {"source": "192.0.2.7"}, OPERATOR, {}, BAD_SCOPE),
    ("resume", {"source": "192.0.2.7"}, OPERATOR, {}, BAD_SCOPE),
    ("limit", {"source": "192.0.2.7"}, OPERATOR, {"limit": {"rate": "1/s"}}, BAD_SCOPE),
    ("limit", {"tenant": "acme"}, OPERATOR, {"limit": {"connections": 3}}, BAD_SCOPE),
    ("limit", {"site": "provider"}, OPERATOR, {"limit": {"connections": 0}}, "bad_value"),
    ("limit", {"site": "provider"}, OPERATOR, {"limit": {"rate": "-1/s"}}, BAD_RATE),
    ("limit", {"site": "provider"}, OPERATOR, {"limit": {}}, "missing_member"),
    ("limit", {"site": "provider"}, OPERATOR, {}, "missing_member"),
    ("purge", {"galaxy": "x"}, OPERATOR, {}, "unknown_member"),
    ("purge", {"source": "192.0.2.7"}, OPERATOR, {}, BAD_SCOPE),
    ("purge", {}, OPERATOR, {}, BAD_SCOPE),
    ("purge", None, OPERATOR, {}, "missing_member"),
    ("purge", {"tenant": "acme", "site": "provider"}, OPERATOR, {}, BAD_SCOPE),
    ("purge", {"tenant": "acme", "campaign": "winter"}, OPERATOR, {}, UNKNOWN_CAMPAIGN),
    ("suspend", {"tenant": "acme", "campaign": "winter"}, "acme", {}, UNKNOWN_CAMPAIGN),
    ("close", {"tenant": "acme", "campaign": "winter"}, "acme", {}, UNKNOWN_CAMPAIGN),
    ("reject", {"tenant": "acme", "campaign": "spring"}, "acme", {}, NOT_HELD),
    ("reject", {"tenant": "acme"}, "acme", {}, BAD_SCOPE),
    ("release", {"tenant": "acme"}, "acme", {}, OPERATOR_REQUIRED),
    ("release", {"tenant": "acme"}, OPERATOR, {}, NOT_HELD),
    ("release", {"tenant": "acme", "campaign": "spring"}, "acme", {}, NOT_HELD),
    ("release", {"tenant": "acme", "campaign": "winter"}, "acme", {}, UNKNOWN_CAMPAIGN),
    ("hold", {"tenant": "acme"}, OPERATOR, {"for": "1h"}, "unknown_member"),
    ("suspend", {"recipient": "a@example.net"}, OPERATOR, {}, BAD_SCOPE),
    ("suspend", {"site": "provider"}, "acme", {}, OPERATOR_REQUIRED),
    ("purge", {"domain": HERE}, "acme", {}, OPERATOR_REQUIRED),
    ("suspend", {"tenant": "bolt"}, "acme", {}, "tenant_mismatch"),
    ("purge", {"tenant": "acme"}, OPERATOR, {"for": "1h"}, "unknown_member"),
    ("explode", {"tenant": "acme"}, OPERATOR, {}, "bad_value"),
]


@pytest.mark.parametrize("op, scope, tenant, more, code", WRONG)
async def test_a_refused_order_says_why_and_changes_nothing(
    desk: Desk, op: str, scope: dict[str, str] | None, tenant: str, more: dict[str, Any], code: str
) -> None:
    before = await desk.everything()
    with pytest.raises(Refused) as refused:
        await desk.order(op, scope, tenant, **more)  # type: ignore[arg-type]
    assert refused.value.code == code
    assert "`" in refused.value.why or scope
    assert await desk.everything() == before


async def test_a_tenants_purge_by_recipient_leaves_the_others_mail(desk: Desk) -> None:
    assert await desk.order("purge", {"recipient": f"u1@{THERE}"}, "acme") == 2
    left = [one for one in await desk.take() if one.record.rcpt == f"u1@{THERE}"]
    assert [one.lane.split("|")[3] for one in left] == ["bolt", "bolt"]
