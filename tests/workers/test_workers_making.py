"""Messages that are made together: each as it would be alone, faults included, whatever becomes of the session."""

import re
from hashlib import sha256

import dkim
import pytest

from mta.dkim.generate import generate
from mta.dkim.key import load
from mta.dkim.record import dns_record
from mta.workers import prepare
from mta.workers.worker import Worker
from tests.dkim.test_dkim_multibuffer import KEYS, Plain
from tests.scenarios.conftest import SOON, World
from tests.scenarios.peer import Conversation

PEM = generate("rsa")
SIGNER = load("acme.example", "s1", PEM)


async def start(world: World, **more: object) -> tuple[Worker, Plain]:
    folder = world.folder / "dkim" / "acme.example"
    folder.mkdir(parents=True)
    (folder / "s1.pem").write_bytes(PEM)
    assert SIGNER._rsa is not None
    plain = Plain(SIGNER._rsa, *KEYS.values())
    worker = await world.start(**more)  # type: ignore[arg-type]
    worker.doors.multibuffer = plain  # type: ignore[assignment]
    return worker, plain


def recipient(message: bytes) -> str:
    found = re.search(rb"^To: .*?(\w+)@example.net", message, re.MULTILINE)
    assert found is not None, message
    return found[1].decode()


def verified(message: bytes) -> bool:
    return bool(dkim.verify(message, dnsfunc=lambda name, timeout=5: dns_record(SIGNER).encode()))


async def test_a_batch_shares_its_calls_and_each_has_its_own_signature(world: World) -> None:
    peer = await world.peer()
    await world.put(*(f"u{number}@example.net" for number in range(40)))
    _, plain = await start(world)
    await world.events(40, "delivered")
    assert {recipient(one) for one in peer.messages} == {f"u{number}" for number in range(40)}
    assert all(verified(one) for one in peer.messages)
    assert len({sha256(one).digest() for one in peer.messages}) == 40
    assert plain.calls, "batches of eight wait on one session"


async def test_what_can_not_be_made_costs_none_of_those_it_was_made_with(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await world.peer()
    draft = prepare.draft

    def broken(item, *rest):
        if item.record.rcpt.startswith("u3@"):
            raise ValueError("no value for {{name}}")
        return draft(item, *rest)

    monkeypatch.setattr(prepare, "draft", broken)
    await world.put(*(f"u{number}@example.net" for number in range(8)))
    _, plain = await start(world)
    events = {one["rcpt"].partition("@")[0]: one for one in await world.events(8)}
    assert {name for name, one in events.items() if one["event"] == "failed"} == {"u3"}
    assert "{{name}}" in events["u3"]["why"]
    assert len(peer.messages) == 7
    assert all(verified(one) for one in peer.messages)
    assert plain.calls


async def test_a_session_that_ends_takes_nothing_with_it(world: World) -> None:
    """What was made for its batch is made again in another session."""
    ended = 0

    async def leaves(one: Conversation) -> None:
        nonlocal ended
        if ended < 3 and len(one.messages) == 2:
            ended += 1
            one.writer.close()
            return
        await one.say(b"250 2.0.0 kept\r\n")

    peer = await world.peer(dot=leaves)
    await world.put(*(f"u{number}@example.net" for number in range(16)))
    await start(world, schedule=SOON)
    await world.events(16, "delivered")
    assert {recipient(one) for one in peer.messages} == {f"u{number}" for number in range(16)}
    assert all(verified(one) for one in peer.messages)
