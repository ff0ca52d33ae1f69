"""What an entry will need is looked up while it is being opened: whom somebody waits for has fewer waits in turn."""

import time
from dataclasses import dataclass

from mta import tenancy
from mta.mime.compiled import Compiled
from mta.queue.campaigns import Campaigns
from mta.tenancy import Profile

PROFILES_KEPT = 10_000
PROFILE_SECONDS = 1.0  # for so long a tenant's changes may go unnoticed


@dataclass(frozen=True, slots=True)
class Foresight:
    """The tenant's profile if it is known; of a message's recipients in their order why they get no mail, and its
    content, which is made while Redis answers."""

    profile: Profile | None = None
    suppressed: list[str] | None = None
    compiled: Compiled | None = None


class Profiles:
    """Tenants' profiles, kept for a moment."""

    def __init__(self, campaigns: Campaigns) -> None:
        self.campaigns = campaigns
        self._kept: dict[str, tuple[float, Profile]] = {}

    async def find(self, tenant: str) -> Profile | None:
        """Return the profile of a tenant, None when it has sent none."""
        known = self._kept.get(tenant)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        document = await self.campaigns.tenant(tenant)
        if document is None:
            return None
        found = tenancy.decode(document)
        if len(self._kept) >= PROFILES_KEPT:
            self._kept.clear()
        self._kept[tenant] = (time.monotonic() + PROFILE_SECONDS, found)
        return found
