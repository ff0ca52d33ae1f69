"""The way to a running engine: its Redis, opened for one command."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from mta.cli.failure import CONFIG, UNAVAILABLE, Failure
from mta.cli.options import server_of, settings_of

if TYPE_CHECKING:
    from mta.config.settings import Settings
    from mta.queue.keys import Keys
    from mta.queue.link import Client
    from mta.queue.producer import Producer
    from mta.queue.tail import Tail

P = ParamSpec("P")


@dataclass(slots=True)
class Door:
    """What a command needs to talk to the engine."""

    settings: "Settings"
    client: "Client"
    blocking: "Client"
    keys: "Keys"

    @property
    def producer(self) -> "Producer":
        """Submits."""
        from mta.queue.producer import Producer

        return Producer(self.client, self.keys, self.settings.queue.submit_limit)

    def tail(self) -> "Tail":
        """Reads events beside all groups."""
        from mta.queue.tail import Tail

        return Tail(self.client, self.blocking, self.keys)


@asynccontextmanager
async def door(config: Path | None) -> AsyncIterator[Door]:
    """Open the engine's Redis; raise Failure, ConfigError or QueueDown with the cause in words."""
    from mta.queue.keys import Keys
    from mta.queue.link import QueueDown
    from mta.queue.reach import reach

    settings = settings_of(config)
    server = server_of(settings)
    opened = False
    try:
        async with reach(server) as (client, blocking):
            opened = True
            yield Door(settings, client, blocking, Keys(settings.queue.prefix, settings.queue.shards))
    except QueueDown as error:
        if opened or settings.redis.url != "embedded":
            raise
        raise Failure(
            UNAVAILABLE,
            f"no engine is running with the state directory {settings.paths.root}; start it with `mta run`,"
            " or name its configuration with -c",
        ) from error
    except ValueError as error:
        if opened:
            raise
        raise Failure(CONFIG, f"`redis.url` {server} can't be used: {error}") from error


def awaited(command: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a coroutine function a click callback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(command(*args, **kwargs))

    return run
