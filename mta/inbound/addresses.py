"""Which addresses inbound answers to: signed return paths, signed unsubscribe addresses, and postmaster."""

from dataclasses import dataclass
from typing import Literal

from mta.bounce import verp
from mta.message import MessageId
from mta.tracking.token import Keys, TokenError

MAX_LOCAL = 64


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a mail to us is about: `token` names the message for `bounce` and `leave`."""

    kind: Literal["bounce", "leave", "postmaster"]
    id: MessageId | None = None
    token: str = ""


def target_of(address: str, keys: Keys, today: int, max_days: int) -> Target | None:
    """Return what an envelope recipient stands for; None for what is not ours, forged or older than `max_days`.

    The domain is not looked at: the signature alone says that the address is ours.
    """
    local = address.rpartition("@")[0] or address
    low = local.lower()
    if low == "postmaster":  # RFC 5321 section 4.5.1: with or without a domain
        return Target("postmaster")
    if len(local) > MAX_LOCAL:
        return None
    try:
        if low.startswith("b."):
            return Target("bounce", verp.read(keys, local, today, max_days).id, low[2:])
        if low.startswith("u."):
            return Target("leave", verp.read_leave(keys, local, today, max_days).id, low[2:])
    except TokenError:
        pass
    return None
