"""The guard in a real Redis: counted once, held with a reason, released by a person, remembered."""

import time

import pytest

from mta.bounce.guard import Thresholds
from mta.event import event
from mta.ingest.checked import Control as Order
from mta.ingest.checked import Scope as OrderScope
from mta.ingest.codes import OPERATOR_REQUIRED, Refused
from mta.ingest.entry import Submission
from mta.ingest.orders import Orders
from mta.keeper.guard import Doors, Guard, Settings
from mta.message import Class, Lane, MessageId, Record
from mta.queue import codec
from mta.queue.audit import AuditLog
from mta.queue.campaigns import Campaign, Campaigns
from mta.queue.control import GUARD, Control, Gate, Scope
from mta.queue.feedback import Feedback
from mta.queue.guardbook import GuardBook
from mta.queue.keys import Keys
from mta.queue.lanes import PathDefaults, Queue
from mta.queue.link import Client
from mta.queue.packs import Pack, PackRow
from mta.queue.packs import encode as packed
from mta.queue.progress import Progress
from mta.queue.shelves import Shelves
from mta.queue.sifting import Sifting
from mta.queue.terms import TermsBook
from mta.queue.upkeep import ARCHIVE_GROUP, Upkeep

SPRING = Scope.of_campaign("acme", "spring")
BULK = Scope.of_bulk("acme")


class Post:
    """An engine's Redis with a campaign, events as the workers write them, and a guard."""

    def __init__(self, client: Client, keys: Keys, settings: Settings | None = None) -> None:
        self.client, self.keys = client, keys
        self.control, self.campaigns = Control(client, keys), Campaigns(client, keys)
        self.queue, self.upkeep, self.book = (
            Queue(client, keys),
            Upkeep(client, keys),
            GuardBook(client, keys),
        )
        self.guard = self.another(settings)
        self.orders = Orders(self.campaigns, self.control, Sifting(client, keys), TermsBook(client, keys))
        self.told: list[tuple[object, ...]] = []
        self.guard.counted = lambda *what, **_: self.told.append(what)
        self.serial = 0

    def another(self, settings: Settings | None = None) -> Guard:
        """Return a guard without a memory of its own, as after a restart."""
        doors = Doors(self.book, self.control, self.campaigns, Progress(self.client, self.keys))
        return Guard(settings or Settings(), doors)

    async def open(self, cls: Class = Class.BULK) -> "Post":
        for shard in range(self.keys.shards):
            await self.client.xgroup_create(self.keys.events(shard), ARCHIVE_GROUP, id="0", mkstream=True)
        await self.campaigns.define(Campaign("acme", "spring", cls, b"{}", b"", b"d", 1, started=True))
        return self

    async def happen(self, kind: str, count: int, campaign: str = "spring", **more: str) -> None:
        """Let so many events come, over all shards, without anybody reading them."""
        now = int(time.time() * 1000)
        rows = []
        for _ in range(count):
            self.serial += 1
            told = event(kind, f"e{self.serial}", now, tenant="acme", campaign=campaign)
            rows.append((self.serial % self.keys.shards, told | more))
        await Feedback(self.client, self.keys).publish(rows)

    async def read(self) -> None:
        """Count what came, as the keeper does."""
        while rows := await self.upkeep.events("keeper"):
            await self.book.count(rows)

    async def events(self, kind: str) -> list[dict[str, str]]:
        found = []
        for shard in range(self.keys.shards):
            for _, fields in await self.client.xrange(self.keys.events(shard)):
                text = {name.decode(): value.decode() for name, value in fields.items()}
                found += [text] if text["event"] == kind else []
        return found

    async def harm(self) -> None:
        """Let a campaign find too many dead addresses."""
        await self.happen("delivered", 300)
        await self.happen("bounced", 30, **{"class": "recipient_unknown"})
        await self.read()

    async def order(self, op: str, owner: str, kind: str = "campaign") -> int:
        scope = OrderScope(kind, "spring" if kind == "campaign" else "", "acme")
        order = Order(op, scope, None, None, "looked at it", "jo")
        self.serial += 1
        submission = Submission(None, "control", owner, f"k{self.serial}", b"{}", order)
        return await self.orders.carry_out(submission, order, int(time.time() * 1000))


@pytest.fixture
async def post(client: Client, keys: Keys) -> Post:
    return await Post(client, keys).open()


async def test_a_campaign_and_its_tenant_are_held_with_the_reason(post: Post) -> None:
    await post.harm()
    await post.guard.look()
    gates = await post.control.gates()
    why = "30 unknown recipients of 330 within 7 days are 9.09%; the limit is 5.00%"
    since = {name: gate.since for name, gate in gates.items()}
    assert all(since.values())
    assert gates == {
        scope.text: Gate("held", why, GUARD, since=since[scope.text]) for scope in (SPRING, BULK)
    }
    told = {one["scope"]: one for one in await post.events("held")}
    assert set(told) == {"campaign:spring", "tenant:acme"}
    assert all(one["reason"] == why and one["by"] == GUARD for one in told.values())
    assert told["campaign:spring"]["campaign"] == "spring"
    assert sorted(post.told) == [
        ("guard_holds_total", "campaign", "unknown_recipients"),
        ("guard_holds_total", "tenant", "unknown_recipients"),
    ]
    await post.guard.look()
    assert post.guard.held == {"tenant": 1, "campaign": 1}
    noted = {(one.who, one.what, one.subject) for one in await AuditLog(post.client, post.keys).last(10)}
    assert noted == {
        ("engine", "campaign.hold", "campaign:acme/spring"),
        ("engine", "tenant.hold", "tenant:acme"),
    }


async def test_looking_again_or_after_a_restart_tells_nothing_twice(post: Post) -> None:
    await post.harm()
    for guard in (post.guard, post.guard, post.another(), post.another()):
        await guard.look()
    assert len(await post.events("held")) == 2


async def test_a_kill_between_gate_and_note_is_made_good(post: Post) -> None:
    await post.harm()
    await post.control.close(SPRING, Gate("held", "what a dead keeper wrote", GUARD), {})
    await post.another().look()
    assert (await post.book.standing(SPRING.text)).held
    assert {one["scope"] for one in await post.events("held")} == {"campaign:spring", "tenant:acme"}


async def test_events_read_twice_are_counted_once(post: Post) -> None:
    await post.happen("delivered", 10)
    rows = await post.upkeep.events("keeper")
    again = await post.upkeep.events("keeper")  # not acknowledged: an earlier life's come first
    assert len(rows) == len(again) == 10
    await post.book.count(rows)
    await post.book.count(again)
    assert [counts.delivered for counts in (await post.book.hours(SPRING.text)).values()] == [10]
    assert await post.upkeep.events("keeper") == []


async def test_a_release_is_remembered_and_new_harm_holds_again(post: Post) -> None:
    await post.harm()
    await post.guard.look()
    assert await post.order("release", "operator") == 1
    assert await post.order("resume", "operator", "tenant") == 1
    assert await post.control.gates() == {}
    await post.happen("bounced", 1, **{"class": "recipient_unknown"})  # marks it again
    await post.read()
    for guard in (post.guard, post.another()):
        await guard._sweep()
        await guard.look()
    assert await post.control.gates() == {}
    assert (await post.book.standing(SPRING.text)).released
    await post.happen("delivered", 200)
    await post.happen("complained", 4)
    await post.read()
    await post.another().look()
    assert set(await post.control.gates()) == {SPRING.text, BULK.text}
    assert len(await post.events("held")) == 4
    assert "complaints" in (await post.control.gates())[SPRING.text].reason


@pytest.mark.parametrize("op", ["release", "resume", "suspend"])
async def test_a_tenant_does_not_release_itself(post: Post, op: str) -> None:
    await post.harm()
    await post.guard.look()
    with pytest.raises(Refused) as refused:
        await post.order(op, "acme")
    assert refused.value.code == OPERATOR_REQUIRED
    assert "unknown recipients" in str(refused.value.why)
    with pytest.raises(Refused):
        await post.order("resume", "acme", "tenant")
    assert set(await post.control.gates()) == {SPRING.text, BULK.text}


async def test_a_tenant_lifts_its_own_suspension_beside_the_guards_hold(post: Post) -> None:
    await post.order("suspend", "acme", "tenant")
    await post.harm()
    await post.guard.look()
    assert await post.order("resume", "acme", "tenant") == 1
    assert set(await post.control.gates()) == {SPRING.text, BULK.text}


async def test_what_a_person_closed_stays_the_persons(post: Post) -> None:
    await post.order("suspend", "acme")
    await post.harm()
    await post.guard.look()
    assert (await post.control.gates())[SPRING.text].by == "jo"
    assert [one["scope"] for one in await post.events("warned")] == ["campaign:spring"]
    await post.order("resume", "acme")
    await post.guard._sweep()
    assert (await post.control.gates())[SPRING.text].by == GUARD


async def test_receipts_are_not_held_for_bulk(client: Client, keys: Keys) -> None:
    post = await Post(client, keys).open(Class.TRANSACTIONAL)
    await post.harm()
    await post.guard.look()
    assert set(await post.control.gates()) == {BULK.text}
    assert [one["scope"] for one in await post.events("warned")] == ["campaign:spring"]


@pytest.mark.parametrize(
    ("hold", "held"),
    [("none", set()), ("campaign", {SPRING.text}), ("tenant", {BULK.text})],
)
async def test_what_is_held_is_a_setting(client: Client, keys: Keys, hold: str, held: set[str]) -> None:
    post = await Post(client, keys, Settings(hold=hold)).open()  # type: ignore[arg-type]
    await post.harm()
    await post.guard.look()
    assert set(await post.control.gates()) == held
    assert len(await post.events("held")) + len(await post.events("warned")) == 2


async def test_all_classes_are_held_where_the_settings_say_so(client: Client, keys: Keys) -> None:
    post = await Post(client, keys, Settings(all_classes=True)).open(Class.TRANSACTIONAL)
    await post.harm()
    await post.guard.look()
    assert set(await post.control.gates()) == {SPRING.text, Scope.of_tenant("acme").text}


async def test_a_campaign_with_nothing_left_to_send_is_only_told_of(post: Post) -> None:
    await post.campaigns.close("acme", "spring", "1-0")
    await post.harm()
    await post.guard.look()
    assert set(await post.control.gates()) == {BULK.text}


async def test_shards_are_added_up(client: Client) -> None:
    post = await Post(client, Keys(shards=3)).open()
    await post.harm()
    await post.guard.look()
    assert set(await post.control.gates()) == {SPRING.text, BULK.text}
    assert sum(one.delivered for one in (await post.book.hours(SPRING.text)).values()) == 300
    assert await post.book.marked() == {}


async def test_a_source_is_told_of_and_never_held(post: Post) -> None:
    await post.happen("delivered", 150, campaign="", source="192.0.2.7")
    await post.happen("bounced", 150, campaign="", source="192.0.2.7", **{"class": "recipient_unknown"})
    await post.read()
    await post.guard.look()
    assert {one["scope"] for one in await post.events("warned")} == {"source:192.0.2.7"}


async def test_the_past_is_forgotten(post: Post) -> None:
    post.guard.settings = Settings(limits=Thresholds(window=3_600_000))
    await post.client.hset("mta:{0}:guard:t|acme", mapping={"1d": 500, "1u": 500, "bad": 1})
    await post.client.hset("mta:{0}:judged", "t|acme", 1)
    await post.guard.look()
    assert await post.client.hkeys("mta:{0}:guard:t|acme") == [b"bad"]
    assert await post.control.gates() == {}


async def test_bulk_of_a_held_tenant_waits_and_its_receipts_go(post: Post) -> None:
    queue, client = post.queue, post.client
    for cls, entry in ((Class.BULK, 1), (Class.TRANSACTIONAL, 2), (Class.URGENT, 3)):
        lane = str(Lane(cls, "default", "example.net", "acme", ""))
        record = Record(f"m{entry}", "jo@example.net", 1, 2**41)
        item = codec.encode(MessageId(0, entry, 0).pack(), record)
        assert await queue.put(f"acme:k{entry}", 1, [[lane, 0, item]])
    rows = [PackRow(0, "jo@example.net", [])]
    store = str(Lane(Class.BULK, "default", "*", "acme", "spring"))
    pack = packed(Pack((9).to_bytes(9, "big"), 9, "s", 1, 2**41, "", rows))
    await queue.put("acme:k9", 1, [], packs=[(store, 0, pack)])
    await post.control.close(BULK, Gate("held", "", GUARD), {})
    epoch, _ = await queue.register("w", 30_000)

    async def names() -> list[str]:
        taken = await queue.take("w", epoch, want=10, most=10, lease_ms=30_000, defaults=PathDefaults())
        return sorted(item.record.name for batch in taken.batches for item in batch.items)

    async def picked() -> int:
        return len(await Shelves(client, client, post.keys).pick(4, 1000, 100))

    assert await names() == ["m2", "m3"]
    assert await picked() == 0
    await post.control.open(BULK, {})
    assert await names() == ["m1"]
    assert await picked() == 1
