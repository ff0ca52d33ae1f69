"""The way to a running engine: its Redis, opened for one command."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from itertools import count
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
        until_ended(command(*args, **kwargs))

    return run


def until_ended(command: Coroutine[Any, Any, None]) -> None:
    """Run a command to its end, or to Ctrl-C: then it is cancelled, and KeyboardInterrupt raised; at once by a second.

    `asyncio.run` alone cancels within the signal, where the task may be running: it would learn of it at its next
    wait, and the first wait of a call to Redis is a look without any time (`asyncio.timeout(0)`), which takes a
    cancellation from before it began for its own end. The loop cancels a task that waits.
    """

    async def whole() -> None:
        loop, task, presses = asyncio.get_running_loop(), asyncio.current_task(), count()
        assert task is not None

        def pressed(*_: object) -> None:
            if next(presses):
                raise KeyboardInterrupt
            loop.call_soon_threadsafe(task.cancel)

        before = signal.signal(signal.SIGINT, pressed)
        try:
            await command
        finally:
            signal.signal(signal.SIGINT, before)

    try:
        asyncio.run(whole())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
