"""One recipient's mail as the queue keeps it: a small record; what many share is content, stored once."""

from enum import IntEnum

import msgspec


class Class(IntEnum):
    """Strict priorities, most urgent first; the value is the order."""

    URGENT = 0
    TRANSACTIONAL = 1
    BULK = 2

    @property
    def label(self) -> str:
        """The word used in stream names, settings and events."""
        return self.name.lower()


class Flag:
    """Bits of Record.flags."""

    TRACK_OFF = 1  # this recipient asked for neither beacon nor rewritten links
    MAYBE_SENT = 2  # an earlier attempt ended after the dot: this one may be a duplicate
    DEATH = 4  # one worker died while it made this message; two bits, so up to DEATHS of them
    DEATHS = 12


class MessageId(msgspec.Struct, frozen=True, array_like=True, order=True):
    """The engine's own name of a message: where its submission entry is kept, and which row of it."""

    shard: int
    entry: int  # the sequence number given to the submission entry when it was accepted
    row: int

    def pack(self) -> bytes:
        """Return 9 bytes: shard, entry (48 bit), row (16 bit), big-endian, so that they sort."""
        return self.shard.to_bytes(1, "big") + self.entry.to_bytes(6, "big") + self.row.to_bytes(2, "big")

    @classmethod
    def unpack(cls, raw: bytes) -> "MessageId":
        """Return the MessageId of `pack()`'s 9 bytes; raise ValueError on another length."""
        if len(raw) != ID_BYTES:
            raise ValueError(f"a message id has {ID_BYTES} bytes, got {len(raw)}")
        return cls(raw[0], int.from_bytes(raw[1:7], "big"), int.from_bytes(raw[7:9], "big"))


ID_BYTES = 9
ROW_BYTES = 2  # the last of them


class Record(msgspec.Struct, array_like=True):
    """What the queue holds for one recipient. Lane (class, pool, site, tenant, campaign) is the key beside it."""

    name: str  # the public message id
    rcpt: str
    born: int  # acceptance, ms since 1970
    expires: int  # ms since 1970
    ref: str = ""
    to_name: str = ""
    values: list[str] = []  # in the order of the content's fields
    attempts: int = 0
    flags: int = 0
    body: str = ""  # key of a `message`'s own content; empty for a campaign's recipient
    index: int = 0  # for a `message`: which envelope recipient this is
    locale: str = ""
    tz: str = ""  # the recipient's time zone, for delivery windows
    last: str = ""  # what a receiver said at the latest attempt, for the event should its time run out
    engaged: int = (
        0  # day of the last open or click (`engaged_day`), 0 = nobody says; must be the last (draw.lua)
    )


NEVER_ENGAGED = 256  # in 1970: what is below takes fewer bytes, and a script reads the last three


def engaged_day(milliseconds: int) -> int:
    """Return the day, since 1970, of a recipient's last open or click, as records keep it; 0 ms: there was none."""
    return min(max(milliseconds // 86_400_000, NEVER_ENGAGED), 0x7FFF)


class Lane(msgspec.Struct, frozen=True, array_like=True):
    """Which queue a record waits in."""

    cls: int
    pool: str
    site: str
    tenant: str
    campaign: str = ""

    @property
    def path(self) -> str:
        """Pool and site: the unit of every limit."""
        return f"{self.pool}|{self.site}"

    def __str__(self) -> str:
        return f"{self.cls}|{self.pool}|{self.site}|{self.tenant}|{self.campaign}"

    @classmethod
    def parse(cls, text: str) -> "Lane":
        """Return the Lane that `str(lane)` spells."""
        number, pool, site, tenant, campaign = text.split("|")
        return cls(int(number), pool, site, tenant, campaign)
