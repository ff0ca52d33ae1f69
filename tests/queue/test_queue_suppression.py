"""The suppression lists: scopes, whole domains, what Redis may know, and the way in and out."""

import pytest

from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.suppression import Suppressions
from mta.queue.suppression_book import SuppressionBook

SECRET = b"s" * 32
T = 1_779_840_000_000


@pytest.fixture
def lists(client: Client, keys: Keys) -> Suppressions:
    return Suppressions(client, keys, SECRET, sealing=True)


async def test_entries_hold_in_their_scope_alone(lists: Suppressions) -> None:
    await lists.add("acme", "customers", ["jo@example.net"], "unsubscribed", "web", T)
    await lists.add("acme", "", ["eve@example.net"], "recipient_unknown", "engine", T)
    await lists.add("", "", ["root@example.net"], "asked us", "operator", T)
    asked = ["Jo@Example.NET", "eve@example.net", "root@example.net", "bob@example.net"]
    assert await lists.find("acme", "customers", asked) == [
        "unsubscribed",
        "recipient_unknown",
        "asked us",
        "",
    ]
    assert await lists.find("acme", "staff", asked) == ["", "recipient_unknown", "asked us", ""]
    assert await lists.find("globex", "customers", asked) == ["", "", "asked us", ""]
    assert await lists.find("acme", "customers", asked, bulk=False) == [
        "",
        "recipient_unknown",
        "asked us",
        "",
    ]
    assert await lists.remove("acme", "", ["EVE@example.net", "x@y.example"]) == 1
    assert await lists.find("acme", "", asked) == ["", "", "asked us", ""]


async def test_a_whole_domain_can_be_suppressed(lists: Suppressions) -> None:
    await lists.add("acme", "", ["@dead.example"], "domain_invalid", "engine", T)
    asked = ["a@dead.example", "b@Dead.example", "c@live.example", "d@sub.dead.example"]
    assert await lists.find("acme", "", asked) == ["domain_invalid", "domain_invalid", "", ""]
    assert await lists.find("globex", "", asked) == [""] * 4
    await lists.remove("acme", "", ["@dead.example"])
    assert await lists.find("acme", "", asked) == [""] * 4


async def test_redis_alone_tells_nobodys_address(lists: Suppressions, client: Client, keys: Keys) -> None:
    await lists.add(
        "acme", "", ["jo@example.net"], "unknown", "report", T, "550 <jo@example.net>: unknown", "spring"
    )
    stored = b"".join(x for row in (await client.hgetall(keys.suppression("acme", ""))).items() for x in row)
    assert b"example" not in stored
    (one,) = [entry async for entry in SuppressionBook(lists).every("acme")]
    assert (one.address, one.entry.evidence, one.entry.campaign) == (
        "jo@example.net", "550 <(address)>: unknown", "spring",
    )  # fmt: skip
    other = SuppressionBook(Suppressions(client, keys, b"t" * 32))
    (one,) = [entry async for entry in other.every("acme")]
    assert one.address == ""


async def test_without_sealing_no_address_is_kept(client: Client, keys: Keys) -> None:
    lists = Suppressions(client, keys, SECRET, sealing=False)
    await lists.add("acme", "", ["jo@example.net"], "manual", "jo", T)
    (one,) = [entry async for entry in SuppressionBook(lists).every("acme")]
    assert (one.address, one.digest) == ("", lists.digest("jo@example.net"))
    assert await lists.find("acme", "", ["jo@example.net"]) == ["manual"]


async def test_an_entry_of_an_earlier_release_is_read(
    lists: Suppressions, client: Client, keys: Keys
) -> None:
    import msgspec

    old = msgspec.msgpack.encode(["manual", "jo", T])
    await client.hset(keys.suppression("acme", ""), lists.digest("jo@example.net"), old)
    assert await lists.find("acme", "", ["jo@example.net"]) == ["manual"]


async def test_a_person_sees_all_that_holds_of_an_address(lists: Suppressions) -> None:
    await lists.add("acme", "customers", ["jo@example.net"], "unsubscribed", "web", T)
    await lists.add("acme", "", ["@example.net"], "domain_invalid", "engine", T)
    await lists.add("", "", ["jo@example.net"], "asked us", "operator", T)
    await lists.add("globex", "", ["jo@example.net"], "complained", "report", T)
    book = SuppressionBook(lists)
    found = [
        (one.tenant, one.list_, one.address, one.entry.reason)
        for one in await book.of("Jo@example.net", "acme")
    ]
    assert found == [
        ("", "", "Jo@example.net", "asked us"),
        ("acme", "", "@example.net", "domain_invalid"),
        ("acme", "customers", "Jo@example.net", "unsubscribed"),
    ]
    assert len(await book.of("jo@example.net")) == 4
    assert await book.of("nobody@x.example") == []


async def test_a_large_list_comes_out_whole(lists: Suppressions) -> None:
    wanted = {f"u{number}@example.net" for number in range(3000)}
    await lists.add("acme", "", sorted(wanted), "manual", "jo", T)
    assert {one.address async for one in SuppressionBook(lists).every("acme", "")} == wanted


async def test_changes_are_dated_by_tenant(lists: Suppressions) -> None:
    assert await lists.changed(["acme", ""]) == [0, 0]
    await lists.add("acme", "customers", ["jo@example.net"], "manual", "jo", 5)
    changed, platform = await lists.changed(["acme", ""])
    assert changed > T
    assert platform == 0
