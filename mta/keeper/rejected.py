"""Campaigns that were rejected stay so: what comes late is dropped, and told."""

import time

from mta.event import event
from mta.keeper.found import Found
from mta.queue.control import REJECTED, Control
from mta.queue.progress import Progress


class Rejected:
    """Drops what another process put, or had in flight, when the campaign was rejected."""

    def __init__(self, control: Control, progress: Progress) -> None:
        self.control = control
        self.progress = progress

    async def drop(self) -> Found:
        """Look once at all of them; a rejected campaign's gate is never opened, so nothing of it is sent meanwhile."""
        for name, gate in (await self.control.gates()).items():
            kind, tenant, *rest = name.split("|")
            if gate.state != REJECTED or kind != "c":
                continue
            if (await self.progress.totals(tenant, rest[0]))["queued"] > 0:
                told = event(
                    "purged", f"{name}/{gate.since}/rejected", int(time.time() * 1000), tenant=tenant,
                    campaign=rest[0], scope=f"campaign:{rest[0]}", reason=gate.reason, by=gate.by,
                )  # fmt: skip
                await self.control.purge(tenant, rest[0], told)
        return Found.NOTHING
