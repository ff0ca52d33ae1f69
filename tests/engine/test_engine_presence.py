"""Sources whose addresses this host does not have are left out, and taken in when they come."""

import logging

import pytest

from mta.daemon.presence import Presence
from mta.net.local import is_local
from mta.throttle.pools import Source, pools_of

SOURCES = {"a": Source("a", "192.0.2.1"), "b": Source("b", "192.0.2.2", "2001:db8::2")}
POOLS = pools_of(SOURCES, {"both": {"a": 1.0, "b": 1.0}, "one": {"b": 1.0}})


def test_a_source_is_here_when_all_its_addresses_are(caplog: pytest.LogCaptureFixture) -> None:
    here = {"192.0.2.1", "192.0.2.2"}
    presence = Presence(here.__contains__)
    with caplog.at_level(logging.INFO, "mta"):
        assert presence.look(POOLS)
        assert not presence.look(POOLS)
        assert presence.absent == {"b"}
        here.add("2001:db8::2")
        assert presence.look(POOLS)
    assert presence.absent == frozenset()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "192.0.2.2 and 2001:db8::2 can't be bound" in caplog.text


def test_what_is_not_here_is_told_with_every_take() -> None:
    wire = pools_of(SOURCES, {"both": {"a": 1.0}, "one": {"b": 1.0}}).without({"b"}).wire
    assert wire == {"both": "a", "one": ""}
    assert POOLS.without({"b"}).wire == {
        "both": [["a", 1.0, 0, 1], ["b", 1.0, 0, 0]], "one": [["b", 1.0, 0, 0]],
    }  # fmt: skip


def test_loopback_is_local_and_an_address_of_the_books_is_not() -> None:
    assert is_local("127.0.0.1")
    assert not is_local("192.0.2.77")
    assert not is_local("2001:db8::77")
