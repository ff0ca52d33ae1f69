"""Is the engine well? One judgement from one glance: ready, degraded or down, with every reason in words."""

from dataclasses import dataclass
from typing import Final

from mta.queue.overview import Glance
from mta.queue.rates import per_second
from mta.queue.roll import Present

BEAT_MS: Final = 15_000  # the keeper says once a second how the engine is
ROLES: Final = ("ingest", "worker", "keeper")
"""Without one of each, mail does not move."""
MEMORY_WARN: Final = 70  # percent, as the alert MtaRedisMemory
STUCK_SECONDS: Final = 300.0
LAG: Final = 100_000  # events, as the alert MtaEventLag
ARCHIVE_LAG: Final = 20_000
READY, DEGRADED, DOWN = "ready", "degraded", "down"


@dataclass(frozen=True, slots=True)
class Health:
    """`state` is ready, degraded or down; `reasons` in words, the worst first."""

    state: str
    reasons: tuple[str, ...] = ()


def health(glance: Glance) -> Health:
    """Return the judgement. Down: nothing is taken in, or nothing is sent. Degraded: something needs a person."""
    now, down, worse = glance.now, list[str](), list[str]()
    beat = int(glance.status.get("beat", "0") or 0)
    if not beat:
        down.append("no engine ever ran on this Redis")
    elif now - beat > BEAT_MS:
        down.append(f"the keeper gave its last sign {_span(now - beat)} ago")
    here = {one.role for one in glance.roll if not one.silent(now)}
    for role in ROLES if beat else ():
        if glance.roll and role not in here:
            down.append(f"no {role} runs")
    if glance.status.get("accepting") == "0":
        worse.append(f"no new mail is accepted: {glance.status.get('why', '')}")
    worse += [
        f"{_name(one)} gave its last sign {_span(now - one.at)} ago" for one in glance.roll if one.silent(now)
    ]
    for one in glance.roll:
        if not one.silent(now):
            worse += [f"{_name(one)}: {fault}" for fault in one.faults]
    memory = glance.memory_used * 100 // glance.memory_most if glance.memory_most else 0
    if memory >= MEMORY_WARN:
        worse.append(f"Redis uses {memory} % of its memory")
    for group, lag in sorted(glance.lags.items()):
        if lag > (ARCHIVE_LAG if group == "archive" else LAG):
            worse.append(f"the event readers of group {group} are {lag:,} events behind")
    if _stuck(glance):
        worse.append("mail is due and none was delivered for 5 minutes; see `mta top` for what it waits for")
    state = DOWN if down else DEGRADED if worse else READY
    return Health(state, (*down, *worse))


def _stuck(glance: Glance) -> bool:
    """Whether mail that is due is old, and nothing is delivered; what a closed gate keeps is not due."""
    oldest = max((one.oldest for one in glance.classes if one.ready), default=0.0)
    known = sum(one.seconds for one in glance.intervals if glance.now - one.at < STUCK_SECONDS * 1000)
    return (
        oldest > STUCK_SECONDS
        and known > STUCK_SECONDS / 2
        and per_second(glance.intervals, "delivered", glance.now, STUCK_SECONDS) == 0
    )


def _name(one: Present) -> str:
    return f"{one.name} on {one.host}"


def _span(ms: int) -> str:
    seconds = max(0, ms) // 1000
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
