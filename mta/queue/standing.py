"""What stands in the way of a message, read from the keys that take goes by: a few round trips, nothing changed."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from mta.message import Class, Lane
from mta.queue.campaigns import Campaigns
from mta.queue.control import Gate
from mta.queue.keys import Keys
from mta.queue.lanes import PathDefaults
from mta.queue.link import Client
from mta.queue.orders import Orders
from mta.queue.outlets import outlets
from mta.queue.place import Place, Where
from mta.throttle.pace import Pace, rate
from mta.throttle.pools import Pools
from mta.throttle.waiting.facts import Closed, Facts, Flight, Later, Own, Packed, Path, SourceState
from mta.throttle.waiting.sources import first
from mta.throttle.window import wait_ms, zone

BATCHES_A_SECOND = 4  # a session's batch is what it sends in 250 ms (docs/redis.md)
_SCOPES = {
    "t": "tenant",
    "b": "bulk mail of tenant",
    "c": "campaign",
    "k": "rest of campaign",
    "s": "site",
    "d": "domain",
    "r": "recipient",
    "m": "message",
    "x": "source",
}
PACED_BURST = 50.0  # ms (permit.lua)
EACH_MS = 30_000  # after which a path gets back one connection that was refused
_DAY = 86_400_000


class Standing:
    """Reads the facts about one message at a time, or about all of a lane.

    `defaults`: the limits of a path without its own; `ready`: messages of a class kept ready in lanes; `pools`: the
    sources there are.
    """

    def __init__(
        self, client: Client, keys: Keys, defaults: PathDefaults, ready: int, pools: Pools | None = None
    ) -> None:
        self.client = client
        self.keys = keys
        self.defaults = defaults
        self.ready = ready
        self.pools = pools or Pools()
        self.campaigns = Campaigns(client, keys)

    async def of(self, place: Place, reply: str = "") -> Facts:
        """Return the facts of a message that was found; `reply`: what its last attempt was answered."""
        base, lane = self.keys.base(place.shard), place.lane
        now = await self._now()
        if place.where is Where.FLIGHT:
            ends = await self.client.zscore(f"{base}workers", place.worker)
            return Facts(now, flight=Flight(place.worker, int(ends or 0) - now), expires=place.expires)
        scopes = _scopes(place)
        pipe = self.client.pipeline(transaction=False)
        pipe.hmget(f"{base}gates", scopes)
        pipe.zcount(f"{base}workers", now, "+inf")
        rows = await pipe.execute()
        closed = _closed(scopes, rows[0])
        opens = await self._opens(lane, place.tz, now)
        own = await self._own(base, lane, now)
        if place.where is Where.WHEEL:
            later = Later(place.at, place.attempts, reply, window=bool(opens) and not place.attempts)
            return Facts(
                now, later=later, closed=closed, expires=place.expires, opens=0, workers=int(rows[1])
            )
        orders = Orders(self.client, base)
        path = None
        campaign = tenant = None
        higher = 0
        packed = None
        sources: tuple[SourceState, ...] = ()
        if place.where in (Where.STORE, Where.OPENING, Where.SHELF):
            packed = await self._packed(base, place)
        if lane.site != "*":
            path = await self._path(base, lane, now)
            sources = await outlets(
                self.client, base, lane, self.pools, now, partial(self._path, base, lane, now)
            )
            tenant, campaign = await orders.turns(lane)
            higher = await orders.higher(lane)
        facts = Facts(
            now, Class(lane.cls).label, True, place.ahead, higher, path, sources, closed, own, campaign, tenant,
            packed=packed, opens=opens, expires=place.expires, workers=int(rows[1]),
        )  # fmt: skip
        return replace(facts, path=first(facts)) if sources else facts

    async def _now(self) -> int:
        seconds, micros = await self.client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def _opens(self, lane: Lane, tz: str, now: int) -> int:
        window = await self.campaigns.window(lane.tenant, lane.campaign) if lane.campaign else None
        if window is None:
            return 0
        wait = wait_ms(window, now, zone(window, tz))
        return now + wait if wait else 0

    async def _packed(self, base: str, place: Place) -> Packed:
        cls = str(place.lane.cls)
        ready = int(await self.client.hget(f"{base}ready", cls) or 0)
        asked = int(await self.client.get(f"{base}hungry") or 0)
        return Packed(place.where.value, ready, self.ready, asked)

    async def _path(self, base: str, lane: Lane, now: int, name: str = "") -> Path:
        pipe = self.client.pipeline(transaction=False)
        pipe.hgetall(f"{base}path:{name or lane.path}")
        pipe.hmget(f"{base}limits", [lane.site, f"!{lane.site}"])
        pipe.zscore(f"{base}due:{lane.cls}", lane.path)
        state, limits, due = await pipe.execute()
        interval, tolerance, connections, _ = self.defaults.wire()
        for row in limits:
            if row is None:
                continue
            wide, burst, most, *until = row.decode().split()
            if until and int(until[0]) <= now:
                continue
            if float(wide) >= 0:
                interval, tolerance = float(wide), float(burst)
            connections = int(most) or connections
        fields = {name.decode(): float(value) for name, value in state.items() if _figure(value)}
        interval, tolerance, slower = _slower(fields, interval, tolerance, now)
        few = (
            int(fields["few"] + (now - fields.get("fewer", now)) // EACH_MS)
            if "few" in fields
            else connections
        )
        return Path(
            lane.pool,
            lane.site,
            interval,
            tolerance,
            fields.get("tat", 0.0),
            int(min(connections, few)),
            int(sum(value for name, value in fields.items() if name.startswith("o:"))),
            int(sum(value for name, value in fields.items() if name.startswith("i:"))),
            fields.get("batch", 0.0) * BATCHES_A_SECOND,
            int(fields.get("pause", 0)),
            next=int(due or 0),
            stopped_until=int(fields.get("stop", 0)),
            slower=slower,
            fewer=few < connections,
        )

    async def _own(self, base: str, lane: Lane, now: int) -> tuple[Own, ...]:
        scopes = [f"t|{lane.tenant}", *([f"c|{lane.tenant}|{lane.campaign}"] if lane.campaign else [])]
        urgent = lane.cls == Class.URGENT
        pipe = self.client.pipeline(transaction=False)
        pipe.hmget(f"{base}scopes", scopes)
        pipe.hmget(f"{base}pace", scopes)
        pipe.hmget(f"{base}day:{now // _DAY}", [*scopes, *(f"u{one}" for one in scopes)])
        for scope in scopes:
            pipe.zscore(f"{base}timed", scope)
        terms, paces, used, *agains = await pipe.execute()
        found = []
        for n, scope in enumerate(scopes):
            if terms[n] is None:
                continue
            _, interval, tolerance, day, urgent_day = (float(one) for one in terms[n].decode().split()[:5])
            tat, again = float(paces[n] or 0), int(agains[n] or 0)
            name = words(scope)
            sent = int(used[n] or 0)
            found.append(Own(name, interval, tolerance, tat, int(day), sent, again))
            if urgent and urgent_day:
                sent = int(used[n + len(scopes)] or 0)
                found.append(Own(f"{name} (urgent)", per_day=int(urgent_day), used=sent))
        return tuple(found)


def _slower(
    fields: dict[str, float], interval: float, tolerance: float, now: int
) -> tuple[float, float, str]:
    """Return interval and tolerance as answers have left them (permit.lua does the same), and why they are other."""
    why = ""
    if fields.get("slow") and fields.get("slowed", 0) > now and interval > 0:
        interval, why = interval / fields["slow"], "slowed by a rule of the shaping file"
    if "top" in fields:
        pace = Pace(fields["top"], fields.get("base", 0.0), int(fields.get("cut", 0)))
        sent = rate(pace, now)
        if sent > 0 and 1000 / sent > interval:
            tolerance = min(tolerance, PACED_BURST) if interval > 0 else PACED_BURST
            interval, why = 1000 / sent, "its receiver said: too fast"
    return interval, tolerance, why


def _scopes(place: Place) -> list[str]:
    lane = place.lane
    bulk = [f"b|{lane.tenant}"] if lane.cls == Class.BULK else []
    found = [f"t|{lane.tenant}", *bulk, f"c|{lane.tenant}|{lane.campaign}", f"s|{lane.site}"]
    if lane.site == "*":
        found.append(f"k|{lane.tenant}|{lane.campaign}")
    domain = place.rcpt.rpartition("@")[2]
    # One that was sieved out is parked by one of these; others are met when it is drawn.
    return [*found, f"d|{domain}", f"r|{place.rcpt}", f"m|{lane.tenant}|{place.name}"]


def _closed(scopes: Sequence[str], rows: Sequence[Any]) -> tuple[Closed, ...]:
    found = []
    for scope, row in zip(scopes, rows, strict=True):
        if row is not None:
            gate = msgspec.json.decode(row, type=Gate)
            found.append(Closed(words(scope), gate.state, gate.reason, gate.by, gate.until))
    return tuple(found)


def words(scope: str) -> str:
    """Return a scope of the gates in words: `c|acme|spring-26` is campaign acme/spring-26."""
    kind, _, rest = scope.partition("|")
    name = rest.replace("|", "/")
    if kind == "c" and name.endswith("/"):
        return f"single messages of {name[:-1]}"
    return f"{_SCOPES.get(kind, kind)} {name}"


def _figure(value: bytes) -> bool:
    try:
        float(value)
    except ValueError:
        return False  # a field of another kind, which is not read here
    return True
