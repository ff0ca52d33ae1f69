"""The worker's bell: a put rings it when the worker had found nothing to take."""

from mta.queue.keys import Keys
from mta.queue.link import Client

HASTE = b"!"  # what a ring says when mail of a higher class has come, or a connection is wanted


class Bell:
    """Waits on a connection of its own, since a blocking read holds it."""

    def __init__(self, blocking: Client, keys: Keys, shard: int, worker: str) -> None:
        self.blocking = blocking
        self.name = f"{keys.base(shard)}wake:{worker}"

    async def rung(self, seconds: int = 1) -> bytes:
        """Wait up to `seconds`; what the ring says, b"" when there was none. Raises QueueDown."""
        row = await self.blocking.blpop(self.name, timeout=seconds)
        return row[1] if row else b""
