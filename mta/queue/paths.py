"""Read-only questions about paths, from counters that are kept as mail moves: exact and cheap at any length."""

from dataclasses import dataclass

import msgspec

from mta.queue.control import Gate
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.throttle.pace import Pace, rate

STEP = 500  # commands in one round trip


@dataclass(slots=True)
class PathState:
    """One path: what waits for it, what is open, what it may do; times in ms since 1970, 0 = none."""

    pool: str
    site: str
    ready: int = 0  # messages in lanes
    packed: int = 0  # messages on the site's own shelves
    open: int = 0
    idle: int = 0
    connections: int = 0  # limit of its own, 0 = that of the settings
    rate: float = 0.0  # the same, messages per second
    paused_until: int = 0
    stopped_until: int = 0  # by a rule of the shaping file
    pace: float = 0.0  # messages per second that the receiver's answers leave, 0 = what the limits say
    slow: float = 0.0  # factor on the rate, by a rule, 0 = none
    next: int = 0
    gate: str = ""
    reason: str = ""
    shard: int = 0

    def state(self, now: int) -> str:
        """In a word: suspended, paused, full, or open."""
        if self.gate:
            return self.gate
        if self.stopped_until > now:
            return "suspended"
        if self.paused_until > now:
            return "paused"
        return "full" if self.connections and self.open - self.idle >= self.connections else "open"


class Paths:
    """Questions to every shard."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def now(self) -> int:
        """Return the server's time, ms since 1970."""
        seconds, micros = await self.client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def states(self) -> list[PathState]:
        """Return the paths that mail waits for or that were used within the last hour."""
        found: list[PathState] = []
        for shard in range(self.keys.shards):
            states = (await self._shard(self.keys.base(shard))).values()
            for one in states:
                one.shard = shard
            found += states
        return found

    async def _shard(self, base: str) -> dict[str, PathState]:
        states: dict[str, PathState] = {}
        now = await self.now()
        keys = [key async for key in self.client.scan_iter(f"{base}path:*", count=STEP)]
        for start in range(0, len(keys), STEP):
            pipe = self.client.pipeline(transaction=False)
            page = keys[start : start + STEP]
            names = [key.decode().removeprefix(f"{base}path:") for key in page]
            for key, name in zip(page, names, strict=True):
                pipe.hgetall(key)
                for cls in range(3):
                    pipe.zscore(f"{base}due:{cls}", name)
            rows = await pipe.execute()
            for number, name in enumerate(names):
                pool, _, site = name.partition("|")
                if site != "*":
                    fields, *dues = rows[number * 4 : number * 4 + 4]
                    states[name] = _read(pool, site, fields, [due for due in dues if due], now)
        for lane, rows_ in (await self.client.hgetall(f"{base}shelved")).items():
            _, pool, site, _ = lane.decode().split("|", 3)
            if site != "*":
                state = states.setdefault(f"{pool}|{site}", PathState(pool, site))
                state.packed += int(rows_)
        await self._limits(base, states)
        return states

    async def _limits(self, base: str, states: dict[str, PathState]) -> None:
        limits = {
            name.decode(): row.decode() for name, row in (await self.client.hgetall(f"{base}limits")).items()
        }
        gates = await self.client.hgetall(f"{base}gates")
        for state in states.values():
            for name in (state.site, f"!{state.site}"):
                if name in limits:
                    interval, _, connections, *_ = limits[name].split()
                    if float(interval) >= 0:
                        state.rate = 1000.0 / float(interval) if float(interval) else 0.0
                    state.connections = int(connections) or state.connections
            gate = gates.get(f"s|{state.site}".encode())
            if gate:
                read = msgspec.json.decode(gate, type=Gate)
                state.gate, state.reason = read.state, read.reason


def _read(pool: str, site: str, fields: dict[bytes, bytes], dues: list[float], now: int) -> PathState:
    state = PathState(pool, site, ready=int(fields.get(b"n", 0)), paused_until=int(fields.get(b"pause", 0)))
    for name, value in fields.items():
        if name.startswith(b"o:"):
            state.open += int(value)
        elif name.startswith(b"i:"):
            state.idle += int(value)
    state.next = max(int(min(dues)), state.paused_until) if dues else 0
    state.stopped_until = int(fields.get(b"stop", 0))
    if int(fields.get(b"slowed", 0)) > now:
        state.slow = float(fields[b"slow"])
    if b"top" in fields:
        top, base, at = (float(fields[name]) for name in (b"top", b"base", b"cut"))
        state.pace = rate(Pace(top, base, int(at)), now)
    return state
