"""A multi-line reply cut by EOF is no reply: as a reset at that stage."""

import pytest

from tests.scenarios.conftest import World
from tests.scenarios.peer import Move


@pytest.mark.parametrize("where, unsure", [("mail", False), ("rcpt", False), ("dot", True)])
@pytest.mark.parametrize("half", [b"250-2.0.0 fine\r\n", b"250 2.0.0 fi", b"550-5.1.1 no\r\n"])
async def test_it_decides_nothing(world: World, where: str, unsure: bool, half: bytes) -> None:
    await world.peer(**{where: (half, Move.CLOSE)})
    await world.put("one@example.net")
    await world.start()
    event = await world.outcome(event="deferred", code="451")
    assert ("more than once" in event["reply"]) == unsure
