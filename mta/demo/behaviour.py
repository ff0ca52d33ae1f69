"""How one receiving domain behaves, as data: what it refuses, how slowly it answers, when it breaks off.

Which recipient meets which fate is decided by a keyed hash of the address, so two runs with the same seed
refuse the same people in whatever order they come, and a bench can say beforehand who must bounce.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from hashlib import blake2b

_SCALE = float(1 << 64)


class BehaviourError(ValueError):
    """A behaviour names an unknown setting or an impossible value; the message says which."""


class Fate(Enum):
    """What becomes of one recipient at a domain."""

    ACCEPT = "accept"
    TEMPORARY = "temporary"  # 4xx at RCPT, for the first `temp_times` attempts
    PERMANENT = "permanent"  # 550 at RCPT
    BOUNCE = "bounce"  # accepted, and returned later by a delivery status notification


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One receiving domain. All shares are of recipients, 0.0 to 1.0; 0 turns a limit off."""

    reply_delay_ms: float = 0.0  # every reply comes this much later
    dot_delay_ms: float = 0.0  # the reply to the final dot comes this much later, in place of the above
    temp_share: float = 0.0
    temp_times: int = 1  # how many attempts of such a recipient are refused; 0 = every one
    perm_share: float = 0.0
    bounce_share: float = 0.0
    bounce_after_s: float = 1.0
    bounce_status: str = "5.1.1"  # enhanced status code (RFC 3463) in the notification
    greylist_s: float = 0.0  # 450 until this long after the first try of (sender domain, recipient)
    max_connections: int = 0  # per listening address; 421 in place of a greeting when over
    rate: float = 0.0  # recipients accepted per second, with one second's worth of burst
    rate_code: int = 451  # 451 (try later) or 421 (and the connection is closed)
    close_after: int = 0  # 421 to the MAIL after this many messages in one session
    drop_after: int = 0  # the connection is cut after the reply to this many messages
    drop_dot_share: float = 0.0  # accepted, but the connection is cut before the reply (once per recipient)

    def __post_init__(self) -> None:
        for name in ("temp_share", "perm_share", "bounce_share", "drop_dot_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise BehaviourError(f"{name} must lie between 0 and 1, not {getattr(self, name)}")
        if self.temp_share + self.perm_share + self.bounce_share > 1.0 + 1e-9:
            raise BehaviourError("temp_share, perm_share and bounce_share together exceed 1")
        if self.rate_code not in (421, 451):
            raise BehaviourError(f"rate_code must be 451 or 421, not {self.rate_code}")
        for name in ("reply_delay_ms", "dot_delay_ms", "greylist_s", "max_connections", "rate", "temp_times"):
            if getattr(self, name) < 0:
                raise BehaviourError(f"{name} must not be negative")

    @property
    def plain(self) -> bool:
        """True when every recipient is accepted at once, so that no table need be asked."""
        return not (
            self.temp_share
            or self.perm_share
            or self.bounce_share
            or self.greylist_s
            or self.rate
            or self.drop_dot_share
        )


def behaviour_of(data: Mapping[str, object], default: Behaviour | None = None) -> Behaviour:
    """Return the Behaviour that a JSON object spells, over `default`; raise BehaviourError.

    Members not named keep the default's value.
    """
    base = default or Behaviour()
    values: dict[str, object] = {field.name: getattr(base, field.name) for field in fields(Behaviour)}
    for name, value in data.items():
        if name not in values:
            near = difflib.get_close_matches(name, values, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise BehaviourError(f"unknown setting {name!r}{hint}")
        wanted = str if name == "bounce_status" else (int, float)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise BehaviourError(f"{name} has the wrong type: {value!r}")
        values[name] = value
    return Behaviour(**values)  # type: ignore[arg-type]


def draw(recipient: str, seed: str, what: str) -> float:
    """Return a number in [0, 1) that depends on the three texts alone; `what` separates uses of one seed."""
    raw = blake2b(
        recipient.encode("utf-8", "surrogateescape"),
        digest_size=8,
        key=seed.encode()[:64],
        person=what.encode()[:16],
    )
    return int.from_bytes(raw.digest(), "big") / _SCALE


def fate(behaviour: Behaviour, recipient: str, seed: str) -> Fate:
    """Return what becomes of `recipient`; the same answer for the same seed, always."""
    point = draw(recipient, seed, "fate")
    if point < behaviour.perm_share:
        return Fate.PERMANENT
    point -= behaviour.perm_share
    if point < behaviour.temp_share:
        return Fate.TEMPORARY
    point -= behaviour.temp_share
    return Fate.BOUNCE if point < behaviour.bounce_share else Fate.ACCEPT
