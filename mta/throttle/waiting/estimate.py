"""How much goes before a message, and how fast: the arithmetic of fair turns and of limits.

A member of an order of virtual time is served until its time has passed that of the others: each message moves it on
by one over its weight (docs/redis.md, Take). So others get, before a message at place n, what they have or what
brings them to the same time, whichever is less.
"""

from mta.throttle.waiting.facts import Own, Path, Turn

DAY = 86_400_000


def before(turn: Turn | None, place: int) -> int:
    """Return how many messages go before the one at `place` (from 0) of a member: its own, and the others'."""
    if turn is None:
        return place
    ends = turn.since + (place + 1) / turn.weight
    return place + sum(
        min(one.waiting, int(max(0.0, ends - one.since) * one.weight + 0.001)) for one in turn.others
    )


def by_rate(interval: float, tolerance: float, tat: float, now: int, ahead: int) -> float:
    """Return when a rate limit (GCRA) lets the message behind `ahead` others go, ms since 1970; now without one."""
    if interval <= 0:
        return now
    # No bucket is fuller than that, whatever stands there from limits that held more.
    tat = min(max(tat, now), now + tolerance + interval)
    return max(now, tat - tolerance + ahead * interval)


def by_pace(path: Path, now: int, ahead: int) -> float | None:
    """Return when sessions at the pace last seen have sent `ahead` messages; None when no pace is known."""
    if ahead == 0:
        return now
    # Those that work now: more may be opened, and nobody knows whether they will be.
    if path.pace <= 0 or path.busy == 0:
        return None
    return now + ahead * 1000 / (path.pace * path.busy)


def spent_until(own: Own, now: int) -> int:
    """Return when a scope's own rate or quota lets it send again; 0 when it may now."""
    if own.per_day and own.used >= own.per_day:
        return (now // DAY + 1) * DAY
    if own.interval > 0:
        at = by_rate(own.interval, own.tolerance, own.tat, now, 0)
        if at > now:
            return max(int(at), own.again)
    return 0


def own_time(own: Own, now: int, ahead: int) -> float:
    """Return when a scope's own rate and quota let the message behind `ahead` of its own go."""
    at = by_rate(own.interval, own.tolerance, own.tat, now, ahead)
    if own.per_day:
        # What does not fit today goes on the days after, each with its whole quota.
        days = (own.used + ahead) // own.per_day
        if days:
            at = max(at, (now // DAY + days) * DAY)
    return at
