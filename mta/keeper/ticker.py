"""Counts what the keeper sees pass, and says it every few seconds for whoever looks (mta.queue.rates)."""

import time
from collections.abc import Sequence

from mta.keeper.found import Found
from mta.queue.rates import FLOWS, Interval, Rates, counted


class Ticker:
    """What happened since it was said last."""

    def __init__(self, rates: Rates) -> None:
        self.rates = rates
        self._since = time.monotonic()
        self._counts = dict.fromkeys(FLOWS, 0)

    def saw(self, events: Sequence[dict[str, str]]) -> None:
        """Count events that were archived."""
        for name, count in counted(events).items():
            self._counts[name] += count

    async def tell(self) -> Found:
        """Say it, and begin anew. What could not be said is part of the next."""
        now = time.monotonic()
        seconds = now - self._since
        told = dict(self._counts)
        await self.rates.add(Interval(int(time.time() * 1000), round(seconds, 3), **told))
        self._since = now
        for name, count in told.items():
            self._counts[name] -= count
        return Found.SOMETHING
