"""The embedded server and the state directory it lies in: started, looked after, held by one engine alone."""

import asyncio
import fcntl
import logging
import os
from pathlib import Path

from mta.config.settings import Settings
from mta.daemon.exits import UNAVAILABLE, Stop
from mta.queue import embedded
from mta.queue.embedded import Embedded, NoServer

LOOK_SECONDS = 0.5
AGAIN_SECONDS = 1.0  # between two tries to start a server that ended
_log = logging.getLogger("mta")


def locked(state: Path) -> int:
    """Make the state directory and lock it; return the lock's descriptor; raise Stop when another engine has it."""
    state.mkdir(parents=True, exist_ok=True)
    fd = os.open(state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise Stop(UNAVAILABLE, f"another engine runs with the state directory {state}") from error
    return fd


class OwnServer:
    """The server of `redis.url = "embedded"`; nothing at all until `start`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running: Embedded | None = None

    @property
    def url(self) -> str:
        """Where it is, once it was started."""
        assert self._running is not None
        return self._running.url

    def start(self) -> None:
        """Start it; raise Stop when it can't be. It ends with the calling thread."""
        redis = self._settings.redis
        try:
            self._running = embedded.start(
                self._settings.paths.redis,
                binary=redis.binary,
                durability=redis.durability,
                port=redis.port,
                memory=redis.memory,
            )
        except NoServer as error:
            raise Stop(UNAVAILABLE, str(error)) from error

    def stop(self) -> None:
        """End it cleanly."""
        if self._running is not None:
            self._running.stop()

    async def watch(self, stopping: asyncio.Event) -> None:
        """Wait for the end; start the server again when it dies. Its file holds all that was accepted."""
        while not stopping.is_set():
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await stopping.wait()
            except TimeoutError:
                pass
            if self._running is None or self._running.process.poll() is None or stopping.is_set():
                continue
            _log.error("the embedded server ended, starting it again")
            self._running.stop()
            try:
                self.start()
            except Stop as stop:
                _log.error("%s", stop.line)
                await asyncio.sleep(AGAIN_SECONDS)
