"""Whom a report is about: the signed address, else our signed field in what it returns, else nobody (S11, S12)."""

from typing import Any

import pytest

from mta.message import MessageId
from mta.tracking.token import Keys, Purpose

FORGER = Keys(0, {0: b"f" * 32})


def returned(field: str = "", status: str = "5.1.1", rcpt: str = "bob@example.org") -> bytes:
    """A delivery report that returns the header of a message."""
    return f"""From: MAILER-DAEMON@mx.example.org
Subject: Undelivered
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=b"

--=b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; {rcpt}
Action: failed
Status: {status}
Diagnostic-Code: smtp; 550 {status} User unknown

--=b
Content-Type: text/rfc822-headers

From: news@acme.example
Subject: Hi
{field}
--=b--
""".replace("\n", "\r\n").encode()


def microsoft(field: str = "") -> bytes:
    """Outlook.com's complaint: the mail alone, without return path; the recipient is taken out."""
    return f"""From: staff@provider.example
Subject: complaint about message from 192.0.2.1
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=b"

--=b
Content-Type: message/rfc822

X-HmXmrOriginalRecipient:
From: news@acme.example
To: undisclosed
Subject: Hi
{field}

text
--=b--
""".replace("\n", "\r\n").encode()


async def send(world: Any, address: str, raw: bytes) -> None:
    await world.start()
    async with world.peer() as peer:
        assert (await peer.send("", address, raw)).startswith("250")
    await world.until(lambda: not world.files("new"))


def token(world: Any, purpose: Purpose = Purpose.RETURN, day: int | None = None, keys: Any = None) -> str:
    return (keys or world.keys).make(purpose, world.id, world.day if day is None else day)


def unsigned(world: Any) -> dict[str, str]:
    """Return paths that look like ours and name nobody, by why."""
    good = world.address()
    return {
        "cut": good[:30] + "@b.acme.example",
        "altered": good[:10] + ("a" if good[10] != "a" else "b") + good[11:],
        "a stranger's": world.address(keys=FORGER),
        "of another purpose": world.leave_address().replace("u.", "b.", 1),
        "of days to come": world.address(day=world.day + 3),
    }


@pytest.mark.parametrize("which", ["cut", "altered", "a stranger's", "of another purpose", "of days to come"])
async def test_s11_a_forged_return_path_changes_nothing_and_is_kept_raw(world: Any, which: str) -> None:
    address = unsigned(world)[which]
    await send(world, address, returned())
    (kept,) = world.files("unsigned")
    assert returned() in kept.read_bytes()
    assert b"forged" in kept.read_bytes().partition(b"\n")[0]
    assert (world.redis.items, world.redis.suppressed) == ([], [])
    assert ("reports_total", "forged") in world.counted


async def test_s11_an_old_return_path_changes_nothing_and_is_kept_raw(world: Any) -> None:
    field = f"X-Mta-Report: {token(world, day=world.day - 40)}"  # as old as the address itself
    await send(world, world.address(day=world.day - 31), returned(field))
    assert len(world.files("unsigned")) == 1
    assert (world.redis.items, world.redis.suppressed) == ([], [])
    assert ("reports_total", "old") in world.counted


@pytest.mark.parametrize("address", ["postmaster@acme.example", "fbl@acme.example", "abuse@acme.example"])
async def test_s11_a_report_on_somebody_elses_mail_is_kept_for_a_person(world: Any, address: str) -> None:
    await send(world, address, returned(f"X-Mta-Report: {token(world, keys=FORGER)}"))
    assert len(world.files("postmaster")) == 1
    assert (world.redis.items, world.redis.suppressed) == ([], [])
    assert ("reports_total", "foreign") in world.counted


async def test_s11_a_recipient_named_inside_never_overrides_the_signed_one(world: Any) -> None:
    await send(world, world.address(), returned(rcpt="victim@example.net"))
    ((_, told),) = world.redis.items
    assert told["rcpt"] == "bob@example.org"
    assert [row[2] for row in world.redis.suppressed] == ["bob@example.org"]


async def test_s11_a_report_that_quotes_another_tenants_mail_is_about_the_signed_one(world: Any) -> None:
    other = MessageId(1, 600, 7)
    world.people[other] = world.people[world.id].__class__(
        other, "inv.0", "globex", "", "", "carol@example.net", "", {}, 1
    )
    quoted = world.keys.make(Purpose.RETURN, other, world.day)
    await send(world, world.address(), returned(f"Return-Path: <b.{quoted}@b.globex.example>"))
    assert {told["tenant"] for _, told in world.redis.items} == {"acme"}
    assert {row[0] for row in world.redis.suppressed} == {"acme"}


@pytest.mark.parametrize("field", ["X-Mta-Report: {0}", "List-Unsubscribe: <mailto:u.{1}@b.acme.example>"])
@pytest.mark.parametrize("where", ["mangled", "postmaster", "fbl@acme.example"])
async def test_our_own_field_serves_where_the_address_was_mangled(world: Any, where: str, field: str) -> None:
    address = unsigned(world)["cut"] if where == "mangled" else where
    line = field.format(token(world), token(world, Purpose.UNSUBSCRIBE))
    await send(world, address, returned(line, rcpt="somebody@else.example"))
    ((_, told),) = world.redis.items
    assert (told["event"], told["rcpt"]) == ("bounced", "bob@example.org")
    assert [row[:3] for row in world.redis.suppressed] == [("acme", "", "bob@example.org")]
    assert world.files("unsigned") + world.files("postmaster") == []


async def test_a_link_that_somebody_quotes_is_no_field_of_ours(world: Any) -> None:
    """Tokens of links and pages travel: who has one has not shown that the mail came back."""
    await send(world, unsigned(world)["cut"], returned(f"X-Mta-Report: {token(world, Purpose.VIEW)}"))
    assert (world.redis.items, len(world.files("unsigned"))) == ([], 1)


async def test_what_a_relay_wraps_around_a_return_path_does_no_harm(world: Any) -> None:
    local, _, domain = world.address().partition("@")
    await send(world, f"prvs=1234567890={local}@{domain}", returned())
    assert [told["rcpt"] for _, told in world.redis.items] == ["bob@example.org"]


@pytest.mark.parametrize("purpose", [Purpose.RETURN, Purpose.UNSUBSCRIBE])
async def test_s12_a_complaint_without_address_and_recipient_is_known_by_our_field(
    world: Any, purpose: Purpose
) -> None:
    await send(world, "fbl@acme.example", microsoft(f"X-Mta-Report: {token(world, purpose)}"))
    ((_, told),) = world.redis.items
    assert (told["event"], told["rcpt"]) == ("complained", "bob@example.org")
    assert world.redis.suppressed == [("acme", "", "bob@example.org", "complained", "report")]


@pytest.mark.parametrize("field", ["", "X-Mta-Report: {}", "X-Mta-Report: " + "a" * 45])
async def test_s12_a_complaint_without_our_signed_field_suppresses_nobody(world: Any, field: str) -> None:
    await send(world, "fbl@acme.example", microsoft(field.format(token(world, keys=FORGER))))
    assert (world.redis.items, world.redis.suppressed) == ([], [])
    assert len(world.files("postmaster")) == 1


async def test_s10_nothing_is_ever_answered_by_mail(world: Any) -> None:
    """A refusal is said in the session; whoever is named as the sender hears nothing."""
    await world.start()
    async with world.peer() as peer:
        assert (await peer.say("MAIL FROM:<victim@example.net>")).startswith("250")
        assert (await peer.say("RCPT TO:<nobody@acme.example>")).startswith("550 5.1.1")
        assert (await peer.say("DATA")).startswith("503")
        assert (await peer.say("RCPT TO:<postmaster@acme.example>")).startswith("250")
    assert world.redis.items == []
    assert world.files("new") == []


async def test_s10_auto_replies_to_auto_replies_and_loops_end_here(world: Any) -> None:
    loop = "".join(f"Received: from a{n} by b{n}\r\n" for n in range(120))
    for number, raw in enumerate(
        (
            "Auto-Submitted: auto-replied\r\nSubject: Re: Re: I am away\r\n\r\nso am I",
            loop + "Auto-Submitted: auto-replied\r\nSubject: out\r\n\r\nof office",
            "Precedence: bulk\r\nX-Autoreply: yes\r\nSubject: Automatic reply: Automatic reply\r\n\r\n.",
        )
    ):
        await world.stop()
        world.now += number
        await send(world, world.address(), b"From: jo@x.example\r\n" + raw.encode())
    assert (world.redis.items, world.redis.suppressed) == ([], [])
    assert world.counted.count(("reports_total", "auto_reply")) == 3
