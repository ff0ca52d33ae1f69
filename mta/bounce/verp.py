"""Signed return paths (VERP): the local part names the message, so a report needs to name nobody.

What a report says about its recipient can be forged by anybody; the address that it was sent to can't. Tokens
come from the keys passed in, known here by their shape: rooms on one floor do not import each other.
"""

from typing import Final, Protocol, TypeVar

from mta.message import MessageId

RETURN: Final = 5
"""What a token in a return path is for: `Purpose.RETURN` of the tokens."""
LEAVE: Final = 3
"""What a token in an unsubscribe address is for: `Purpose.UNSUBSCRIBE`, since mail and link do the same."""

_BOUNCE: Final = "b."
_UNSUBSCRIBE: Final = "u."

Read = TypeVar("Read", covariant=True)


class Makes(Protocol):
    """Keys that make tokens."""

    def make(self, purpose: int, id: MessageId, day: int) -> str:
        """Return a token."""


class Reads(Protocol[Read]):
    """Keys that read tokens."""

    def read(self, purpose: int, text: str, today: int, max_days: int) -> Read:
        """Return what a token says; raise a ValueError of their own when it is not valid."""


def make(keys: Makes, id: MessageId, day: int, domain: str) -> str:
    """Return the envelope sender `b.<token>@<domain>` of a message sent on `day` (since 1970)."""
    return return_path(keys.make(RETURN, id, day), domain)


def return_path(token: str, domain: str) -> str:
    """Return the envelope sender that carries a token made for RETURN."""
    return f"{_BOUNCE}{token}@{domain}"


def make_leave(keys: Makes, id: MessageId, day: int, domain: str) -> str:
    """Return the address `u.<token>@<domain>` that takes the message's recipient off the list."""
    return leave_address(keys.make(LEAVE, id, day), domain)


def leave_address(token: str, domain: str) -> str:
    """Return the unsubscribe address that carries a token made for LEAVE."""
    return f"{_UNSUBSCRIBE}{token}@{domain}"


def read(keys: Reads[Read], local_part: str, today: int, max_days: int) -> Read:
    """Return what the local part of a return path says, in any letter case; errors are those of `keys.read`."""
    return keys.read(RETURN, _after(_BOUNCE, local_part), today, max_days)


def read_leave(keys: Reads[Read], local_part: str, today: int, max_days: int) -> Read:
    """Return what the local part of an unsubscribe address says; errors are those of `keys.read`."""
    return keys.read(LEAVE, _after(_UNSUBSCRIBE, local_part), today, max_days)


def _after(prefix: str, local_part: str) -> str:
    # Another prefix leaves no token, and the keys say so in their own words.
    return local_part[2:] if local_part[:2].lower() == prefix else ""
