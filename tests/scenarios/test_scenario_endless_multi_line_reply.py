"""A reply of a million "250-" lines: what is kept is capped, the session ends, the message waits."""

import pytest

from tests.scenarios.conftest import World


@pytest.mark.parametrize("where", ["rcpt", "dot"])
async def test_it_is_a_fault(world: World, where: str) -> None:
    await world.peer(**{where: b"250-and more\r\n" * 1_000_000})
    await world.put("one@example.net")
    await world.start()
    event = await world.outcome(event="deferred", code="451")
    assert "longer than" in event["reply"]
    assert ("more than once" in event["reply"]) == (where == "dot")
    assert len(event["reply"]) <= 512
