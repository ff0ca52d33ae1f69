"""Senders who asked are told once, by the engine's own queue; nobody else is, and nobody of a notification."""

import base64
import json

import msgspec
import pytest

from mta.bounce import report
from mta.ingest.checked import Message
from mta.ingest.entry import Submission, read
from mta.keeper.notifier import LATE_MS, Notifier
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.notifybook import KEEP_MS, NotifyBook, Wish
from mta.queue.producer import Producer

NOW = 1_800_000_000_000
WISH = Wish(
    ["failure", "delay", "success"], "desk@acme.example", "transactional", "billing@acme.example",
    "<inv.acme@acme.example>", "Your invoice", NOW, NOW + 86_400_000,
)  # fmt: skip
BOUNCED = {
    "event": "bounced", "eid": "acme/inv.0/bounced/1", "ts": str(NOW + 5000), "tenant": "acme", "id": "inv.0",
    "rcpt": "jo@example.net", "code": "550", "status": "5.1.1", "reply": "5.1.1 no such user",
    "mx": "mx.example.net [192.0.2.1]", "class": "recipient_unknown",
}  # fmt: skip


class Post:
    def __init__(self, client: Client, keys: Keys) -> None:
        self.client, self.keys = client, keys
        self.book = NotifyBook(client, keys)
        self.notifier = Notifier(self.book, Producer(client, keys, 1000), "mx.platform.example")

    async def sent(self) -> list[dict[str, str]]:
        rows = await self.client.xrange(f"{self.keys.prefix}submit:transactional")
        return [{name.decode(): value.decode() for name, value in fields.items()} for _, fields in rows]


@pytest.fixture
async def post(client: Client, keys: Keys) -> Post:
    post = Post(client, keys)
    await post.book.ask("acme", "inv", WISH)
    return post


async def test_a_failure_is_told_as_a_report_that_nobody_answers(post: Post) -> None:
    assert await post.notifier.tell([BOUNCED]) == 1
    (entry,) = await post.sent()
    accepted = read({name.encode(): value.encode() for name, value in entry.items()}, "transactional")
    assert isinstance(accepted, Submission)
    message = accepted.document
    assert isinstance(message, Message)
    assert (message.null_sender, message.envelope_from, message.notify) == (True, None, ())
    document = json.loads(entry["data"])
    assert document["to"] == ["desk@acme.example"]
    assert document["from"] == "mailer-daemon@acme.example"
    (found,) = report.read(base64.b64decode(document["raw"]))
    assert (found.kind, found.recipient, found.code, found.status) == (
        "bounce",
        "jo@example.net",
        550,
        "5.1.1",
    )


async def test_the_same_event_twice_is_the_same_submission(post: Post) -> None:
    for _ in range(2):
        await post.notifier.tell([BOUNCED])
    first, second = await post.sent()
    assert first == second  # key and bytes: ingest takes it once


@pytest.mark.parametrize(
    "changed",
    [
        {"tenant": "other"},
        {"id": "other.0"},
        {"campaign": "spring"},
        {"event": "opened"},
        {"event": "deferred", "delay_ms": str(LATE_MS - 1)},
    ],
)
async def test_who_did_not_ask_is_not_told(post: Post, changed: dict[str, str]) -> None:
    assert await post.notifier.tell([BOUNCED | changed]) == 0
    assert await post.sent() == []


async def test_only_what_was_asked_for_is_told(client: Client, keys: Keys) -> None:
    post = Post(client, keys)
    assert await post.notifier.tell([BOUNCED]) == 0
    await post.book.ask("acme", "inv", msgspec.structs.replace(WISH, on=["success"]))
    assert await post.notifier.tell([BOUNCED]) == 0
    assert await post.notifier.tell([BOUNCED | {"event": "delivered", "code": "250", "status": "2.0.0"}]) == 1


async def test_a_delay_is_told_once_per_recipient(post: Post) -> None:
    late = BOUNCED | {"event": "deferred", "delay_ms": str(LATE_MS), "code": "451", "status": "4.2.0"}
    again = late | {"eid": "acme/inv.0/deferred/2", "delay_ms": str(2 * LATE_MS)}
    other = late | {"eid": "acme/inv.1/deferred/1", "id": "inv.1"}
    assert [await post.notifier.tell([one]) for one in (late, again, other)] == [1, 0, 1]


async def test_a_suppressed_recipient_is_a_failure(post: Post) -> None:
    told = {key: BOUNCED[key] for key in ("eid", "ts", "tenant", "id", "rcpt")}
    assert await post.notifier.tell([told | {"event": "suppressed", "reason": "complained"}]) == 1
    raw = base64.b64decode(json.loads((await post.sent())[0]["data"])["raw"])
    assert b"on a suppression list (complained)" in raw


async def test_wishes_are_forgotten_when_the_message_is_over(post: Post) -> None:
    await post.book.first_delay("acme", "inv.0", WISH.expires + KEEP_MS)
    assert await post.book.sweep(WISH.expires + KEEP_MS - 1) == 0
    assert await post.book.sweep(WISH.expires + KEEP_MS + 1) == 2
    assert await post.client.keys("mta:*notify") == []
