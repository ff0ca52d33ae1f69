"""Orders to erase people, from whoever took them in to the keeper, which holds the files (docs/redis.md: `erasing`)."""

import msgspec

from mta.queue.keys import Keys
from mta.queue.link import Client


class Order(msgspec.Struct, frozen=True):
    """Whose data is to go; `tenant` empty: with every tenant."""

    addresses: list[str]
    tenant: str
    by: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Order).decode


class ErasureBook:
    """A HASH on shard 0, by tenant and key of the order's entry; nothing is there when nothing is to be done."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.name = f"{keys.base(0)}erasing"

    async def order(self, owner: str, key: str, order: Order) -> None:
        """Hand an order on; may be repeated."""
        await self.client.hset(self.name, f"{owner}/{key}", _encode(order))

    async def orders(self) -> list[tuple[str, Order]]:
        """Return what is to be done, by name."""
        found = await self.client.hgetall(self.name)
        return [(name.decode(), _decode(value)) for name, value in sorted(found.items())]

    async def done(self, name: str) -> None:
        """Forget an order, which names the person it was about."""
        await self.client.hdel(self.name, name)
