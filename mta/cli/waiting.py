"""Why mail waits, asked of a running engine: live queue first, then event streams, then the archive."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mta.queue.finding import Finder, campaigns_of
from mta.queue.history import History, is_final
from mta.queue.place import Place, Wanted
from mta.queue.shares import Shares
from mta.queue.sites import Sites
from mta.queue.standing import Standing
from mta.throttle.waiting.answer import Answer, why
from mta.throttle.waiting.facts import Facts, Final

if TYPE_CHECKING:
    from mta.cli.door import Door

RECENT = 2_000  # events that are looked at for what paused a path
Tell = Callable[[int], None]
Event = dict[str, str]


@dataclass(slots=True)
class Told:
    """One message: its answer, the facts it was made of, its place when it waits, what the streams say of it."""

    name: str
    tenant: str
    campaign: str
    rcpt: str
    answer: Answer
    facts: Facts
    place: Place | None = None
    events: list[Event] = field(default_factory=list)


@dataclass(slots=True)
class Asked:
    """The answers; `complete` False: a bound ended the look, after `looked` messages."""

    told: list[Told] = field(default_factory=list)
    looked: int = 0
    complete: bool = True
    through: list[str] = field(default_factory=list)


class Asking:
    """Questions of one command; `limit` messages are looked at, `tell` hears how many were."""

    def __init__(self, opened: "Door", limit: int, tell: Tell | None = None) -> None:
        from mta.daemon.assemble import pools, shaping
        from mta.queue.lanes import PathDefaults

        settings = opened.settings
        given = shaping(settings).default
        defaults = PathDefaults(given.rate, given.permitted_burst, given.connections, settings.limits.batch)
        self.opened = opened
        self.client, self.keys = opened.client, opened.keys
        self.standing = Standing(self.client, self.keys, defaults, settings.queue.ready, pools(settings))
        self.finder = Finder(self.client, self.keys, limit, tell)
        self.archive = settings.paths.archive

    @property
    def shares(self) -> Shares:
        """The same for a whole site or campaign."""
        return Shares(self.client, self.keys, self.standing)

    async def message(self, name: str, tenant: str) -> Asked:
        """Return the answers for a message id: one, or one per tenant that has such a message."""
        out = Asked(through=["event streams"])
        history = History(self.client, self.keys)
        events = await history.of("id", name, tenant, final=True)
        out.told = [self._finished(one) for one in events if is_final(one)]
        if out.told:
            return out
        for last in (False, True):
            await self._live(name, tenant, events, out)
            if out.told:
                return out
            if not last and (found := await self._archived("id", name, tenant, out)):
                out.told = found
                return out
        if not history.complete:
            out.through[0] = f"the newest {history.looked:,} events"
        out.through.append(await self._outside())
        now = await self.finder_now()
        facts = Facts(now, known=False, looked=tuple(one for one in out.through if one))
        out.told = [Told(name, tenant, "", "", why(facts), facts, events=events)]
        return out

    async def finder_now(self) -> int:
        """Return the server's time, ms since 1970."""
        seconds, micros = await self.client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def live(self, name: str, tenant: str) -> Asked:
        """Return where a message waits, looked for once; nothing for one that does not wait."""
        out = Asked()
        events = await History(self.client, self.keys).of("id", name, tenant, most=1)
        await self._live(name, tenant, events, out)
        return out

    async def recipient(self, address: str, tenant: str, most: int) -> Asked:
        """Return the answers for an address's mail that waits; of finished mail only when none waits."""
        out = await self.waiting(address, tenant, most)
        if not out.told:
            history = History(self.client, self.keys)
            events = await history.of("rcpt", address, tenant, most=most)
            out.told = [self._finished(one) for one in events if is_final(one)]
            out.through.append("event streams" if history.complete else "the newest events")
        if not out.told:
            out.told = await self._archived("rcpt", address, tenant, out)
        return out

    async def waiting(self, address: str, tenant: str, most: int) -> Asked:
        """Return the answers for an address's mail that waits."""
        out = Asked()
        wanted = Wanted(rcpt=address, tenant=tenant)
        domain = address.rpartition("@")[2]
        site = (await Sites(self.client, self.keys).get([domain])).get(domain, "")
        search = await self.finder.find(wanted, site, most)
        if site and not search.found and search.complete:
            search = await self.finder.find(wanted, "", most)
        out.looked, out.complete, out.through = search.looked, search.complete, list(search.through)
        for place in search.found:
            events = []
            if place.attempts:
                events = await History(self.client, self.keys).of("id", place.name, place.lane.tenant, most=1)
            out.told.append(await self._standing(place, events))
        return out

    async def _live(self, name: str, tenant: str, events: list[Event], out: Asked) -> None:
        known = [one.decode() for one in await self.client.zrange(self.keys.campaigns, 0, -1)]
        pairs = [one for one in campaigns_of(name, known) if tenant in ("", one[0])]
        # A name made like a campaign's may be a message's own all the same.
        for owner, campaign in [*pairs, (tenant, "")]:
            search = await self.finder.find(Wanted(name=name, tenant=owner, campaign=campaign))
            out.looked += search.looked
            out.complete = out.complete and search.complete
            if not out.through[1:]:
                out.through += search.through
            for place in search.found:
                own = [one for one in events if one.get("tenant") == place.lane.tenant]
                out.told.append(await self._standing(place, own))
            if out.told:
                return

    async def _standing(self, place: Place, events: list[Event]) -> Told:
        tried = [one for one in events if one.get("event") == "deferred"]
        reply = f"{tried[-1].get('code', '')} {tried[-1].get('reply', '')}".strip() if tried else ""
        facts = await self.standing.of(place, reply)
        if facts.path is not None and facts.path.paused_until > facts.now:
            path = replace(facts.path, paused_by=await self._paused_by(place.rcpt))
            facts = replace(facts, path=path)
        lane = place.lane
        return Told(place.name, lane.tenant, lane.campaign, place.rcpt, why(facts), facts, place, events)

    async def _paused_by(self, rcpt: str) -> str:
        """Return the last reply that put mail to an address's domain off, among the newest few; empty: none seen."""
        domain = rcpt.rpartition("@")[2]
        recent = await History(self.client, self.keys, looked_at=RECENT).of("event", "deferred", most=64)
        own = [one for one in recent if one.get("rcpt", "").rpartition("@")[2] == domain]
        return f"{own[-1].get('code', '')} {own[-1].get('reply', '')}".strip() if own else ""

    async def _archived(self, field_: str, value: str, tenant: str, out: Asked) -> list[Told]:
        from mta.archive.seeking import seek

        if not self.archive.is_dir():
            out.through.append(f"no archive in {self.archive}")
            return []
        found = await asyncio.to_thread(seek, self.archive, field_, value)
        out.through.append(f"the archive ({found.days} days)")
        out.complete = out.complete and found.complete
        return [
            self._finished(one) for one in found.events if is_final(one) and tenant in ("", one.get("tenant"))
        ]

    async def _outside(self) -> str:
        waiting = 0
        for label in ("urgent", "transactional", "bulk"):
            waiting += int(await self.client.xlen(self.keys.submit_stream(label)))
        return f"but not {waiting:,} submissions that are not taken in yet" if waiting else ""

    def _finished(self, event: Event) -> Told:
        ts = event.get("ts", "0")
        code, reply = event.get("code", ""), event.get("reply", "")
        said = (
            " ".join(part for part in (code, reply) if part)
            or event.get("why", "")
            or event.get("reason", "")
        )
        final = Final(event.get("event", ""), int(ts) if ts.isdigit() else 0, said[:200])
        facts = Facts(now=final.at, final=final)
        name, tenant, campaign, rcpt = (event.get(one, "") for one in ("id", "tenant", "campaign", "rcpt"))
        return Told(name, tenant, campaign, rcpt, why(facts), facts, events=[event])
