"""The audit log: who read, held, released or changed what. An append-only stream; nothing here rewrites an entry.

An event tells a producer what became of its mail. This tells whoever runs the engine which person or program acted, and
is no part of the public protocol: producers can't read it.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Final, NamedTuple

from mta.queue.keys import Keys
from mta.queue.link import Client

ENGINE: Final = "engine"
"""Who acts when nobody gave an order: the keeper that stops a canary, trims the log, ends a hold."""
MAX_TEXT: Final = 500
"""Characters of one value; what is longer is cut, since orders carry texts that strangers wrote."""
MAX_DETAILS: Final = 16
PAGE: Final = 500
_OWN = ("who", "what", "subject")


class Noted(NamedTuple):
    """One entry: its id (`<ms since 1970>-<n>`, the server's time), who did what to what, and the details."""

    id: str
    who: str
    what: str
    subject: str
    detail: dict[str, str]

    @property
    def ts(self) -> int:
        """When, in ms since 1970."""
        return int(self.id.partition("-")[0])


class AuditLog:
    """Writes and reads the log."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def note(self, who: str, what: str, subject: str, **detail: str) -> None:
        """Add an entry; it is in the stream when this returns. Raises QueueDown.

        `who` is user@host for a command, a tenant or `control` for an order by stream, `engine` for the engine's own
        acts; `what` a dotted verb such as `campaign.release`; `subject` what it was done to, such as
        `campaign:acme/spring-26`. Details without a value are left out.
        """
        fields: dict[str, str] = dict(zip(_OWN, (who, what, subject), strict=True))
        for name, value in list(detail.items())[:MAX_DETAILS]:
            if value and name.rstrip("_") not in _OWN:
                fields[name.rstrip("_")] = value
        cut = {name: value[:MAX_TEXT] for name, value in fields.items()}
        await self.client.xadd(self.keys.audit, dict(cut))

    async def since(self, start: str = "-") -> AsyncIterator[Noted]:
        """Yield the entries from an id (or ms since 1970) on, oldest first."""
        while rows := await self.client.xrange(self.keys.audit, start, "+", count=PAGE):
            for entry_id, fields in rows:
                yield _read(entry_id, fields)
            start = f"({rows[-1][0].decode()}"

    async def last(self, most: int) -> list[Noted]:
        """Return the newest entries, oldest first."""
        rows = await self.client.xrevrange(self.keys.audit, "+", "-", count=most) if most else []
        return [_read(*row) for row in reversed(rows)]

    async def end(self) -> str:
        """Return the id of the newest entry, "0-0" when there is none."""
        newest = await self.last(1)
        return newest[0].id if newest else "0-0"

    async def trim(self, before: int, most: int) -> int:
        """Remove what is older than `before` (ms since 1970) and what is over `most` entries; return how many.

        The log says so itself, first: it is never shorter than it says.
        """
        length = int(await self.client.xlen(self.keys.audit))
        if length > most:
            # The oldest that stays; one more goes for the entry that tells of it.
            kept = await self.client.xrevrange(self.keys.audit, "+", "-", count=most)
            before = max(before, int(kept[-1][0].partition(b"-")[0]))
        first = await self.client.xrange(self.keys.audit, "-", "+", count=1)
        if not first or int(first[0][0].partition(b"-")[0]) >= before:
            return 0
        await self.note(ENGINE, "audit.trim", "audit", before=str(before))
        return int(await self.client.xtrim(self.keys.audit, minid=str(before), approximate=False))


def subject(kind: str, value: str, tenant: str = "") -> str:
    """Return how the log names what an order was about; of an address only its domain stands there.

    The log outlives an `erase`, so it must not be where the address survives.
    """
    if kind == "recipient":
        return f"recipient:...@{value.rpartition('@')[2]}"
    return f"{kind}:{tenant}/{value}" if tenant and kind != "tenant" else f"{kind}:{value}"


def _read(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Noted:
    text = {
        name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in fields.items()
    }
    who, what, subject = (text.pop(name, "") for name in _OWN)
    return Noted(entry_id.decode(), who, what, subject, text)
