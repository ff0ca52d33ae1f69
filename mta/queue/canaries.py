"""What is known of campaigns' canaries: who was drawn, what became of them by site, what followed from it.

While a canary runs, a campaign's rest lies in the store behind a gate of its own (`Scope.of_rest`), so every result of
the campaign is one of the canary's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from mta.queue import scripts
from mta.queue.keys import Keys
from mta.queue.lanes import MOST
from mta.queue.link import Client
from mta.throttle.canary import Canary, Counts

RUNNING, STOPPED, PASSED, DONE = "running", "stopped", "passed", "done"
_STATES = ("delivered", "deferred", "bounced", "complained", "suppressed")


@dataclass(slots=True)
class Drawn:
    """How many were drawn so far, and of which domains."""

    phase: str
    count: int = 0
    domains: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Report:
    """A canary as it stands; times in ms since 1970, 0 = not yet."""

    terms: Canary
    phase: str
    reason: str
    by: str
    drawn: int
    began: int
    sites: dict[str, Counts]

    @property
    def counts(self) -> Counts:
        """All sites together."""
        every = self.sites.values()
        return Counts(*(sum(getattr(one, name) for one in every) for name in _STATES))


class Canaries:
    """The records of canaries."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def begin(self, tenant: str, campaign: str, terms: Canary) -> None:
        """Note that a campaign has a canary; what is known of one that was begun before stays."""
        key = f"{self.keys.base(0)}canary:{tenant}|{campaign}"
        pipe = self.client.pipeline(transaction=True)
        pipe.hset(key, mapping={"terms": msgspec.json.encode(terms), "phase": RUNNING})
        pipe.sadd(f"{self.keys.base(0)}canaries", f"{tenant}|{campaign}")
        await pipe.execute()

    async def phase(self, tenant: str, campaign: str) -> str:
        """Return where a canary is, "" when the campaign has none."""
        value = await self.client.hget(f"{self.keys.base(0)}canary:{tenant}|{campaign}", "phase")
        return value.decode() if value else ""

    async def drawn(self, tenant: str, campaign: str, shard: int) -> Drawn:
        """Return who was drawn so far; `shard` is where the campaign's packs wait."""
        rows = await self.client.hgetall(f"{self.keys.base(shard)}canary:{tenant}|{campaign}")
        found = Drawn(await self.phase(tenant, campaign), int(rows.get(b"drawn", 0)))
        found.domains = {name[6:].decode() for name in rows if name.startswith(b"drawn|")}
        return found

    async def watched(self) -> set[str]:
        """Return the campaigns ("<tenant>|<campaign>") whose results are counted."""
        return {name.decode() for name in await self.client.smembers(f"{self.keys.base(0)}canaries")}

    async def tally(self, scope: str, results: Sequence[tuple[str, str, str]]) -> None:
        """Count (message id, site, state) of a watched campaign; told twice, it is counted once."""
        for start in range(0, len(results), MOST):
            part = [list(one) for one in results[start : start + MOST]]
            await scripts.run(self.client, "canary", self.keys.base(0), [scope, part])

    async def report(self, tenant: str, campaign: str) -> Report | None:
        """Return a canary as it stands, None when the campaign has none."""
        rows: dict[str, str] = {}
        drawn = 0
        for shard in range(self.keys.shards):
            found = await self.client.hgetall(f"{self.keys.base(shard)}canary:{tenant}|{campaign}")
            drawn += int(found.get(b"drawn", 0))
            rows |= {name.decode(): value.decode() for name, value in found.items()}
        if "terms" not in rows:
            return None
        sites: dict[str, Counts] = {}
        for name, value in rows.items():
            state, _, site = name.partition("|")
            if site and state in _STATES:
                setattr(sites.setdefault(site, Counts()), state, int(value))
        terms = msgspec.json.decode(rows["terms"], type=Canary)
        phase, reason, by = (rows.get(name, "") for name in ("phase", "reason", "by"))
        began = int(rows.get("began", 0))
        return Report(terms, phase, reason, by, drawn, began, dict(sorted(sites.items())))

    async def end(self, tenant: str, campaign: str, phase: str, reason: str, by: str) -> None:
        """Note what followed; with DONE nothing is counted any more. Nothing happens without a canary."""
        scope, base = f"{tenant}|{campaign}", self.keys.base(0)
        if not await self.phase(tenant, campaign):
            return
        pipe = self.client.pipeline(transaction=True)
        pipe.hset(f"{base}canary:{scope}", mapping={"phase": phase, "reason": reason, "by": by})
        if phase == DONE:
            pipe.srem(f"{base}canaries", scope)
            pipe.delete(f"{base}tried:{scope}")
        await pipe.execute()

    async def forget(self, tenant: str, campaign: str) -> None:
        """Forget a campaign's canary."""
        scope = f"{tenant}|{campaign}"
        for shard in range(self.keys.shards):
            await self.client.delete(
                f"{self.keys.base(shard)}canary:{scope}", f"{self.keys.base(shard)}tried:{scope}"
            )
        await self.client.srem(f"{self.keys.base(0)}canaries", scope)
