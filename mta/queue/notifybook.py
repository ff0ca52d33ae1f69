"""Who wants to be told by mail what becomes of single messages (docs/redis.md: `notify`)."""

import msgspec

from mta.queue.keys import Keys
from mta.queue.link import Client

KEEP_MS = 86_400_000  # after a message's lifetime: reports may come late
_encode = msgspec.json.Encoder().encode


class Wish(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be told, to whom, and what a notification says of the message.

    `on` of failure, delay, success; `message_id` with its angle brackets; `label` of the class it came on; ms.
    """

    on: list[str]
    to: str
    label: str
    sender: str
    message_id: str
    subject: str
    arrived: int
    expires: int


_decode = msgspec.json.Decoder(Wish).decode


class NotifyBook:
    """A HASH on shard 0: nothing of it is there when nobody asks."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.base = keys.base(0)

    async def ask(self, tenant: str, message: str, wish: Wish) -> None:
        """Remember a wish about a message, by its public id without the recipient's number; may be repeated."""
        await self.client.hset(f"{self.base}notify", f"{tenant}|{message}", _encode(wish))

    async def wishes(self, names: list[tuple[str, str]]) -> list[Wish | None]:
        """Return the wishes about (tenant, message)."""
        if not names or not await self.client.exists(f"{self.base}notify"):
            return [None] * len(names)
        rows = await self.client.hmget(f"{self.base}notify", [f"{tenant}|{name}" for tenant, name in names])
        return [_decode(row) if row else None for row in rows]

    async def first_delay(self, tenant: str, name: str, until: int) -> bool:
        """Say whether nobody was told before that a recipient's message is late; kept until `until` (ms)."""
        marked = await self.client.hsetnx(f"{self.base}delayed", f"{tenant}|{name}", str(until))
        return bool(marked)

    async def sweep(self, now: int) -> int:
        """Forget wishes whose messages are over; return how many."""
        dropped = 0
        for key, ends in (("notify", _ends), ("delayed", int)):
            cursor = 0
            while True:
                cursor, page = await self.client.hscan(f"{self.base}{key}", cursor, count=500)
                old = [name for name, text in page.items() if ends(text) < now]
                if old:
                    dropped += await self.client.hdel(f"{self.base}{key}", *old)
                if not cursor:
                    break
        return dropped


def _ends(text: bytes) -> int:
    return _decode(text).expires + KEEP_MS
