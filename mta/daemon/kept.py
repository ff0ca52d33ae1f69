"""A role the supervisor keeps alive, and which workers there are to be."""

import asyncio
import os
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from mta.config.settings import Settings


@dataclass
class Kept:
    """A role the supervisor keeps alive."""

    role: str
    name: str
    process: ForkServerProcess | None = None
    pipe: Connection | None = None
    started: float = 0.0
    deaths: int = 0
    ready: bool = False
    stopping: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


def workers(settings: Settings) -> list[str]:
    """Return the names of the workers that the settings ask for."""
    count = settings.workers.count or os.cpu_count() or 1
    return [f"worker{number}" for number in range(1, count + 1)]
