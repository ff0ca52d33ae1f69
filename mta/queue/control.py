"""What control asks of the lanes: close and open scopes, drop what waits."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from mta.event import flat
from mta.queue import scripts
from mta.queue.keys import Keys
from mta.queue.link import Client

PAGE = 1000  # entries read at once
GUARD = "guard"  # by whom a gate is closed that only a person of the platform may open


SUSPENDED, HELD, CANARY, REJECTED = "suspended", "held", "canary", "rejected"
PURGING = "purging"  # while what a scope keeps is dropped: nothing of it goes out any more


class Gate(msgspec.Struct, omit_defaults=True):
    """Why a scope is closed: `state` suspended, held, canary or rejected; times in ms since 1970.

    `until` 0 = until opened. A scope that is suspended while it is held keeps the hold in `beneath`: to go on after
    a suspension is not to be approved.
    """

    state: str
    reason: str = ""
    by: str = ""
    until: int = 0
    since: int = 0
    beneath: "Gate | None" = None

    @property
    def hold(self) -> "Gate | None":
        """The hold, on top or beneath."""
        return self if self.state == HELD else self.beneath


@dataclass(frozen=True, slots=True)
class Scope:
    """What a control acts on, in the gates' spelling."""

    text: str

    @classmethod
    def of_tenant(cls, tenant: str) -> "Scope":
        """All mail of a tenant."""
        return cls(f"t|{tenant}")

    @classmethod
    def of_bulk(cls, tenant: str) -> "Scope":
        """A tenant's bulk mail: its receipts and alerts go on."""
        return cls(f"b|{tenant}")

    @classmethod
    def of_campaign(cls, tenant: str, campaign: str) -> "Scope":
        """One campaign."""
        return cls(f"c|{tenant}|{campaign}")

    @classmethod
    def of_rest(cls, tenant: str, campaign: str) -> "Scope":
        """What of a campaign still lies in the store: all but what was put in lanes ahead of it."""
        return cls(f"k|{tenant}|{campaign}")

    @classmethod
    def of_domain(cls, domain: str) -> "Scope":
        """All mail to a domain, wherever it waits."""
        return cls(f"d|{domain}")

    @classmethod
    def of_recipient(cls, address: str) -> "Scope":
        """All mail to an address."""
        return cls(f"r|{address}")

    @classmethod
    def of_message(cls, tenant: str, message: str) -> "Scope":
        """One message, by its public id."""
        return cls(f"m|{tenant}|{message}")

    @classmethod
    def of_site(cls, site: str) -> "Scope":
        """All mail to a site."""
        return cls(f"s|{site}")

    @classmethod
    def of_source(cls, source: str) -> "Scope":
        """All mail from a source, by its name."""
        return cls(f"x|{source}")


class Control:
    """Closes, opens and purges, on every shard."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def close(self, scope: Scope, gate: Gate, event: dict[str, str]) -> bool:
        """Close a scope within a second on all workers; True when it was open before (the event says so)."""
        state = msgspec.json.encode(gate).decode()
        fresh = 0
        for shard in range(self.keys.shards):
            told = flat(event) if shard == 0 else []
            fresh += await scripts.run(
                self.client, "gate", self.keys.base(shard), ["close", scope.text, state, told]
            )
        return fresh > 0

    async def suspend(self, scope: Scope, gate: Gate, event: dict[str, str]) -> bool:
        """Close a scope; a hold on it stays beneath. True when it was open or held before (the event says so)."""

        def over(now: Gate | None) -> Gate:
            return msgspec.structs.replace(gate, beneath=now.hold if now else None)

        was = await self._swap(
            scope, over, event, quiet=lambda now: now is not None and now.state == SUSPENDED
        )
        return was is None or was.state != SUSPENDED

    async def hold(self, scope: Scope, gate: Gate, event: dict[str, str]) -> bool:
        """Keep what a scope has until it is released; a suspension stays on top. False when it was held before."""

        def known(now: Gate | None) -> bool:
            return now is not None and (now.hold is not None or now.state == REJECTED)

        def under(now: Gate | None) -> Gate:
            if now is None or known(now):
                return now or gate
            return msgspec.structs.replace(now, beneath=gate) if now.state in (SUSPENDED, PURGING) else gate

        return not known(await self._swap(scope, under, event, quiet=known))

    async def turn(self, scope: Scope, state: str, gate: Gate, event: dict[str, str]) -> bool:
        """Give a scope that is closed in this state another gate; False when it is not, and nothing changes."""
        now = (await self.gates()).get(scope.text)
        if now is None or now.state != state:
            return False

        def turned(was: Gate | None) -> Gate:
            return gate if was is not None and was.state == state else was or gate

        await self._swap(scope, turned, event)
        return True

    async def lift(self, scope: Scope, event: dict[str, str]) -> None:
        """End the hold beneath a suspension, which stays."""
        await self._swap(
            scope, lambda now: msgspec.structs.replace(now or Gate(SUSPENDED), beneath=None), event
        )

    async def resume(self, scope: Scope, event: dict[str, str]) -> bool:
        """End a suspension; what is held beneath it stays held. False when the scope was not suspended."""
        now = (await self.gates()).get(scope.text)
        if now is not None and now.state not in (SUSPENDED, PURGING):
            return False
        if now is None or now.beneath is None:
            return await self.open(scope, event)
        was = await self._swap(scope, lambda gate: (gate and gate.beneath) or now.beneath or now, event)
        return was is not None

    async def _swap(
        self,
        scope: Scope,
        change: Callable[[Gate | None], Gate],
        event: dict[str, str],
        quiet: Callable[[Gate | None], bool] = lambda _: False,
    ) -> Gate | None:
        """Replace a scope's gate by what `change` makes of it, whoever else does; return what it was.

        The event is told in the same step, unless `quiet` finds it told.
        """
        while True:
            raw = await self.client.hget(f"{self.keys.base(0)}gates", scope.text)
            was = msgspec.json.decode(raw, type=Gate) if raw else None
            state = msgspec.json.encode(change(was)).decode()
            told = [] if quiet(was) else flat(event)
            arguments = ["swap", scope.text, state, told, raw or b""]
            if await scripts.run(self.client, "gate", self.keys.base(0), arguments):
                break
        for shard in range(1, self.keys.shards):
            await scripts.run(self.client, "gate", self.keys.base(shard), ["close", scope.text, state, []])
        return was

    async def open(self, scope: Scope, event: dict[str, str]) -> bool:
        """Open a scope and let its mail go on; False when it was not closed."""
        was_closed = False
        for shard in range(self.keys.shards):
            told = flat(event) if shard == 0 else []
            while True:
                back = await scripts.run(
                    self.client, "gate", self.keys.base(shard), ["open", scope.text, "", told]
                )
                was_closed = was_closed or back >= 0
                if back <= 0:
                    break
        return was_closed

    async def forget_answers(self, site: str) -> None:
        """Let the paths to a site begin anew: no stop by a rule, no slower pace, no fewer connections."""
        names = ("stop", "slow", "slowed", "top", "base", "cut", "waits", "few", "fewer")
        for shard in range(self.keys.shards):
            base = self.keys.base(shard)
            async for key in self.client.scan_iter(f"{base}path:*|{site}", count=500):
                await self.client.hdel(key, *names)
                for cls in range(3):
                    await self.client.zadd(f"{base}due:{cls}", {key[len(f"{base}path:") :]: 0}, xx=True)

    async def half_open(self) -> set[Scope]:
        """Return scopes that somebody began to open and did not finish."""
        found: set[Scope] = set()
        for shard in range(self.keys.shards):
            names = await self.client.smembers(f"{self.keys.base(shard)}opening")
            found.update(Scope(name.decode()) for name in names)
        return found

    async def gates(self) -> dict[str, Gate]:
        """Return the closed scopes with their reasons."""
        rows = await self.client.hgetall(f"{self.keys.base(0)}gates")
        return {scope.decode(): msgspec.json.decode(state, type=Gate) for scope, state in rows.items()}

    async def purge(self, tenant: str, campaign: str, event: dict[str, str]) -> int:
        """Drop what waits of a campaign (empty: of the tenant's single messages); return how many."""
        dropped = 0
        for shard in range(self.keys.shards):
            cursor = ""
            # An event per step, each with its own count and its own stable id.
            told = flat({name: value for name, value in event.items() if name != "eid"})
            eid = f"{event['eid']}/{shard}"
            while cursor != "done":
                arguments = [f"{tenant}|{campaign}", told, cursor, eid]
                count, raw = await scripts.run(self.client, "purge", self.keys.base(shard), arguments)
                dropped += count
                cursor = raw.decode()
        return dropped

    async def scopes_of(self, tenant: str) -> list[str]:
        """Return the campaigns of a tenant that have mail waiting, in lanes or elsewhere ("" = single messages)."""
        found: set[str] = set()
        for shard in range(self.keys.shards):
            base = self.keys.base(shard)
            found.update(name.decode() for name in await self.client.smembers(f"{base}of:{tenant}"))
            lists = [
                f"{base}wheel:{name.decode()}" for name in await self.client.zrange(f"{base}wheel", 0, -1)
            ]
            lists += [f"{base}sieved:{name.decode()}" for name in await self.client.hkeys(f"{base}sieve")]
            found.update(_campaigns(await self.client.hvals(f"{base}expanding"), tenant))
            for name in lists:
                start = 0
                while page := await self.client.lrange(name, start, start + PAGE - 1):
                    found.update(_campaigns(page, tenant))
                    start += PAGE
        return sorted(found)


def _campaigns(entries: Iterable[bytes], tenant: str) -> Iterator[str]:
    for entry in entries:
        *_, owner, campaign = entry.partition(b"\n")[0].decode().split("|")
        if owner == tenant:
            yield campaign
