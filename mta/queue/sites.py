"""Which site a domain belongs to, as the DNS said: kept with its time to live, for all hosts and across restarts."""

from collections.abc import Mapping, Sequence

from mta.queue.keys import Keys
from mta.queue.link import Client


class Sites:
    """Domain to site, in Redis."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def get(self, domains: Sequence[str]) -> dict[str, str]:
        """Return the sites of the domains that are known."""
        pipe = self.client.pipeline(transaction=False)
        for domain in domains:
            pipe.get(self.keys.site(domain))
        rows = await pipe.execute()
        return {domain: site.decode() for domain, site in zip(domains, rows, strict=True) if site}

    async def put(self, found: Mapping[str, tuple[str, float]]) -> None:
        """Keep each domain's site for so many seconds."""
        pipe = self.client.pipeline(transaction=False)
        for domain, (site, seconds) in found.items():
            pipe.set(self.keys.site(domain), site, ex=max(1, int(seconds)))
        await pipe.execute()
