"""Mail that goes out from sources which warm up: what became of each message, for the ladder that it belongs to."""

from collections.abc import Iterable
from typing import Final

from mta.queue.lanes import Batch, Result
from mta.throttle.pools import Pools
from mta.verdict import Deferred, Delivered, Verdict

OF_THE_MAILBOX: Final = frozenset({"greylisted", "mailbox_full"})
"""Classes of deferral that say nothing of the source: whoever is new is greylisted, and a full mailbox is full."""
BACK: Final = "back"  # it was not sent


class Warming:
    """Notes batches of such sources, hears their verdicts, and marks the results (settle.lua counts them)."""

    def __init__(self) -> None:
        self._taken: dict[
            bytes, list[str | int]
        ] = {}  # message id -> source, site, when it was taken, what it tells

    def __repr__(self) -> str:
        return f"<Warming {len(self._taken)} in flight>"

    def __bool__(self) -> bool:
        return bool(self._taken)

    def begin(self, batches: Iterable[Batch], pools: Pools, now: int) -> None:
        """Note what was taken at `now` (the server's ms since 1970) from sources that warm up."""
        for batch in batches:
            source = pools.source_of(batch.path)
            if source is not None and not source.warm:
                site = batch.path.partition("|")[2]
                for item in batch.items:
                    self._taken[item.id] = [source.name, site, now, BACK]

    def judged(self, message_id: bytes, verdict: Verdict, cls: str) -> None:
        """An attempt has ended: hear what it says of the source."""
        mark = self._taken.get(message_id)
        if mark is not None:
            mark[3] = _tells(verdict, cls)

    def mark(self, result: Result) -> None:
        """Write into a message's result what it tells."""
        result.warmed = self._taken.pop(result.id, ())

    def clear(self) -> None:
        """Forget what is in flight: it belongs to another now."""
        self._taken.clear()


def _tells(verdict: Verdict, cls: str) -> str:
    if isinstance(verdict, Delivered):
        return "delivered"
    if verdict.reply.local:
        return ""  # nobody refused it
    if isinstance(verdict, Deferred):
        return "" if cls in OF_THE_MAILBOX else "deferred"
    return "bounced"
