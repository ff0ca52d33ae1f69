"""Sources that fail are left alone for a while, by all workers: what is said, and to whom.

A gate is closed, as for an order of a person's; the keeper opens it when its time is over. The mail goes by the pool's
other sources, or waits for this one.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from mta.event import event
from mta.queue.audit import ENGINE, AuditLog, subject
from mta.queue.control import SUSPENDED, Control, Gate, Scope
from mta.queue.link import QueueDown

UNBOUND_MS: Final = 300_000
"""For so long a source is suspended that is not on this host."""
BLOCKED_MS: Final = 3_600_000
"""For so long one that receivers refuse for its reputation."""
_log = logging.getLogger("mta.workers")


def _uncounted(*_: object) -> None:
    return None


class Sources:
    """Suspends sources; without `gates` it only says so."""

    def __init__(self, gates: Control | None = None) -> None:
        self.gates = gates
        self.counted: Callable[..., None] = _uncounted

    def __repr__(self) -> str:
        return "<Sources>" if self.gates else "<Sources, none named>"

    async def suspend(self, source: str, why: str, milliseconds: int) -> None:
        """Suspend a source for a while, with an event; one that is suspended already stays so for as long as it was."""
        if self.gates is None:
            return
        now = int(time.time() * 1000)
        scope, until = Scope.of_source(source), now + milliseconds
        told = event(
            "suspended", f"{scope.text}/{now}/suspended", now,
            scope=f"source:{source}", reason=why, until=str(until), by=ENGINE,
        )  # fmt: skip
        try:
            if scope.text in await self.gates.gates():
                return
            fresh = await self.gates.suspend(scope, Gate(SUSPENDED, why, ENGINE, until, now), told)
            if fresh:
                log = AuditLog(self.gates.client, self.gates.keys)
                await log.note(ENGINE, "source.suspend", subject("source", source), reason=why, by=ENGINE)
        except (QueueDown, OSError):
            return  # Redis is away: nothing is taken meanwhile, and the next attempt tells the same
        if fresh:
            self.counted("sources_suspended_total", source)
            _log.warning("source %s is suspended for %d s: %s", source, milliseconds // 1000, why)
