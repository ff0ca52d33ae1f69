"""The event streams read without a group: nothing is acknowledged, so nobody else misses anything."""

from mta.queue.keys import Keys
from mta.queue.link import Client

PAGE = 500
LOOKED_AT = 100_000  # events that `last` looks back over in a shard

Event = dict[str, str]


class Tail:
    """A reader of all shards; it begins at the end as of `to_end`."""

    def __init__(self, client: Client, blocking: Client, keys: Keys) -> None:
        self.client = client
        self.blocking = blocking
        self.streams = [keys.events(shard) for shard in range(keys.shards)]
        self.positions: dict[str, bytes] = dict.fromkeys(self.streams, b"0-0")

    async def to_end(self) -> None:
        """Read from now on. Call it before the act whose events are awaited: `$` would miss what comes between."""
        for stream in self.streams:
            newest = await self.client.xrevrange(stream, count=1)
            self.positions[stream] = newest[0][0] if newest else b"0-0"

    async def read(self, block_ms: int | None) -> list[Event]:
        """Return new events, waiting up to `block_ms` for the first (None: not at all)."""
        client = self.client if block_ms is None else self.blocking
        found: list[Event] = []
        for name, entries in await client.xread(self.positions, count=PAGE, block=block_ms) or ():
            for entry_id, fields in entries:
                self.positions[name.decode()] = entry_id
                found.append(_text(fields))
        return found

    async def last(self, most: int, wanted: dict[str, str]) -> list[Event]:
        """Return the newest events whose fields are as `wanted`, oldest first; bounded by LOOKED_AT."""
        found: list[tuple[bytes, Event]] = []
        for stream in self.streams:
            until, looked, kept = b"+", 0, 0
            while looked < LOOKED_AT and kept < most:
                page = await self.client.xrevrange(stream, max=until, count=PAGE)
                for entry_id, fields in page:
                    event = _text(fields)
                    if fits(event, wanted) and kept < most:
                        found.append((entry_id, event))
                        kept += 1
                if len(page) < PAGE:
                    break
                looked += len(page)
                until = b"(" + page[-1][0]
        found.sort(key=lambda pair: _order(pair[0]))
        return [event for _, event in found[-most:]]


def fits(event: Event, wanted: dict[str, str]) -> bool:
    """Return whether an event has these values."""
    return all(event.get(name) == value for name, value in wanted.items())


def _text(fields: dict[bytes, bytes]) -> Event:
    return {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()}


def _order(entry_id: bytes) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)
