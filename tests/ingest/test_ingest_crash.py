"""Ingest killed at every step: whatever it was about to ask of Redis, the next life carries on and nothing is lost.

The real ingest and the real expander run against a real server, through clients that end the process's life at the
n-th command, for every n. Then a new life, under the same name or another's, has to bring it to the same end.
"""

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgpack
import pytest
from redis.exceptions import ResponseError

from bench.books import balance
from bench.ledger import gather
from bench.snapshot import queued
from mta.ingest import expander as expander_module
from mta.ingest import ingest as ingest_module
from mta.ingest.expander import Expander
from mta.ingest.ingest import Ingest
from mta.ingest.mailroom import Mailroom
from mta.ingest.office import Office
from mta.ingest.orders import Orders
from mta.ingest.putter import Putter
from mta.ingest.routing import Found, Routing
from mta.ingest.sorter import Sorter
from mta.queue import scripts
from mta.queue.audit import AuditLog
from mta.queue.campaigns import Campaigns
from mta.queue.canaries import Canaries
from mta.queue.control import Control, Scope
from mta.queue.intake import GROUP, Intake
from mta.queue.keys import Keys
from mta.queue.lanes import Queue
from mta.queue.link import Client, QueueDown, Server, connect
from mta.queue.progress import Progress
from mta.queue.review import Review
from mta.queue.shelves import Shelves
from mta.queue.sifting import Sifting
from mta.queue.suppression import Suppressions
from mta.queue.terms import TermsBook
from mta.queue.upkeep import Upkeep
from mta.throttle.canary import draw

SECRET = b"secret"
BEGIN = scripts.digest("begin")
EARLIER = 6  # commands before an entry is opened: what comes before these, no entry makes a difference to
LIFE_SECONDS = 10.0
STEPS = 1000  # more than any story has
STREAMS = ("control", "urgent", "transactional", "bulk")


class Crash(BaseException):
    """The process is gone: no handler may swallow it."""


@dataclass
class Fate:
    """When a life ends: at its `at`-th command (0: never), before or after the server carries it out.

    With `lost` it does not end: the connection breaks, once, and the caller is told so.
    """

    at: int = 0
    after: bool = False
    lost: bool = False
    count: int = 0
    struck: bool = False
    began: int = 0  # the command that first asked for an entry to be opened

    @property
    def over(self) -> bool:
        """Whether the process is gone."""
        return self.struck and not self.lost

    def asks(self) -> bool:
        """Count a command; whether this is the one."""
        if self.over:
            raise Crash
        self.count += 1
        return self.count == self.at

    def strike(self) -> None:
        """End the life, or break the connection."""
        self.struck = True
        raise QueueDown("the connection broke") if self.lost else Crash


def fragile(client: Client, fate: Fate) -> Client:
    """Return the client, ending as `fate` says. Of a pipeline each command is one, unless they are a transaction."""
    call, pipeline = client.execute_command, client.pipeline

    async def execute_command(*args: Any, **options: Any) -> Any:
        if not fate.began and (args[1:2] == (BEGIN,) or args[0] == "INCRBY"):
            fate.began = fate.count + 1
        if not fate.asks():
            return await call(*args, **options)
        try:
            if fate.after:
                await call(*args, **options)
        finally:
            fate.strike()

    def make(transaction: bool = True, shard_hint: Any = None) -> Any:
        pipe = pipeline(transaction, shard_hint)
        execute = pipe.execute

        async def cut(raise_on_error: bool = True) -> Any:
            size = 1 if transaction else len(pipe.command_stack)
            for number in range(1, size + 1):
                if fate.asks():
                    done = number if fate.after else number - 1
                    del pipe.command_stack[len(pipe.command_stack) * done if transaction else done :]
                    try:
                        await execute(raise_on_error)
                    finally:
                        fate.strike()
            return await execute(raise_on_error)

        pipe.execute = cut
        return pipe

    client.execute_command, client.pipeline = execute_command, make
    return client


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that cost a life hundreds of milliseconds are short here."""
    sleep = asyncio.sleep

    class Brisk:
        TaskGroup, gather = asyncio.TaskGroup, asyncio.gather

        @staticmethod
        async def sleep(seconds: float) -> None:
            await sleep(min(seconds, 0.005))

    monkeypatch.setattr(ingest_module, "asyncio", Brisk)
    monkeypatch.setattr(ingest_module, "BLOCK_MS", 5)
    monkeypatch.setattr(ingest_module, "CHARGE_MS", 40)
    monkeypatch.setattr(ingest_module, "ADOPT_IDLE_MS", 0)
    monkeypatch.setattr(expander_module, "CLAIM_MS", 1)


@dataclass
class Story:
    """What producers hand in, and what has to have become of it."""

    entries: list[tuple[str, str, str, dict[str, Any]]]  # stream, kind, key, document
    check: Callable[["World"], Awaitable[None]] | None = None
    standing: Callable[["World"], Awaitable[None]] | None = None  # what holds after every crash, too
    suppress: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()  # keys of entries that are refused as a whole
    before: list[tuple[str, str, str, dict[str, Any]]] = field(default_factory=list)  # taken in undisturbed
    tenant: str = "acme"
    packed: tuple[int, int] = (0, 0)  # rows that stay in packs: when all of `before` is done, and at the end


@dataclass
class World:
    """The server as it is between lives."""

    client: Client
    url: str
    keys: Keys = field(default_factory=Keys)
    routing: Callable[[], Routing] = Routing
    story: Story = field(default_factory=lambda: Story([]))

    async def begin(self) -> None:
        """Start anew and hand everything in."""
        await self.client.flushall()
        # A blocking read's end is looked for so often; and no disk is needed to see what a step leaves.
        await self.client.config_set("hz", 500, "appendfsync", "no")
        await Suppressions(self.client, self.keys, SECRET).add(
            "acme", "", self.story.suppress, "manual", "test", 1
        )
        if self.story.before:
            await self.hand_in(self.story.before)
            assert await self.live(Fate(), "ingest1", lambda: self.quiet(self.story.packed[0]))
        await self.hand_in(self.story.entries)

    async def hand_in(self, entries: list[tuple[str, str, str, dict[str, Any]]]) -> None:
        """Submit as a producer does."""
        for stream, kind, key, document in entries:
            tenant = self.story.tenant if stream == "control" else "acme"
            fields = {"v": "1", "kind": kind, "tenant": tenant, "key": key, "data": json.dumps(document)}
            await self.client.xadd(self.keys.submit_stream(stream), fields)

    async def events(self, *kinds: str) -> list[dict[str, str]]:
        """What was told, of these kinds or all."""
        rows = [
            row
            for shard in range(self.keys.shards)
            for row in await self.client.xrange(self.keys.events(shard))
        ]
        every = [{name.decode(): value.decode() for name, value in fields.items()} for _, fields in rows]
        return [one for one in every if not kinds or one["event"] in kinds]

    async def quiet(self, packed: int = -1) -> bool:
        """Whether nothing is left to do: entries are acknowledged, packs are opened but for those that stay."""
        for label in STREAMS:
            try:
                (group,) = await self.client.xinfo_groups(self.keys.submit_stream(label))
            except (ResponseError, ValueError):
                return False  # stream and group come into being with ingest's first life
            if group["pending"] or group["lag"]:
                return False
        return await self.shelved() == (self.story.packed[1] if packed < 0 else packed)

    async def shelved(self) -> int:
        """How many rows wait in packs of the home shard."""
        return sum(int(rows) for rows in await self.client.hvals(f"{self.keys.base(0)}shelved")) + int(
            await self.client.hlen(f"{self.keys.base(0)}expanding")
        )

    async def live(self, fate: Fate, name: str, done: Callable[[], Awaitable[bool]] | None = None) -> bool:
        """Live one life; True when it came to the end of the story (`done`), False when it was cut short."""
        calls, blocks = connect(Server(self.url)), connect(Server(self.url), blocking=True)
        client, blocking = fragile(calls, fate), fragile(blocks, fate)
        ingest, expander = engine(client, blocking, self.keys, name, self.routing())
        try:
            async with asyncio.timeout(LIFE_SECONDS):
                async with asyncio.TaskGroup() as group:
                    group.create_task(ingest.run())
                    group.create_task(self._expand(expander, ingest))
                    group.create_task(self._watch(ingest, fate, done or self.quiet))
        except BaseExceptionGroup as errors:
            if errors.split(Crash)[1] is not None:
                raise
            return False
        finally:
            await calls.connection_pool.disconnect()
            await blocks.connection_pool.disconnect()
        return True

    async def _expand(self, expander: Expander, ingest: Ingest) -> None:
        while not ingest._draining:
            opened = 0
            try:
                opened = await expander.step()
            except QueueDown:
                pass
            await asyncio.sleep(0 if opened else 0.008)

    async def _watch(self, ingest: Ingest, fate: Fate, done: Callable[[], Awaitable[bool]]) -> None:
        # A look at `fate` too: on Python 3.11 asyncio.wait_for, in redis-py, may swallow the group's cancellation.
        while not fate.over and not await done():
            await asyncio.sleep(0.004)
        ingest.drain()


def engine(
    client: Client, blocking: Client, keys: Keys, name: str, routing: Routing
) -> tuple[Ingest, Expander]:
    """The ingest role as mta.daemon.ingest_role builds it."""
    intake, campaigns = Intake(client, blocking, keys, name), Campaigns(client, keys)
    suppressions, control, terms = (
        Suppressions(client, keys, SECRET), Control(client, keys), TermsBook(client, keys),
    )  # fmt: skip
    queues = [Queue(client, keys, shard) for shard in range(keys.shards)]
    sorter = Sorter(suppressions, routing, keys.shards)
    orders = Orders(campaigns, control, Sifting(client, keys), terms)
    audit = AuditLog(client, keys)
    mailroom = Mailroom(intake, campaigns, Putter(queues, sorter), control, terms)
    expander = Expander(Shelves(client, blocking, keys), queues, 0, sorter, campaigns.window)
    return Ingest(intake, mailroom, Office(campaigns, orders, suppressions, terms, audit)), expander


# stories

FROM = "News <news@acme.example>"
CAMPAIGN = {"id": "spring", "from": FROM, "subject": "Hi {{first}}", "text": "Hello {{first}}\n"}
BAD, GONE = (3, 299), (5, 270)  # rows without an address, and of suppressed people
ROWS = [["not an address" if n in BAD else f"u{n}@d{n % 3}.example", f"Jo {n}"] for n in range(300)]
PEOPLE = {"campaign": "spring", "columns": ["email", "first"], "rows": ROWS, "last": True}
FEW = PEOPLE | {"rows": [*ROWS[:8]], "last": False}
MESSAGE = {
    "id": "inv-1", "from": "Billing <b@acme.example>", "to": ["jo@d1.example", "al@d2.example"],
    "bcc": ["x@d3.example"], "subject": "Invoice {{n}}", "text": "Total {{n}}", "vars": {"n": 7},
}  # fmt: skip
SUPPRESSED = tuple(f"u{n}@d{n % 3}.example" for n in GONE)


async def message_has_its_body(world: World) -> None:
    waiting = await queued(world.client, world.keys)
    assert list(waiting.bodies.values()) == [3]
    (suffix,) = waiting.bodies
    assert await Queue(world.client, world.keys).body(suffix) is not None


async def recipients_are_told(world: World) -> None:
    rejected, suppressed = await world.events("rejected"), await world.events("suppressed")
    assert Counter(one["row"] for one in rejected) == Counter(map(str, BAD)), "refused rows are told once"
    assert sorted(one["rcpt"] for one in suppressed) == sorted(SUPPRESSED), "suppressed ones, too"
    totals = await Progress(world.client, world.keys).totals("acme", "spring")
    assert totals == {"accepted": 298, "suppressed": 2, "queued": 296}
    known = await Campaigns(world.client, world.keys).get("acme", "spring")
    assert known is not None
    assert known.started
    assert await Campaigns(world.client, world.keys).closed("acme", "spring"), "its last entry has come"


async def few_are_told(world: World) -> None:
    assert [one["row"] for one in await world.events("rejected")] == ["3"]
    assert [one["rcpt"] for one in await world.events("suppressed")] == [SUPPRESSED[0]]
    totals = await Progress(world.client, world.keys).totals("acme", "spring")
    assert totals == {"accepted": 7, "suppressed": 1, "queued": 6}


async def held_from_the_first(world: World) -> None:
    # Others may put its recipients in as soon as they know the campaign: then its gate has to be shut.
    if await Campaigns(world.client, world.keys).get("acme", "spring") is not None:
        gates = await Control(world.client, world.keys).gates()
        assert "c|acme|spring" in gates, "the campaign is known and not held"
        assert await TermsBook(world.client, world.keys).get("c|acme|spring") is not None, (
            "known, without its rate"
        )


async def is_held(world: World) -> None:
    assert [one["eid"] for one in await world.events("held")] == ["acme/spring/held"]


async def tenant_is_known(world: World) -> None:
    document = await Campaigns(world.client, world.keys).tenant("acme")
    assert document is not None
    terms = await TermsBook(world.client, world.keys).get(Scope.of_tenant("acme").text)
    assert terms is not None
    assert (terms.weight, terms.per_day) == (3, 1000)


async def is_suspended(world: World) -> None:
    gates = await Control(world.client, world.keys).gates()
    assert gates.keys() == {"s|d1.example", "d|d1.example"}
    assert len(await world.events("suspended")) == 1


async def is_purged(world: World) -> None:
    purged = await world.events("purged")
    eids = [one["eid"] for one in purged]
    assert len(eids) == len(set(eids)), "each part of a purge has an eid of its own"
    totals = await Progress(world.client, world.keys).totals("acme", "spring")
    assert totals.get("purged", 0) == sum(int(one["count"]) for one in purged)
    assert not await Control(world.client, world.keys).gates(), "the purge opened what it had closed"


async def is_refused(world: World) -> None:
    rejected = await world.events("rejected")
    assert {one["code"] for one in rejected} == {"bad_template"}
    assert len({one["eid"] for one in rejected}) == 1


async def canary_is_kept_apart(world: World) -> None:
    base = world.keys.base(0)
    gates = await Control(world.client, world.keys).gates()
    if await Campaigns(world.client, world.keys).get("acme", "spring") is not None:
        assert "k|acme|spring" in gates, "the campaign is known, and its rest is not kept"
        assert await Canaries(world.client, world.keys).phase("acme", "spring") == "running"
    lanes = [name async for name in world.client.scan_iter(f"{base}lane:*")]
    waiting = {item[11:] for lane in lanes for item in await world.client.lrange(lane, 0, -1)}
    told = {one["rcpt"] for one in await world.events("suppressed")}
    first = {ROWS[at][0] for at in AHEAD}
    assert {msgpack.unpackb(record)[1] for record in waiting} <= first - told, (
        "who was not drawn is in a lane"
    )


async def canary_is_ahead(world: World) -> None:
    await canary_is_kept_apart(world)
    drawn = await Canaries(world.client, world.keys).drawn("acme", "spring", 0)
    assert (drawn.phase, drawn.count) == ("running", len(AHEAD))
    assert drawn.domains == {ROWS[at][0].rpartition("@")[2] for at in AHEAD}
    totals = await Progress(world.client, world.keys).totals("acme", "spring")
    suppressed = len(AHEAD & set(GONE))
    assert (totals["accepted"], totals.get("suppressed", 0)) == (298, suppressed)
    ready = int(await world.client.hget(f"{world.keys.base(0)}ready", "2"))
    assert ready == len(AHEAD) - suppressed


async def is_released(world: World) -> None:
    assert {one["eid"] for one in await world.events("released")} == {"acme/o1/release"}
    assert len(await world.events("released")) == 1
    assert not await Control(world.client, world.keys).gates()
    standing = await Review(world.client, world.keys).standing("acme", "spring")
    assert standing.decision is not None
    assert (standing.decision.state, standing.decision.by) == ("approved", "jo")
    assert standing.hold is None
    assert await Review(world.client, world.keys).approvals("acme") == 1
    noted = [one.what async for one in AuditLog(world.client, world.keys).since()]
    assert set(noted) - {"campaign.hold"} == {"campaign.release"}


async def canary_is_over(world: World) -> None:
    await is_released(world)
    assert await Canaries(world.client, world.keys).phase("acme", "spring") == "done"
    assert not await Canaries(world.client, world.keys).watched()


async def nobody_gets_it(world: World) -> None:
    purged = await world.events("purged")
    assert sum(int(one["count"]) for one in purged) == 298
    assert {one["reason"] for one in purged} == {"no opt-in"}
    gates = await Control(world.client, world.keys).gates()
    assert {name: gate.state for name, gate in gates.items()} == {"c|acme|spring": "rejected"}
    assert await Campaigns(world.client, world.keys).closed("acme", "spring")


TENANT = {"id": "acme", "from_domains": ["acme.example"], "weight": 3, "quota": "1000/day"}
PURGE = {"op": "purge", "scope": {"tenant": "acme", "campaign": "spring"}, "by": "ops"}
HELD, CANARY = CAMPAIGN | {"hold": True}, CAMPAIGN | {"canary": {"share": 0.1}}
MAIL = ("bulk", "recipients", "r1", PEOPLE)
APPROVE = {"op": "release", "scope": {"campaign": "spring"}, "by": "jo"}
REJECT = {"op": "reject", "scope": {"campaign": "spring"}, "by": "jo", "reason": "no opt-in"}


def ahead() -> set[int]:
    """Rows of PEOPLE that its canary has to draw, as each run of ingest must."""
    out: set[int] = set()
    for start in (0, 256):
        places = [at for at in range(start, min(start + 256, 300)) if at not in BAD]
        addresses = [ROWS[at][0] for at in places]
        known = {ROWS[at][0].rpartition("@")[2] for at in out}
        out |= {places[at] for at in draw(addresses, 0.1, "acme|spring", known, 10_000, first=not out)}
    return out


AHEAD = ahead()
REST = 298 - len(AHEAD)
STORIES = {
    "canary": Story(
        [("bulk", "campaign", "c1", CANARY), MAIL], canary_is_ahead, canary_is_kept_apart, suppress=SUPPRESSED,
        packed=(0, REST),
    ),
    "canary let go": Story(
        [("control", "control", "o1", APPROVE)], canary_is_over,
        before=[("bulk", "campaign", "c1", CANARY), MAIL], packed=(REST, 0),
    ),
    "approved": Story(
        [("control", "control", "o1", APPROVE)], is_released,
        before=[("bulk", "campaign", "c1", HELD), MAIL], packed=(298, 0),
    ),
    "rejected": Story(
        [("control", "control", "o1", REJECT)], nobody_gets_it,
        before=[("bulk", "campaign", "c1", HELD), MAIL], packed=(298, 0),
    ),
    "message": Story([("transactional", "message", "k1", MESSAGE)], message_has_its_body),
    "recipients": Story(
        [("bulk", "campaign", "c1", CAMPAIGN), ("bulk", "recipients", "r1", PEOPLE)],
        recipients_are_told, suppress=SUPPRESSED,
    ),
    "few recipients": Story(
        [("bulk", "campaign", "c1", CAMPAIGN), ("bulk", "recipients", "r1", FEW)], few_are_told, suppress=SUPPRESSED
    ),
    "held campaign": Story(
        [("bulk", "campaign", "c1", CAMPAIGN | {"hold": True, "rate": "100/min"})], is_held, held_from_the_first
    ),
    "tenant": Story([("control", "tenant", "t1", TENANT)], tenant_is_known),
    "suspend": Story(
        [("control", "control", "s1", {"op": "suspend", "scope": {"domain": "d1.example"}})], is_suspended,
        tenant="operator",
    ),
    "purge": Story(
        [("control", "control", "p1", PURGE)], is_purged,
        before=[("bulk", "campaign", "c1", CAMPAIGN), ("bulk", "recipients", "r1", PEOPLE)],
    ),
    "refused": Story(
        [("transactional", "message", "k1", MESSAGE | {"subject": "{{"})], is_refused, refused=("k1",)
    ),
}  # fmt: skip


async def finished(world: World, where: str) -> None:
    """Everything is where it belongs, once."""
    story = world.story
    for label in STREAMS:
        stream = world.keys.submit_stream(label)
        assert (await world.client.xpending(stream, GROUP))["pending"] == 0, f"{where}: pending on {label}"
        assert await world.client.xlen(stream) == 0, f"{where}: an acknowledged entry was left on {label}"
    entries, told, waiting, gone = await gather(world.client, world.keys, None)
    verdict = balance(entries, told, waiting)
    assert verdict.holds, f"{where}: {verdict.faults}"
    assert not gone, f"{where}: {gone}"
    accepted = await world.events("accepted")
    every = story.before + story.entries
    wanted = [f"{story.tenant}/{key}/accepted" for *_, key, _ in every if key not in story.refused]
    assert sorted({one["eid"] for one in accepted}) == sorted(wanted), where
    kept = [row[4] for row in (await Upkeep(world.client, world.keys).entries()).values()]
    mail = [key for label, _, key, _ in every if label != "control" and key not in story.refused]
    assert sorted(kept) == sorted(mail), f"{where}: each entry is kept for the archive once"
    if story.check is not None:
        await story.check(world)


async def play(world: World, fates: list[Fate], names: list[str], where: str) -> None:
    """Live the given lives, then others that nothing cuts short, and check."""
    await world.begin()
    lives = itertools.zip_longest(fates, names[: len(fates)], fillvalue=names[-1])
    for fate, name in lives:
        await world.live(fate, name)
        if world.story.standing is not None:
            await world.story.standing(world)
    assert await world.live(Fate(), names[-1])
    await finished(world, where)


@pytest.mark.parametrize(
    "heir, how", [("ingest1", "before"), ("ingest2", "after"), ("ingest1", "unanswered")]
)
@pytest.mark.parametrize("story", STORIES)
async def test_killed_at_every_step(client: Client, redis_url: str, story: str, heir: str, how: str) -> None:
    world, whole = World(client, redis_url, story=STORIES[story]), Fate()
    await play(world, [whole], ["ingest1"], f"{story}, undisturbed")
    first = 1 if story == "message" else max(1, whole.began - EARLIER)
    for step in range(first, STEPS):
        fate = Fate(step, after=how != "before", lost=how == "unanswered")
        await play(world, [fate], ["ingest1", heir], f"{story}, {how} step {step}")
        if not fate.struck:
            break
    assert first + 10 < step < STEPS - 1


@pytest.mark.parametrize("seed", range(6))
async def test_killed_again_while_it_recovers(client: Client, redis_url: str, seed: int) -> None:
    chance = random.Random(seed)
    for name in STORIES:
        lives = [
            Fate(chance.randrange(10, 60), after=chance.random() < 0.5, lost=chance.random() < 0.2)
            for _ in range(chance.randrange(2, 5))
        ]
        heirs = [f"ingest{chance.randrange(1, 3)}" for _ in range(len(lives) + 1)]
        steps = ", ".join(f"{one.at}{' after' * one.after}{' lost' * one.lost}" for one in lives)
        world = World(client, redis_url, story=STORIES[name])
        await play(world, lives, heirs, f"{name}, seed {seed}, steps {steps}")


@pytest.mark.parametrize("step", range(0, 12, 2))
async def test_an_entry_that_is_taken_over_late_is_no_later_than_it_was_submitted(
    client: Client, redis_url: str, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    # One process dies over an entry. Another has carried out the campaign's last one before it takes that over.
    first = ("bulk", "recipients", "r1", PEOPLE | {"last": False})
    last = ("bulk", "recipients", "r2", PEOPLE | {"rows": [["last@d1.example", "Jo"]]})
    story = Story([first, last], before=[("bulk", "campaign", "c1", CAMPAIGN)])
    world, whole = World(client, redis_url, story=Story([first], before=story.before)), Fate()
    await play(world, [whole], ["ingest1"], "undisturbed")
    await world.begin()
    await world.live(Fate(whole.began + step), "ingest1")
    await world.hand_in([last])

    async def second_is_done() -> bool:
        return any(one["key"] == "r2" for one in await world.events("accepted"))

    monkeypatch.setattr(ingest_module, "ADOPT_IDLE_MS", 60_000)
    await world.live(Fate(), "ingest2", second_is_done)
    monkeypatch.setattr(ingest_module, "ADOPT_IDLE_MS", 0)
    await world.live(Fate(), "ingest2")
    world.story = story
    await finished(world, f"{step} commands after it was opened")


async def test_rows_whose_site_is_another_after_the_crash(client: Client, redis_url: str) -> None:
    # The DNS may say something else in the next life, and another site may be another shard's.
    lives = itertools.count()

    def routing() -> Routing:
        number = next(lives)

        async def lookup(domain: str) -> Found:
            return Found(f"mx{number}.{domain}", 60.0)

        return Routing(None, lookup)

    for step in range(1, STEPS):
        story = Story(
            [("bulk", "recipients", "r1", FEW)], before=[("bulk", "campaign", "c1", CAMPAIGN)]
        )  # fmt: skip
        fate, world = Fate(step), World(client, redis_url, Keys(shards=2), routing, story)
        await play(world, [fate], ["ingest1", "ingest1"], f"step {step}")
        if not fate.struck:
            break


async def test_a_canary_that_is_let_go_between_two_lives(client: Client, redis_url: str) -> None:
    # Who was drawn in the first life stays drawn: with two shards a part of them may have been put by then.
    for step in range(1, STEPS):
        story = Story([MAIL], before=[("bulk", "campaign", "c1", CANARY)])
        fate, world = Fate(step), World(client, redis_url, Keys(shards=2), story=story)
        await world.begin()

        async def taken_in(world: World = world) -> bool:
            return any(one["key"] == "r1" for one in await world.events("accepted"))

        await world.live(fate, "ingest1", taken_in)
        await Control(client, world.keys).open(Scope.of_rest("acme", "spring"), {})
        await Canaries(client, world.keys).end("acme", "spring", "done", "", "jo")
        assert await world.live(Fate(), "ingest1")
        await finished(world, f"step {step}")
        totals = await Progress(client, world.keys).totals("acme", "spring")
        assert totals["accepted"] == 298
        if not fate.struck:
            break
    assert 20 < step < STEPS - 1
