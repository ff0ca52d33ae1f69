"""The keeper's duty of warm-up, by a clock that the tests set: steps, holds, weeks, days it was away."""

import pytest

from mta.keeper.found import Found
from mta.keeper.warmup import Plan, WarmUp
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.warmbook import REST, WarmBook
from mta.throttle.pools import Source
from mta.throttle.warmup import LADDER, UNUSED, day_of

DAY_MS, MINUTE_MS = 86_400_000, 60_000
FIRST = day_of("2026-11-23")
NEW = Source("new", "192.0.2.1", warm=False, ladder=(200, 500, 1000, 2000))


class Weeks:
    """A duty, its clock, and what workers would have counted."""

    def __init__(self, client: Client, keys: Keys, *sources: Source) -> None:
        self.book = WarmBook(client, keys)
        self.at = FIRST * DAY_MS + 5 * MINUTE_MS
        self.duty = WarmUp(Plan(sources or (NEW,), ("google",)), self.book, self.clock)

    async def clock(self) -> int:
        return self.at

    async def day(self, delivered: int, deferred: int = 0, provider: str = "google") -> str:
        """Let a day pass on which so much was sent; return the caps of the next one."""
        key = f"{self.book.keys.base(0)}used:{self.at // DAY_MS}"
        name = f"new|{provider}"
        counted = {name: delivered + deferred, f"{name}|delivered": delivered, f"{name}|deferred": deferred}
        await self.book.client.hset(key, mapping=counted)
        return await self.pass_days(1)

    async def pass_days(self, days: int) -> str:
        self.at += days * DAY_MS
        await self.duty.look()
        return await self.cap()

    async def cap(self, name: str = "new|google") -> str:
        row = await self.book.client.hget(f"{self.book.keys.base(0)}warming", name)
        return row.decode() if row else ""


@pytest.fixture
def weeks(client: Client, keys: Keys) -> Weeks:
    return Weeks(client, keys)


async def test_it_begins_with_the_first_rung_for_each_provider_and_all_others(weeks: Weeks) -> None:
    assert await weeks.duty.look() is Found.SOMETHING
    assert await weeks.cap("new|google") == await weeks.cap("new|*") == "200 30"
    assert await weeks.duty.look() is Found.NOTHING


async def test_it_climbs_by_days_and_ends_warm(weeks: Weeks) -> None:
    await weeks.duty.look()
    assert [await weeks.day(most) for most in (200, 500, 1000, 2000)] == [
        "500 30", "1000 30", "2000 30", "-1 0",
    ]  # fmt: skip
    assert (await weeks.book.positions())["new", "google"].ended
    assert await weeks.cap("new|*") == "200 30", "each provider has a ladder of its own"
    assert (await weeks.book.positions())["new", REST].held == UNUSED


async def test_it_holds_and_goes_on(weeks: Weeks) -> None:
    await weeks.duty.look()
    assert await weeks.day(180, deferred=20) == "200 30"
    assert "10.0% was deferred" in (await weeks.book.positions())["new", "google"].held
    assert await weeks.day(200) == "500 30"
    assert (await weeks.book.positions())["new", "google"].held == ""


async def test_the_last_verdicts_of_a_day_may_take_two_minutes(weeks: Weeks) -> None:
    await weeks.duty.look()
    weeks.at = (FIRST + 1) * DAY_MS + MINUTE_MS
    await weeks.book.client.hset(f"{weeks.book.keys.base(0)}used:{FIRST}", "new|google|delivered", 200)
    await weeks.duty.look()
    assert await weeks.cap() == "200 30"
    weeks.at += 2 * MINUTE_MS
    await weeks.duty.look()
    assert await weeks.cap() == "500 30"


async def test_a_keeper_that_was_away_judges_the_days_it_missed(weeks: Weeks) -> None:
    await weeks.duty.look()
    base = weeks.book.keys.base(0)
    for number, most in enumerate((200, 200, 480)):
        await weeks.book.client.hset(f"{base}used:{FIRST + number}", "new|google|delivered", most)
    assert await weeks.pass_days(3) == "1000 30", "200, then held with 200 of 500, then 480 of 500"
    assert await weeks.pass_days(400) == "1000 30", "and nothing is made of days that nobody counted"


async def test_two_keepers_come_to_the_same(client: Client, keys: Keys, weeks: Weeks) -> None:
    other = Weeks(client, keys)
    await weeks.duty.look()
    await weeks.day(200)
    other.at = weeks.at
    assert await other.duty.look() is Found.NOTHING
    assert await other.cap() == "500 30"


async def test_before_its_first_day_a_source_sends_nothing(client: Client, keys: Keys) -> None:
    late = Source("new", "192.0.2.1", warm=False, start="2026-11-25", ladder=LADDER)
    weeks = Weeks(client, keys, late)
    await weeks.duty.look()
    assert await weeks.cap() == ""
    assert await weeks.pass_days(2) == "200 30"


async def test_a_source_that_is_no_longer_warmed_up_has_no_caps(weeks: Weeks) -> None:
    await weeks.duty.look()
    weeks.duty.use(Plan())
    assert await weeks.duty.look() is Found.SOMETHING
    assert await weeks.cap() == ""
    assert await weeks.duty.look() is Found.NOTHING


async def test_counts_are_added_up_over_shards(client: Client) -> None:
    keys = Keys("mta:", 2)
    weeks = Weeks(client, keys)
    await weeks.duty.look()
    for shard in range(2):
        assert await client.hget(f"{keys.base(shard)}warming", "new|*") == b"100 30"
        await client.hset(f"{keys.base(shard)}used:{FIRST}", mapping={"new|*": 100, "new|*|delivered": 98})
    await weeks.pass_days(1)
    assert await client.hget(f"{keys.base(1)}warming", "new|*") == b"250 30"
