"""Events that come from outside the delivery path: opens, clicks, unsubscribes, reports."""

from collections.abc import Sequence

from mta.event import flat
from mta.queue import scripts
from mta.queue.keys import Keys
from mta.queue.lanes import MOST
from mta.queue.link import Client

_COUNTED = {
    "opened": "opened",
    "clicked": "clicked",
    "unsubscribed": "unsubscribed",
    "complained": "complained",
    "bounced": "late_bounced",  # a report after delivery comes in addition to the final event
}


class Feedback:
    """Publishes events and counts them in their campaigns."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    async def publish(self, items: Sequence[tuple[int, dict[str, str]]]) -> None:
        """Add events, each to its shard's stream; raise QueueDown, after which the caller keeps them."""
        for shard in {shard for shard, _ in items}:
            rows = []
            for _, event in (item for item in items if item[0] == shard):
                scope = f"{event.get('tenant', '')}|{event.get('campaign', '')}"
                rows.append([scope, _COUNTED.get(event["event"], ""), *flat(event)])
            for start in range(0, len(rows), MOST):
                await scripts.run(self.client, "feed", self.keys.base(shard), rows[start : start + MOST])
