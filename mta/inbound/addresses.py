"""Which addresses inbound answers to: return paths, unsubscribe addresses, those of feedback loops, and postmaster.

A return path that nobody can verify is let in too, since its sender is null and a refusal would be read by nobody:
it is kept for a person, and changes nothing unless the returned mail holds a token of ours.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from mta.bounce import verp
from mta.message import MessageId
from mta.tracking.token import Keys, TokenError, TokenExpired

MAX_LOCAL: Final = (
    128  # RFC 5321 allows 64; what relays wrap around a return path (SRS, prvs) makes it longer
)
COMPLAINTS: Final = frozenset({"fbl", "abuse"})
"""Local parts for feedback loops; `abuse` is RFC 2142's."""

_TOKEN = re.compile(r"(?<![a-z0-9])[a-z2-7]{45}(?![a-z0-9])")


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a mail to us is about: `token` names the message for `bounce` and `leave`.

    `unsigned` looks like a return path; `why` is `old` (ours, past its age) or `forged` (no signature of ours).
    """

    kind: Literal["bounce", "leave", "complaint", "postmaster", "unsigned"]
    id: MessageId | None = None
    token: str = ""
    why: str = ""


def target_of(address: str, keys: Keys, today: int, max_days: int) -> Target | None:
    """Return what an envelope recipient stands for; None for what is not ours, an unsubscribe address forged or old.

    The domain is not looked at: the signature alone says that the address is ours. So it may also stand inside what
    a relay made of the address (`prvs=1234567890=b.<token>`).
    """
    local = address.rpartition("@")[0] or address
    low = local.lower()
    if low == "postmaster":  # RFC 5321 section 4.5.1: with or without a domain
        return Target("postmaster")
    if low in COMPLAINTS:
        return Target("complaint")
    if len(local) > MAX_LOCAL:
        return None
    try:
        if low.startswith("u."):
            return Target("leave", verp.read_leave(keys, local, today, max_days).id, low[2:])
        if low.startswith("b."):
            return Target("bounce", verp.read(keys, local, today, max_days).id, low[2:])
    except TokenError as error:
        return _unsigned(low, error)
    for found in _TOKEN.findall(low):
        try:
            return Target("bounce", keys.read(verp.RETURN, found, today, max_days).id, found)
        except TokenError:
            continue
    return None


def _unsigned(low: str, error: TokenError) -> Target | None:
    if low.startswith("u."):
        return None  # a person wrote it, who is to hear that it did not work
    return Target("unsigned", why="old" if isinstance(error, TokenExpired) else "forged")
