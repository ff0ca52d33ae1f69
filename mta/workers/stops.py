"""Who was suppressed since their message was accepted: looked up once more before each attempt.

A message may wait for days between its submission, where the lists were read, and an attempt. Reading them for every
message would cost a call to Redis for each batch; so only those are looked up whose tenant's lists changed since they
were accepted, and how long ago that was is known for a moment.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from mta.message import Class
from mta.queue.codec import Item
from mta.queue.suppression import PLATFORM, Suppressions

KNOWN_SECONDS: Final = 0.25
"""For which the time of the last change is believed: so late at most does a new entry take hold."""
SLACK_MS: Final = 10_000
"""Clocks of hosts may differ by so much; a worker whose clock is off by 5 s says so."""
MAX_KNOWN: Final = 10_000

Stopped = tuple[str, str]
"""The list that an address is on (empty: all of its tenant's mail), and why."""


class Stops:
    """Looks up; keeps in memory when each tenant's lists changed."""

    def __init__(self, suppressions: Suppressions) -> None:
        self.suppressions = suppressions
        self._changed: dict[str, tuple[float, int]] = {}

    async def find(
        self, items: Iterable[Item], list_of: Callable[[Item], Awaitable[str]]
    ) -> dict[bytes, Stopped]:
        """Return which of these messages must not be sent. `list_of` is asked for lists that are not known yet.

        Raises QueueDown.
        """
        lanes: dict[str, list[Item]] = {}
        for item in items:
            lanes.setdefault(item.lane, []).append(item)
        owners = {lane: lane.split("|")[3] for lane in lanes}
        await self._learn({PLATFORM, *owners.values()})
        platform = self._changed[PLATFORM][1]
        stopped: dict[bytes, Stopped] = {}
        for lane, members in lanes.items():
            tenant = owners[lane]
            changed = max(self._changed[tenant][1], platform) + SLACK_MS
            suspects = [item for item in members if item.record.born <= changed]
            if suspects:
                bulk = int(lane[0]) == Class.BULK
                await self._look(tenant, suspects, await list_of(suspects[0]), stopped, bulk=bulk)
        return stopped

    async def _look(
        self, tenant: str, suspects: Sequence[Item], list_: str, stopped: dict[bytes, Stopped], *, bulk: bool
    ) -> None:
        addresses = [item.record.rcpt for item in suspects]
        reasons = await self.suppressions.find(tenant, list_, addresses, bulk=bulk)
        stopped.update(
            (item.id, (list_, reason)) for item, reason in zip(suspects, reasons, strict=True) if reason
        )

    async def _learn(self, tenants: set[str]) -> None:
        now = time.monotonic()
        stale = [one for one in tenants if self._changed.get(one, (0.0, 0))[0] < now]
        if not stale:
            return
        if len(self._changed) > MAX_KNOWN:
            self._changed = {one: self._changed[one] for one in tenants if one not in stale}
        changes = await self.suppressions.changed(stale)
        for tenant, changed in zip(stale, changes, strict=True):
            self._changed[tenant] = (now + KNOWN_SECONDS, changed)
