"""Tokens: only what we signed, for this purpose, within its days."""

from base64 import b32encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mta.message import MessageId
from mta.tracking.token import (
    LENGTH,
    MAX_DAY,
    Keys,
    Purpose,
    Token,
    TokenError,
    TokenExpired,
    make,
    read,
    read_any,
)

KEYS = Keys(3, {3: b"k" * 32, 2: b"o" * 32})
ID = MessageId(7, 123_456_789_012, 4321)
DAY = 20_000
DIGITS = "abcdefghijklmnopqrstuvwxyz234567"

ids = st.builds(MessageId, st.integers(0, 255), st.integers(0, 2**48 - 1), st.integers(0, 2**16 - 1))
purposes = st.sampled_from(Purpose)


@settings(max_examples=200, deadline=None)
@given(ids, purposes, st.integers(0, MAX_DAY), st.integers(0, 30))
def test_what_is_made_is_read(id_: MessageId, purpose: Purpose, day: int, age: int) -> None:
    text = make(KEYS, purpose, id_, day)
    assert len(text) == LENGTH
    assert set(text) <= set(DIGITS)
    for form in (text, text.upper(), text.title()):
        assert read(KEYS, purpose, form, day + age, 30) == Token(id_, day)
        assert read_any(KEYS, [purpose], form, day + age, 30) == (purpose, Token(id_, day))


def test_the_layout_is_as_documented() -> None:
    raw = bytes([3 << 4 | Purpose.VIEW]) + ID.pack() + DAY.to_bytes(2, "big")
    text = make(KEYS, Purpose.VIEW, ID, DAY)
    mac = KEYS.macs[raw[0]].copy()
    mac.update(raw)
    assert text == b32encode(raw + mac.digest()).decode().lower().rstrip("=")


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("other", Purpose)
def test_a_token_is_void_for_another_purpose(purpose: Purpose, other: Purpose) -> None:
    text = make(KEYS, purpose, ID, DAY)
    if purpose is other:
        assert read(KEYS, other, text, DAY, 0).id == ID
    else:
        with pytest.raises(TokenError):
            read(KEYS, other, text, DAY, 0)
        with pytest.raises(TokenError):
            read_any(KEYS, [other], text, DAY, 0)


def test_purposes_differ_by_more_than_the_first_octet() -> None:
    tails = {make(KEYS, purpose, ID, DAY)[20:] for purpose in Purpose}
    assert len(tails) == len(Purpose)


@pytest.mark.parametrize("place", range(LENGTH))
def test_any_other_digit_anywhere_is_refused(place: int) -> None:
    text = make(KEYS, Purpose.OPEN, ID, DAY)
    for digit in DIGITS:
        if digit != text[place]:
            with pytest.raises(TokenError):
                read(KEYS, Purpose.OPEN, text[:place] + digit + text[place + 1 :], DAY, 10)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text(DIGITS, min_size=LENGTH, max_size=LENGTH)))
def test_made_up_texts_are_refused(text: str) -> None:
    with pytest.raises(TokenError, match=r"^not a valid token$"):
        read(KEYS, Purpose.OPEN, text, DAY, 10)


def test_lengths_and_odd_letters() -> None:
    text = make(KEYS, Purpose.OPEN, ID, DAY)
    swapped = (
        text.replace("k", "\u212a", 1) if "k" in text else "\u212a" + text[1:]
    )  # the Kelvin sign folds to k
    for bad in ("", text[:-1], text + "a", text + "=", " " + text[1:], swapped, "=" * LENGTH):
        with pytest.raises(TokenError):
            read(KEYS, Purpose.OPEN, bad, DAY, 10)


@pytest.mark.parametrize("today, good", [(DAY - 2, False), (DAY - 1, True), (DAY, True), (DAY + 30, True)])
def test_days(today: int, good: bool) -> None:
    text = make(KEYS, Purpose.RETURN, ID, DAY)
    if good:
        assert read(KEYS, Purpose.RETURN, text, today, 30).day == DAY
    else:
        with pytest.raises(TokenError):
            read(KEYS, Purpose.RETURN, text, today, 30)


def test_old_tokens_are_told_apart_only_when_genuine() -> None:
    text = make(KEYS, Purpose.RETURN, ID, DAY)
    with pytest.raises(TokenExpired):
        read(KEYS, Purpose.RETURN, text, DAY + 31, 30)
    with pytest.raises(TokenError) as caught:
        read(KEYS, Purpose.RETURN, text[:-2] + "aa", DAY + 31, 30)
    assert not isinstance(caught.value, TokenExpired)


def test_rotation() -> None:
    old = make(Keys(2, {2: b"o" * 32}), Purpose.CLICK, ID, DAY)
    assert read(KEYS, Purpose.CLICK, old, DAY, 1).id == ID
    for keys in (Keys(3, {3: b"k" * 32}), Keys(2, {2: b"x" * 32})):  # unknown id; same id, another secret
        with pytest.raises(TokenError):
            read(keys, Purpose.CLICK, old, DAY, 1)


@pytest.mark.parametrize(
    "current, secrets",
    [(0, {}), (1, {0: b"k" * 32}), (16, {16: b"k" * 32}), (0, {0: b"k" * 15}), (0, {0: b"k" * 65})],
)
def test_keys_are_checked(current: int, secrets: dict[int, bytes]) -> None:
    with pytest.raises(ValueError, match="key"):
        Keys(current, secrets)


def test_keys_hide_their_secrets() -> None:
    assert repr(KEYS) == "Keys(current=3)"


@pytest.mark.parametrize("day", [-1, MAX_DAY + 1])
def test_a_day_out_of_range_is_refused(day: int) -> None:
    with pytest.raises(ValueError, match="day"):
        make(KEYS, Purpose.OPEN, ID, day)
