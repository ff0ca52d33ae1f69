"""The roles a process can have: built here from settings, run until drained."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from mta.archive.archive import Archive
from mta.config.settings import Settings
from mta.daemon import assemble
from mta.daemon.assemble import Queueing
from mta.ingest.ingest import Ingest
from mta.ingest.mailroom import Mailroom, Rules
from mta.ingest.office import Office
from mta.ingest.putter import Putter
from mta.keeper.keeper import Doors as KeeperDoors
from mta.keeper.keeper import Keeper
from mta.keeper.keeper import Settings as KeeperSettings
from mta.net.connect import opportunistic_context
from mta.net.resolver import Resolver, asker, nameservers
from mta.queue.campaigns import Campaigns
from mta.queue.control import Control
from mta.queue.intake import Intake
from mta.queue.lanes import Queue, Result
from mta.queue.progress import Progress
from mta.queue.suppression import Suppressions
from mta.queue.upkeep import Upkeep
from mta.queue.wake import Bell
from mta.workers.contents import Contents
from mta.workers.journal import Journal
from mta.workers.keyring import Keyring
from mta.workers.plan import Doors
from mta.workers.worker import Worker

ROLES = ("keeper", "ingest", "worker", "inbound", "web")


class Role(Protocol):
    """What a process does."""

    async def run(self) -> None:
        """Work until drained."""

    def drain(self) -> None:
        """Begin to stop."""

    def reload(self, settings: Settings | None) -> None:
        """Use new settings, and read keys again."""

    def snapshot(self) -> dict[str, Any]:
        """Return the metrics so far."""

    async def close(self) -> None:
        """Close every door."""


async def build(settings: Settings, role: str, name: str, url: str) -> Role:
    """Return a role ready to run; raise Stop when it can't be."""
    queueing = await assemble.queueing(settings, url)
    builders: dict[str, Callable[[Settings, str, Queueing], Awaitable[Role]]] = {
        "ingest": _ingest,
        "worker": _worker,
        "keeper": _keeper,
    }
    try:
        return await builders[role](settings, name, queueing)
    except BaseException:
        await queueing.close()
        raise
