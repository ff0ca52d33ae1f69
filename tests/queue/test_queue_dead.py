"""Dead letters have an age and a size."""

import pytest

from mta.queue import upkeep
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.upkeep import DEAD_MS, Upkeep

NOW = 1_800_000_000_000


async def test_dead_letters_go_after_fourteen_days(client: Client, keys: Keys) -> None:
    for age in (DEAD_MS + 1, DEAD_MS - 1, 0):
        await client.xadd(keys.dead, {"why": "x"}, id=f"{NOW - age}-1")
    assert await Upkeep(client, keys).trim_dead(NOW) == 1
    assert await client.xlen(keys.dead) == 2


async def test_dead_letters_are_held_to_a_size(
    client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "DEAD_BYTES", 100_000)
    for number in range(100):
        await client.xadd(keys.dead, {"data": "x" * 5000}, id=f"{NOW + number}-1")
    await Upkeep(client, keys).trim_dead(NOW)
    left = await client.xrange(keys.dead)
    assert 0 < len(left) <= 50
    assert left[-1][0] == f"{NOW + 99}-1".encode(), "the newest stay"


async def test_no_dead_letters_is_no_fault(client: Client, keys: Keys) -> None:
    assert await Upkeep(client, keys).trim_dead(NOW) == 0
