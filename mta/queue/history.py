"""What the event streams still say of one message: read backwards without a group, page by page, within a bound."""

from mta.event import FINAL
from mta.queue import scripts
from mta.queue.keys import Keys
from mta.queue.link import Client

LOOKED_AT = 100_000  # events of a shard that are looked at
MOST = 500  # events of one message that are kept

Event = dict[str, str]


class History:
    """Looks back through the event streams of all shards."""

    def __init__(self, client: Client, keys: Keys, looked_at: int = LOOKED_AT) -> None:
        self.client = client
        self.keys = keys
        self.looked_at = looked_at
        self.looked = 0
        self.complete = True  # False: a stream is longer than what was looked at

    async def of(
        self,
        field: str,
        value: str,
        tenant: str = "",
        *,
        since: int = 0,
        most: int = MOST,
        final: bool = False,
    ) -> list[Event]:
        """Return the events with this value in a field, oldest first; with `final` it ends at the first final one.

        `since` ms since 1970: what is older is not looked at. `complete` says whether a bound ended the look.
        """
        found: list[tuple[tuple[int, int], Event]] = []
        for shard in range(self.keys.shards):
            until, looked, kept = "+", 0, 0
            while until and kept < most:
                if looked >= self.looked_at:
                    self.complete = False
                    break
                args = [until, str(since) if since else "-", field, value, min(64, most - kept)]
                following, count, *rows = await scripts.run(self.client, "told", self.keys.base(shard), args)
                until, looked = following.decode(), looked + int(count)
                for entry_id, flat in rows:
                    event = _event(flat)
                    if tenant and event.get("tenant") != tenant:
                        continue
                    found.append((_order(entry_id), event))
                    kept += 1
                if final and any(is_final(event) for _, event in found):
                    break
            self.looked += looked
        return [event for _, event in sorted(found, key=lambda pair: pair[0])]


def is_final(event: Event) -> bool:
    """Return whether an event is the one that ends a message, and no later report about it."""
    return event.get("event") in FINAL and not event.get("async")


def _event(flat: list[bytes]) -> Event:
    parts = [part.decode("utf-8", "replace") for part in flat]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _order(entry_id: bytes) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)
