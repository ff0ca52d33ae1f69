"""Where one message stands in the queue, as somebody who looked found it."""

from dataclasses import dataclass
from enum import StrEnum

from mta.message import Lane, MessageId
from mta.queue import codec, packs


class Where(StrEnum):
    """The states of docs/redis.md section 4 that a message can be found in."""

    LANE = "lane"
    SHELF = "shelf"  # in a pack of its site
    STORE = "store"  # in a pack that nobody has looked at
    OPENING = "opening"  # in a pack that an expander holds
    WHEEL = "wheel"
    SIEVED = "sieved"
    FLIGHT = "flight"


@dataclass(slots=True)
class Place:
    """One message and its place; times in ms since 1970. `ahead`: messages before it in the same list."""

    where: Where
    shard: int
    lane: Lane
    name: str
    rcpt: str
    born: int
    expires: int
    id: MessageId | None = None
    attempts: int = 0
    flags: int = 0
    tz: str = ""
    ref: str = ""
    ahead: int = 0
    worker: str = ""  # that has it in flight
    at: int = 0  # when the wheel gives it back
    scope: str = ""  # the closed scope that sieved it out


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: a message by its public name, or all to an address; of one tenant and campaign or of all."""

    name: str = ""
    rcpt: str = ""
    tenant: str = ""
    campaign: str | None = None

    @property
    def needle(self) -> bytes:
        """What an item must hold to be worth decoding."""
        return (self.name or self.rcpt).encode()

    def fits(self, lane: Lane) -> bool:
        """Return whether a lane can hold it."""
        if self.tenant and lane.tenant != self.tenant:
            return False
        return self.campaign is None or lane.campaign == self.campaign


def of_item(raw: bytes, lane: str, wanted: Wanted, where: Where, shard: int) -> Place | None:
    """Return the place of an item that is what is wanted; None for another one, or one of a newer engine."""
    try:
        item = codec.decode(raw, lane)
    except (ValueError, IndexError):
        return None
    one = item.record
    if (wanted.name and one.name != wanted.name) or (wanted.rcpt and one.rcpt != wanted.rcpt):
        return None
    return Place(
        where, shard, Lane.parse(lane), one.name, one.rcpt, one.born, one.expires, MessageId.unpack(item.id),
        one.attempts, one.flags, one.tz, one.ref,
    )  # fmt: skip


def of_pack(raw: bytes, lane: str, wanted: Wanted, where: Where, shard: int) -> list[Place]:
    """Return the places of a pack's rows that are wanted, `ahead` counted within the pack."""
    stem, _, number = wanted.name.rpartition(".")
    if not packs.may_hold(raw, (stem or wanted.rcpt).encode()):
        return []
    try:
        pack = packs.decode(raw)
    except (ValueError, IndexError):
        return []
    if wanted.name and pack.stem != stem:
        return []
    found = []
    for ahead, row in enumerate(pack.rows):
        if (wanted.name and str(row.number) != number) or (wanted.rcpt and row.rcpt != wanted.rcpt):
            continue
        found.append(
            Place(
                where, shard, Lane.parse(lane), f"{pack.stem}.{row.number}", row.rcpt, pack.born, pack.expires,
                MessageId(shard, pack.entry, row.number), 0, row.flags, row.tz, row.ref, ahead,
            )
        )  # fmt: skip
    return found
