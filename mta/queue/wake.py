"""The worker's bell: a put rings it when the worker had found nothing to take."""

from mta.queue.keys import Keys
from mta.queue.link import Client


class Bell:
    """Waits on a connection of its own, since a blocking read holds it."""

    def __init__(self, blocking: Client, keys: Keys, shard: int, worker: str) -> None:
        self.blocking = blocking
        self.name = f"{keys.base(shard)}wake:{worker}"

    async def rung(self, seconds: int = 1) -> bool:
        """Wait up to `seconds`; True when something was put. Raises QueueDown."""
        return await self.blocking.blpop(self.name, timeout=seconds) is not None
