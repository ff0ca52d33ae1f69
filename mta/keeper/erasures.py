"""The keeper's duty of erasing people on order: it is the one that writes the archive."""

import logging

from mta.erasure.subject import DataSubject
from mta.keeper.erasure import Erased, Erasure
from mta.keeper.found import Found
from mta.queue.audit import AuditLog, subject
from mta.queue.erasurebook import ErasureBook
from mta.queue.link import QueueFull
from mta.queue.rewriting import Busy

_log = logging.getLogger("mta.keeper")


class Erasures:
    """Carries out orders to erase, one person after the other."""

    def __init__(self, book: ErasureBook, erasure: Erasure, audit: AuditLog) -> None:
        self.book = book
        self.erasure = erasure
        self.audit = audit

    async def carry_out(self) -> Found:
        """Carry out what was ordered; an order that can't be is left for the next look. Raises QueueDown, OSError."""
        orders = await self.book.orders()
        for name, order in orders:
            for address in order.addresses:
                person = DataSubject(address, order.tenant)
                try:
                    erased = await self.erasure.run(person, order.by, f"{name}/erased")
                except (Busy, QueueFull) as error:
                    _log.warning("an erasure waits: %s", error)
                    return Found.NOTHING
                await noted(self.audit, "control" if not order.tenant else order.tenant, person, erased)
            await self.book.done(name)
        return Found.SOMETHING if orders else Found.NOTHING


async def noted(audit: AuditLog, who: str, person: DataSubject, erased: Erased) -> None:
    """Note in the audit log that a person was erased, without saying which."""
    about = subject("tenant", person.tenant) if person.tenant else "platform"
    waits = ", ".join(f"{place}: {count}" for place, count in erased.open.items() if count)
    await audit.note(who, "address.erased", about, count=str(erased.count), waits=waits)
