"""The cluster bench at its smallest: a whole engine on six nodes, a primary killed, a slot moved, the books exact."""

import pytest

from bench.cluster import homes, run
from mta.queue.keys import Keys
from mta.queue.slots import SLOTS, View


@pytest.mark.timeout(150)
def test_the_books_are_exact_through_a_fail_over_and_a_slot_move() -> None:
    found = run(300)
    assert found["faults"] == []
    assert found["ok"]
    assert found["books"]["sums"]["delivered"] == found["messages"] == 900
    assert found["duplicates"] <= found["open_dots"]
    phases = {one["name"]: one for one in found["phases"]}
    assert phases["fail-over"]["killed_shards"]
    assert phases["slot-move"]["moved_keys"] > 0
    assert set(phases["undisturbed"]["node_us_per_message"])
    assert sum(map(len, found["shards"].values())) == 6


def test_each_shard_has_a_home() -> None:
    view = View.read([[0, 8191, [b"a", 1, b""]], [8192, SLOTS - 1, [b"b", 2, b""]]], "me")
    held = homes(view, Keys(shards=16))
    assert sorted(shard for shards in held.values() for shard in shards) == list(range(16))
    assert all(held.values()), "sixteen shards reach both"
