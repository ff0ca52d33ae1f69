"""Signed tokens: what stands in beacons, links and return paths in place of a name or an address.

A token says which message it belongs to, what it may be used for and the day it was made, under a MAC of 128
bits: it can't be guessed, altered, or used for another purpose, and a reader learns no address from it. Lower-case
base32, because receivers fold local parts and some fold links.
"""

from base64 import b32decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import blake2b
from hmac import compare_digest
from typing import Any, Final, NamedTuple

from mta.message import ID_BYTES, MessageId

MAX_KEY_ID: Final = 15
MIN_SECRET: Final = 16  # octets; less would be easier to guess than the MAC
MAX_SECRET: Final = 64  # what keyed BLAKE2b takes
MAX_DAY: Final = 0xFFFF
MAC_BYTES: Final = 16
LENGTH: Final = 45  # characters: 28 octets are 224 bits, and 45 digits hold 225
_SIGNED: Final = 1 + ID_BYTES + 2

_DIGITS: Final = bytes(b"abcdefghijklmnopqrstuvwxyz234567"[octet & 31] for octet in range(256))


def _spread() -> Iterator[tuple[int, int, int]]:
    """Yield, for blocks of 64 digits down to 2, the bits of their lower halves, of their upper ones, and their way."""
    for half in (32, 16, 8, 4, 2, 1):
        bits = (1 << 5 * half) - 1
        low = sum(bits << 8 * at for at in range(0, 64, 2 * half))
        yield low, low << 5 * half, 3 * half


_SPREAD: Final = tuple(_spread())


class Purpose(IntEnum):
    """What a token may be used for; a token for one is void for every other."""

    OPEN = 1
    CLICK = 2
    UNSUBSCRIBE = 3
    VIEW = 4
    RETURN = 5


class TokenError(ValueError):
    """The text is no valid token; it does not say why, since that would help a forger only."""


class TokenExpired(TokenError):
    """The token is genuine, and older than it may be."""


class Token(NamedTuple):
    """What a valid token says: the message, and the day (since 1970) it was made."""

    id: MessageId
    day: int


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets by key id (0 to 15); `current` signs, all verify. Raises ValueError on what can't be a key."""

    current: int
    secrets: Mapping[int, bytes] = field(repr=False)
    macs: dict[int, Any] = field(init=False, repr=False, compare=False)  # by first octet of the token

    def __post_init__(self) -> None:
        for key_id, secret in self.secrets.items():
            if not 0 <= key_id <= MAX_KEY_ID:
                raise ValueError(f"a token key id is 0 to {MAX_KEY_ID}, got {key_id}")
            if not MIN_SECRET <= len(secret) <= MAX_SECRET:
                raise ValueError(f"token key {key_id} must have {MIN_SECRET} to {MAX_SECRET} octets")
        if self.current not in self.secrets:
            raise ValueError(f"the current token key {self.current} is not among the keys given")
        # A keyed hash costs a block of work to begin; copies of one that has begun do not.
        macs = {
            key_id << 4 | purpose: blake2b(
                key=secret, digest_size=MAC_BYTES, person=b"mta " + purpose.name.encode()
            )
            for key_id, secret in self.secrets.items()
            for purpose in Purpose
        }
        object.__setattr__(self, "macs", macs)

    def make(self, purpose: int, id: MessageId, day: int) -> str:
        """`make` below, for who knows keys by shape only."""
        return make(self, purpose, id, day)

    def read(self, purpose: int, text: str, today: int, max_days: int) -> Token:
        """`read` below, for who knows keys by shape only."""
        return read(self, purpose, text, today, max_days)


def make(keys: Keys, purpose: int, id: MessageId, day: int) -> str:
    """Return the token of a message: 45 characters of `a-z2-7`.

    `day` counts from 1970-01-01. Raises ValueError when it does not fit 16 bits.
    """
    return make_packed(keys, purpose, id.pack(), day)


def make_packed(keys: Keys, purpose: int, packed: bytes, day: int) -> str:
    """As `make`, for an id that is packed already."""
    if not 0 <= day <= MAX_DAY:
        raise ValueError(f"a token's day is 0 to {MAX_DAY} days since 1970, got {day}")
    first = keys.current << 4 | purpose
    signed = b"%c%b%c%c" % (first, packed, day >> 8, day & 255)
    mac = keys.macs[first].copy()
    mac.update(signed)
    return _encode(signed + mac.digest())


def read(keys: Keys, purpose: int, text: str, today: int, max_days: int) -> Token:
    """Return what the token says, if it was made by one of `keys` for `purpose`, at most `max_days` ago.

    Any letter case is taken. A day of clock difference into the future is allowed. Raises TokenExpired for a
    genuine token that is too old, TokenError for all else.
    """
    raw = _decode(text)
    mac = keys.macs.get(raw[0])
    if mac is None or raw[0] & 15 != purpose:
        raise TokenError("not a valid token")
    mac = mac.copy()
    mac.update(raw[:_SIGNED])
    if not compare_digest(mac.digest(), raw[_SIGNED:]):
        raise TokenError("not a valid token")
    day = int.from_bytes(raw[_SIGNED - 2 : _SIGNED], "big")
    if day > today + 1:
        raise TokenError("not a valid token")
    if day < today - max_days:
        raise TokenExpired("the token is too old")
    return Token(MessageId.unpack(raw[1 : 1 + ID_BYTES]), day)


def read_any(
    keys: Keys, purposes: Sequence[Purpose], text: str, today: int, max_days: int
) -> tuple[Purpose, Token]:
    """Return the purpose and content of a token found where its purpose can't be told; errors as `read`."""
    purpose = _decode(text)[0] & 15
    if purpose not in purposes:
        raise TokenError("not a valid token")
    return Purpose(purpose), read(keys, purpose, text, today, max_days)


def _encode(raw: bytes) -> str:
    # 45 digits of five bits are moved apart to eight bits each, halves first, then quarters, down to single digits:
    # a few operations on one large number instead of a look-up for each digit.
    n = int.from_bytes(raw, "big") << 1
    for low, high, apart in _SPREAD:
        n = n & low | (n & high) << apart
    return n.to_bytes(LENGTH, "big").translate(_DIGITS).decode()


def _decode(text: str) -> bytes:
    # Lower-casing can turn a letter outside ASCII into one inside it: only ASCII is looked at.
    if len(text) != LENGTH or not text.isascii():
        raise TokenError("not a valid token")
    try:
        raw = b32decode(text.upper() + "===")
    except ValueError:
        raise TokenError("not a valid token") from None
    # The last digit has one bit to spare: without this, two texts would mean one token.
    if _encode(raw) != text.lower():
        raise TokenError("not a valid token")
    return raw
