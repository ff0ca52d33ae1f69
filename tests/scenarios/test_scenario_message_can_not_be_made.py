"""A message that can't be made when the server waits for it: set aside, and the rest of the batch is delivered."""

import pytest

from mta.workers import prepare
from tests.scenarios.conftest import World


async def test_the_others_arrive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = await world.peer()
    original = prepare.message

    def message(item, *rest):
        if item.record.rcpt.startswith("two@"):
            raise ValueError("no value for {{name}}")
        return original(item, *rest)

    monkeypatch.setattr(prepare, "message", message)
    await world.put("one@example.net", "two@example.net", "three@example.net")
    await world.start()
    events = {event["rcpt"].partition("@")[0]: event for event in await world.events(3)}
    assert {name: event["event"] for name, event in events.items()} == {
        "one": "delivered", "two": "failed", "three": "delivered",
    }  # fmt: skip
    assert "{{name}}" in events["two"]["why"]
    assert len(peer.messages) == 2
    assert all(event["attempts"] == "1" for name, event in events.items() if name != "two")
