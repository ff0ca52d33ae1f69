"""Failures over days, counted from events, end in a suppression; a delivery in between clears them."""

import pytest

from mta.bounce.strikes import DAY_MS
from mta.keeper.strikes import Strikes
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.strikebook import StrikeBook
from mta.queue.suppression import Suppressions
from mta.queue.suppression_book import SuppressionBook

T = 1_779_840_000_000


@pytest.fixture
def strikes(client: Client, keys: Keys) -> Strikes:
    return Strikes(StrikeBook(client, keys), Suppressions(client, keys, b"s" * 32))


def told(event: str, day: float, cls: str = "", rcpt: str = "jo@example.net", **more: str) -> dict[str, str]:
    fields = {"event": event, "tenant": "acme", "rcpt": rcpt, "ts": str(T + int(day * DAY_MS)), "class": cls}
    return fields | {"id": f"m{day}", "campaign": f"c{day}", "reply": "552 5.2.2 full"} | more


async def why(strikes: Strikes, *addresses: str) -> list[str]:
    return await strikes.suppressions.find("acme", "", addresses or ["jo@example.net"])


async def test_a_mailbox_that_stays_full_gets_no_more_mail(strikes: Strikes) -> None:
    for day in (0, 7, 14):
        assert await why(strikes) == [""]
        await strikes.tally([told("bounced", day, "mailbox_full")])
    assert await why(strikes) == ["mailbox_full"]
    (one,) = await SuppressionBook(strikes.suppressions).of("jo@example.net", "acme")
    assert (one.entry.by, one.entry.evidence, one.entry.campaign) == ("engine", "552 5.2.2 full", "c14")


@pytest.mark.parametrize("sign", ["delivered", "opened", "clicked"])
async def test_a_sign_of_life_clears_the_record(strikes: Strikes, sign: str) -> None:
    await strikes.tally([told("bounced", 0, "recipient_disabled"), told(sign, 1)])
    await strikes.tally([told("bounced", 8, "recipient_disabled")])
    await strikes.tally([told(sign, 9, rcpt="Jo@Example.net")])
    await strikes.tally([told("bounced", 16, "recipient_disabled")])
    assert await why(strikes) == [""]
    await strikes.tally([told("bounced", 30, "recipient_disabled")])
    assert await why(strikes) == ["recipient_disabled"]


async def test_events_told_twice_and_repeats_in_one_campaign_count_once(strikes: Strikes) -> None:
    for _ in range(3):
        await strikes.tally([told("bounced", 0, "recipient_disabled", campaign="spring")])
        await strikes.tally([told("bounced", 9, "recipient_disabled", campaign="spring")])
    assert await why(strikes) == [""]


async def test_a_domain_that_can_not_be_found_for_days_is_suppressed_as_a_whole(strikes: Strikes) -> None:
    for day, who in enumerate(("a", "b", "c", "d")):
        await strikes.tally([told("bounced", day, "domain_invalid", rcpt=f"{who}@gone.example")])
    assert await why(strikes, "x@gone.example", "x@other.example") == ["domain_invalid", ""]


async def test_a_delivery_to_anybody_there_shows_that_the_domain_lives(strikes: Strikes) -> None:
    for day in range(6):
        await strikes.tally([told("bounced", day, "domain_invalid", rcpt="a@ill.example")])
        await strikes.tally([told("delivered", day + 0.5, rcpt="b@ill.example")])
    assert await why(strikes, "x@ill.example") == [""]


async def test_null_mx_counts_at_once(strikes: Strikes) -> None:
    await strikes.tally([told("bounced", 0, "domain_invalid", rcpt="a@null.example", status="5.1.10")])
    assert await why(strikes, "b@null.example") == ["domain_invalid"]


async def test_what_expires_in_three_campaigns_is_given_up(strikes: Strikes) -> None:
    for day in (0, 7, 15):
        await strikes.tally([told("expired", day)])
    assert await why(strikes) == ["network"]


async def test_tenants_are_apart_and_other_classes_leave_no_trace(
    strikes: Strikes, client: Client, keys: Keys
) -> None:
    await strikes.tally(
        [told("bounced", 0, "spam_content"), told("delivered", 1), told("deferred", 1, "mailbox_full")]
    )
    assert await client.exists(keys.strikes("acme"), keys.striking) == 0
    await strikes.tally([told("bounced", 0, "mailbox_full"), told("bounced", 7, "mailbox_full")])
    await strikes.tally([told("bounced", 14, "mailbox_full", tenant="globex")])
    assert await why(strikes) == [""]


async def test_old_records_are_swept(strikes: Strikes, client: Client, keys: Keys) -> None:
    await strikes.tally([told("bounced", 0, "policy"), told("bounced", 170, "policy", rcpt="b@example.net")])
    await strikes.book.sweep(T + 200 * DAY_MS)
    assert await client.hlen(keys.strikes("acme")) == 1
