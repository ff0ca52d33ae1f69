"""The sources that a path's mail may go out from, as `mta why` tells of them: read from the keys that take goes by."""

from collections.abc import Awaitable, Callable

import msgspec

from mta.message import Lane
from mta.queue.control import Gate
from mta.queue.link import Client
from mta.queue.warmbook import REST
from mta.throttle.pools import Pools
from mta.throttle.waiting.facts import Closed, Own, Path, SourceState
from mta.throttle.warmup import day_at

ReadPath = Callable[[str], Awaitable[Path]]  # of a path by its name


async def outlets(
    client: Client, base: str, lane: Lane, pools: Pools, now: int, path: ReadPath
) -> tuple[SourceState, ...]:
    """Return the state of each source of a lane's pool; none where the pool has none."""
    found = []
    for name in pools.pools.get(lane.pool, ()):
        pipe = client.pipeline(transaction=False)
        pipe.hget(f"{base}gates", f"x|{name}")
        pipe.hmget(f"{base}warming", [f"{name}|{lane.site}", f"{name}|{REST}"])
        pipe.hmget(f"{base}used:{day_at(now)}", [f"{name}|{lane.site}", f"{name}|{REST}"])
        pipe.hget(f"{base}scopes", f"x|{name}")
        pipe.hget(f"{base}pace", f"x|{name}")
        gate, caps, used, terms, tat = await pipe.execute()
        closed = None
        if gate:
            read = msgspec.json.decode(gate, type=Gate)
            closed = Closed(f"source {name}", read.state, read.reason, read.by, read.until)
        cap, at = -1, 1 if caps[0] is None else 0
        if not pools.sources[name].warm:
            cap = int((caps[at] or b"0").split()[0])
        own = None
        if terms:
            _, interval, tolerance, *_ = (float(one) for one in terms.decode().split())
            own = Own(f"source {name}", interval, tolerance, float(tat or 0))
        via = pools.path(lane.pool, lane.site, name)
        found.append(
            SourceState(name, await path(via), closed, cap, int(used[at] or 0), own, own_ladder=at == 0)
        )
    return tuple(found)
