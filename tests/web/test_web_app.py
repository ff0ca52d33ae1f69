"""Beacons, links, unsubscribe and view pages: over real HTTP."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mta.message import MessageId
from mta.tenancy import Profile
from mta.tracking.token import Keys, Purpose

FORGER = Keys(1, {1: b"f" * 32})
GOOD_TARGET = "https://acme.example/?a=1&b=%20c#d"


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


def bad_tokens(world: Any, purpose: Purpose) -> list[str]:
    good = world.token(purpose)
    other = next(one for one in Purpose if one is not purpose)
    return [
        world.token(other),
        world.token(purpose, keys=FORGER),
        world.token(purpose, day=world.day + 5),
        world.token(purpose, id=MessageId(0, 1, 1)),  # genuine, of nobody
        good[:-1] + ("a" if good[-1] != "a" else "q"),
        good[:-1],
        good + "a",
        "x",
        "%2e%2e%2f",
    ]


async def test_a_beacon_is_a_picture_and_an_event(world: Any) -> None:
    token = world.token(Purpose.OPEN)
    agent = {"User-Agent": "Mail\tApp/1 " + "x" * 500}
    async with world.get(f"/o/{token}.gif", headers=agent) as answer:
        body = await answer.read()
        assert answer.status == 200
        assert answer.content_type == "image/gif"
        assert len(body) == 43
        assert body.startswith(b"GIF89a")
        assert "no-store" in answer.headers["Cache-Control"]
        assert "Set-Cookie" not in answer.headers
        assert "Server" not in answer.headers
    await until(lambda: world.redis.items)
    ((shard, told),) = world.redis.items
    assert shard == 3
    assert told["agent"].startswith("Mail?App/1 xxx") or told["agent"].startswith("Mail App/1")
    assert len(told.pop("agent")) <= 300
    assert told == {
        "v": "1", "event": "opened", "eid": f"{token}/opened/{int(world.now)}", "ts": str(int(world.now * 1000)),
        "id": "spring.x.4", "tenant": "acme", "campaign": "spring", "rcpt": "bob@example.org", "ref": "u-771",
        "ip": "127.0.0.0",
    }  # fmt: skip


async def test_a_beacon_is_a_picture_whatever_the_token_and_then_no_event(world: Any) -> None:
    for token in [*bad_tokens(world, Purpose.OPEN), world.token(Purpose.OPEN, day=world.day - 500)]:
        for path in (f"/o/{token}.gif", f"/o/{token}", "/o/"):
            async with world.get(path) as answer:
                assert (answer.status, answer.content_type, len(await answer.read())) == (
                    200,
                    "image/gif",
                    43,
                )
    world.broken = True
    async with world.get(f"/o/{world.token(Purpose.OPEN)}.gif") as answer:
        assert answer.status == 200
    world.broken = False
    async with world.head(f"/o/{world.token(Purpose.OPEN)}.gif") as answer:
        assert answer.status == 200
    await asyncio.sleep(0.15)
    assert world.redis.items == []


async def test_a_link_leads_to_its_target_byte_for_byte(world: Any) -> None:
    token = world.token(Purpose.CLICK)
    async with world.get(f"/c/{token}/0", headers={"User-Agent": "Mozilla/5.0"}) as answer:
        assert answer.status == 302
        assert answer.headers["Location"] == GOOD_TARGET
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    await until(lambda: world.redis.items)
    (told,) = world.redis.events
    assert (told["event"], told["url"], told["link"], told["proxy"]) == ("clicked", GOOD_TARGET, "0", "apple")
    async with world.head(f"/c/{token}/0") as answer:
        assert (answer.status, answer.headers["Location"]) == (302, GOOD_TARGET)
    async with world.get(f"/c/{token.upper()}/0") as answer:  # some receivers fold case
        assert answer.status == 302
    await until(lambda: len(world.redis.items) == 2)
    assert world.redis.events[1]["eid"] == told["eid"]


async def test_a_target_outside_ascii_is_sent_encoded(world: Any) -> None:
    world.links[1] = "https://acme.example/größe?x=é%20"
    async with world.get(f"/c/{world.token(Purpose.CLICK)}/1") as answer:
        assert answer.headers["Location"] == "https://acme.example/gr%C3%B6%C3%9Fe?x=%C3%A9%20"


async def test_no_forged_expired_or_foreign_token_ever_redirects(world: Any) -> None:
    tokens = [*bad_tokens(world, Purpose.CLICK), world.token(Purpose.CLICK, day=world.day - 401)]
    nobody = world.token(Purpose.CLICK, id=MessageId(0, 1, 1))
    paths = [f"/c/{token}/0" for token in tokens]
    good = world.token(Purpose.CLICK)
    paths += [
        f"/c/{good}/{tail}" for tail in ("1", "00000", "-1", "x", "", "0/https://evil.example", "0%0d%0aX: y")
    ]
    paths += [
        f"/c/{good}",
        "/c/",
        f"/c/{good}/9?url=https://evil.example",
        "//evil.example",
        "/https://evil.example",
    ]
    for path in paths:
        async with world.get(path) as answer:
            assert answer.status == (410 if path == f"/c/{nobody}/0" else 404), path
            assert "Location" not in answer.headers
            assert "evil" not in await answer.text()
    await asyncio.sleep(0.15)
    assert world.redis.items == []


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(1)", "data:text/html,x", "//evil.example", "/path", "ftp://x/", "https:\\\\evil.example",
        "https://ok.example/\r\nSet-Cookie: a=b", "https://ok.example/\x00", "https://a\\@b/", " https://x", "",
        "https://x/" + "a" * 5000,
    ],
)  # fmt: skip
async def test_a_target_that_is_no_plain_web_address_is_not_followed(world: Any, target: str) -> None:
    world.links[2] = target
    async with world.get(f"/c/{world.token(Purpose.CLICK)}/2") as answer:
        assert answer.status == 404
        assert "Location" not in answer.headers


async def test_one_tenants_host_does_not_serve_anothers_tokens(world: Any) -> None:
    world.hosts = {"t.acme.example"}
    path = f"/c/{world.token(Purpose.CLICK)}/0"
    async with world.get(path, headers={"Host": "t.other.example"}) as answer:
        assert answer.status == 404
    async with world.get(path, headers={"Host": "T.Acme.example:8443"}) as answer:
        assert answer.status == 302


async def test_looking_at_the_unsubscribe_page_changes_nothing(world: Any) -> None:
    path = f"/u/{world.token(Purpose.UNSUBSCRIBE)}"
    async with world.get(path) as answer:
        text = await answer.text()
        assert answer.status == 200
        assert '<form method="post">' in text
        assert text.count("<button") == 1
        assert "b***@example.org" in text
        assert "bob@example.org" not in text
        assert "Acme &lt;b&gt;News&lt;/b&gt; (news@acme.example)" in text
        assert 'name="viewport"' in text
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    async with world.head(path) as answer:
        assert answer.status == 200
    await asyncio.sleep(0.15)
    assert world.redis.items == []
    assert world.redis.suppressed == []


@pytest.mark.parametrize(
    "body, kind, via",
    [
        ("List-Unsubscribe=One-Click", "application/x-www-form-urlencoded", "post"),
        (
            '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
            "post",
        ),
        ("List-Unsubscribe=One-Click", "text/plain", "post"),
        ("via=link", "application/x-www-form-urlencoded", "link"),
        ("", "application/x-www-form-urlencoded", "link"),
    ],
)
async def test_one_post_unsubscribes(world: Any, body: str, kind: str, via: str) -> None:
    path = f"/u/{world.token(Purpose.UNSUBSCRIBE, day=world.day - 600)}"  # however old
    async with world.post(path, data=body, headers={"Content-Type": kind}) as answer:
        assert answer.status == 200
        assert "Set-Cookie" not in answer.headers
        assert "You are unsubscribed" in await answer.text()
    assert world.redis.suppressed == [("acme", "customers", "bob@example.org", "unsubscribed", "recipient")]
    (told,) = world.redis.events
    assert (told["event"], told["via"], told["list"], told["id"]) == (
        "unsubscribed",
        via,
        "customers",
        "spring.x.4",
    )
    async with world.post(path, data=body, headers={"Content-Type": kind}) as answer:
        assert answer.status == 200
    assert len(world.redis.events) == 1  # asked again, told once


async def test_a_list_not_in_the_archive_is_read_from_the_campaign(world: Any) -> None:
    world.recipients[world.bob.id] = replace(world.bob, list_="")
    async with world.post(f"/u/{world.token(Purpose.UNSUBSCRIBE)}", data="x") as answer:
        assert answer.status == 200
    assert world.redis.suppressed[0][1] == "customers"


async def test_a_post_with_a_token_that_is_not_valid_changes_nothing(world: Any) -> None:
    for token in bad_tokens(world, Purpose.UNSUBSCRIBE):
        async with world.post(f"/u/{token}", data="List-Unsubscribe=One-Click") as answer:
            assert answer.status in (404, 410)
    assert world.redis.suppressed == []


async def test_a_genuine_link_of_a_message_long_gone_says_so(world: Any) -> None:
    world.recipients.clear()
    for purpose, letter in ((Purpose.UNSUBSCRIBE, "u"), (Purpose.VIEW, "v")):
        async with world.get(f"/{letter}/{world.token(purpose)}") as answer:
            assert answer.status == 410
            assert "no longer kept" in await answer.text()


async def test_an_unsubscribe_while_redis_is_away_is_kept_and_carried_out_later(world: Any) -> None:
    world.redis.away = True
    async with world.post(
        f"/u/{world.token(Purpose.UNSUBSCRIBE)}", data="List-Unsubscribe=One-Click"
    ) as answer:
        assert answer.status == 200
    assert (world.folder / "web.ndjson").exists()
    world.redis.away = False
    await until(lambda: world.redis.items)
    assert world.redis.suppressed == [("acme", "customers", "bob@example.org", "unsubscribed", "recipient")]
    await until(lambda: not (world.folder / "web.ndjson").exists())


async def test_an_unsubscribe_that_can_not_be_kept_is_not_confirmed(world: Any) -> None:
    world.redis.away = True
    world.folder.parent.mkdir(exist_ok=True)
    world.folder.write_text("a file where the folder should be")
    async with world.post(
        f"/u/{world.token(Purpose.UNSUBSCRIBE)}", data="List-Unsubscribe=One-Click"
    ) as answer:
        assert answer.status == 503


async def test_redirects_go_on_while_redis_is_away_and_no_event_is_lost(world: Any) -> None:
    world.redis.away = True
    for _ in range(3):
        async with world.get(f"/c/{world.token(Purpose.CLICK)}/0") as answer:
            assert answer.status == 302
        await asyncio.sleep(0.12)
    assert world.redis.events == []
    world.redis.away = False
    await until(lambda: len(world.redis.events) == 3)


async def test_the_view_page_is_shown_without_script_or_origin(world: Any) -> None:
    path = f"/v/{world.token(Purpose.VIEW)}"
    async with world.get(path) as answer:
        assert answer.status == 200
        assert await answer.text() == world.rendered
        policy = answer.headers["Content-Security-Policy"]
        assert re.match(r"sandbox (?!.*allow-scripts)(?!.*allow-same-origin)", policy)
        assert "script-src" not in policy
    world.rendered = None
    async with world.get(path) as answer:
        assert answer.status == 410
    async with world.get(f"/v/{world.token(Purpose.VIEW, day=world.day - 401)}") as answer:
        assert answer.status == 410
    async with world.get(f"/v/{world.token(Purpose.VIEW, keys=FORGER)}") as answer:
        assert answer.status == 404


async def test_a_tenant_decides_what_is_told_of_its_readers(world: Any) -> None:
    open_, click = f"/o/{world.token(Purpose.OPEN)}.gif", f"/c/{world.token(Purpose.CLICK)}/0"
    world.profile = Profile("acme", ip="drop", opens=False)
    async with world.get(open_) as one, world.get(click) as two:
        assert (one.status, two.status) == (200, 302)
    await until(lambda: world.redis.items)
    await asyncio.sleep(0.12)
    (told,) = world.redis.events
    assert told["event"] == "clicked"
    assert "ip" not in told


async def test_health_readiness_metrics_and_counts(world: Any) -> None:
    async with world.get("/healthz") as answer:
        assert (answer.status, await answer.text()) == (200, "ok\n")
    async with world.get("/readyz") as answer:
        assert answer.status == 200
    world.why = "Redis is away"
    async with world.get("/readyz") as answer:
        assert (answer.status, await answer.text()) == (503, "Redis is away\n")
    async with world.get("/metrics") as answer:
        assert await answer.text() == "mta_build_info 1\n"
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    async with world.get("/nothing/here") as answer:
        assert answer.status == 404
        assert "Nothing here" in await answer.text()
    assert ("ready", "503") in world.counted
    assert ("unknown", "404") in world.counted


async def test_wrong_methods_and_large_bodies_are_refused(world: Any) -> None:
    path = f"/u/{world.token(Purpose.UNSUBSCRIBE)}"
    async with world.post(f"/c/{world.token(Purpose.CLICK)}/0") as answer:
        assert answer.status == 405
    async with world.post(path, data=b"x" * 100_000) as answer:
        assert answer.status == 413
    assert world.redis.suppressed == []


async def test_a_fault_behind_a_link_is_no_stack_trace(world: Any) -> None:
    world.broken = True
    async with world.get(f"/c/{world.token(Purpose.CLICK)}/0") as answer:
        assert answer.status == 503
        assert "Traceback" not in await answer.text()
