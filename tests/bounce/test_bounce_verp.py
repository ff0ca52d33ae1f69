"""Signed return paths: the local part is all that counts, in any case, and each kind is its own."""

import pytest

from mta.bounce import verp
from mta.message import MessageId
from mta.tracking.token import Keys, Purpose, Token, TokenError, make

KEYS = Keys(0, {0: b"k" * 32})
ID = MessageId(1, 99, 3)
DAY = 20_000


def test_purposes_are_those_of_the_tokens() -> None:
    assert [verp.RETURN, verp.LEAVE] == [Purpose.RETURN, Purpose.UNSUBSCRIBE]


def test_return_path() -> None:
    address = verp.make(KEYS, ID, DAY, "bounces.example.com")
    local, _, domain = address.partition("@")
    assert local == "b." + make(KEYS, Purpose.RETURN, ID, DAY)
    assert domain == "bounces.example.com"
    assert len(local) <= 64
    for form in (local, local.upper(), local.title()):
        assert verp.read(KEYS, form, DAY + 30, 30) == Token(ID, DAY)


def test_unsubscribe_address() -> None:
    local = verp.make_leave(KEYS, ID, DAY, "bounces.example.com").partition("@")[0]
    assert local == "u." + make(KEYS, Purpose.UNSUBSCRIBE, ID, DAY)
    assert verp.read_leave(KEYS, local.upper(), DAY, 1) == Token(ID, DAY)


def test_one_is_not_the_other() -> None:
    back = verp.make(KEYS, ID, DAY, "x").partition("@")[0]
    leave = verp.make_leave(KEYS, ID, DAY, "x").partition("@")[0]
    for read, local in (
        (verp.read, leave),
        (verp.read_leave, back),
        (verp.read, "b." + leave[2:]),
        (verp.read_leave, "u." + back[2:]),
    ):
        with pytest.raises(TokenError):
            read(KEYS, local, DAY, 30)


@pytest.mark.parametrize("local", ["", "b.", "b", "postmaster", "b.abc", "b-" + "a" * 45, "x." + "a" * 45])
def test_other_local_parts(local: str) -> None:
    with pytest.raises(TokenError):
        verp.read(KEYS, local, DAY, 30)


def test_old_return_paths_change_nothing() -> None:
    local = verp.make(KEYS, ID, DAY, "x").partition("@")[0]
    with pytest.raises(TokenError):
        verp.read(KEYS, local, DAY + 31, 30)
