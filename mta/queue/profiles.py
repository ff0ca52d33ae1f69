"""Tenants' profiles, asked for with every message and every hit, and changed hardly ever."""

import time

from mta import tenancy
from mta.queue.campaigns import Campaigns
from mta.tenancy import Profile

PROFILES_KEPT = 10_000
PROFILE_SECONDS = 1.0  # for so long a tenant's changes may go unnoticed


class Profiles:
    """Tenants' profiles, kept for a moment.

    `strangers`: tenants without a document have a profile too, the default one. Whoever must tell them apart leaves it
    off, and then it is not remembered that one has no document: it may come any moment.
    """

    def __init__(self, campaigns: Campaigns, *, strangers: bool = False) -> None:
        self.campaigns = campaigns
        self.strangers = strangers
        self._kept: dict[str, tuple[float, Profile]] = {}

    def known(self, tenant: str) -> Profile | None:
        """Return the profile of a tenant if it was found a moment ago."""
        known = self._kept.get(tenant)
        return known[1] if known is not None and known[0] > time.monotonic() else None

    async def find(self, tenant: str) -> Profile | None:
        """Return the profile of a tenant, None when it has no document (never with `strangers`)."""
        known = self.known(tenant)
        if known is not None:
            return known
        document = await self.campaigns.tenant(tenant)
        if document is None and not self.strangers:
            return None
        found = tenancy.decode(document) if document is not None else Profile(tenant)
        if len(self._kept) >= PROFILES_KEPT:
            self._kept.clear()
        self._kept[tenant] = (time.monotonic() + PROFILE_SECONDS, found)
        return found
