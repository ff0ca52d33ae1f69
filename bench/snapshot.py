"""What waits in one shard at one instant: the only module of the benches that reads the engine's private keys.

A script reads it all in one step, since mail moves while it is counted: what is read in two steps can be seen twice or
not at all. It holds the server up while it reads (about 50 ms for 200,000 recipients), so it is for benches and tests.
Keys and formats are those of docs/redis.md, section 3.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mta.identity import recipient_id
from mta.message import Class, Lane
from mta.queue import codec, packs
from mta.queue.cluster import Cluster
from mta.queue.keys import Keys
from mta.queue.link import Client

Name = tuple[str, str]  # tenant, public name of a recipient's message: names are unique within a tenant
Scope = tuple[str, str]  # tenant, campaign ("" for single messages): as totals are kept
Stream = tuple[str, dict[str, bytes]]  # label, fields of a submission entry

_SCRIPT = """#!lua flags=no-writes
local base, prefix, out, cursor = KEYS[1], ARGV[1], {}, '0'
local read = { lane = 'LRANGE', shelf = 'LRANGE', wheel = 'LRANGE', sieved = 'LRANGE', flight = 'HVALS',
  expanding = 'HVALS', count = 'HGETALL', body = 'HMGET' }
repeat
  local page = redis.call('SCAN', cursor, 'MATCH', base .. '*', 'COUNT', 10000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    local name = string.sub(key, #base + 1)
    local kind = string.match(name, '^%a+')
    if read[kind] == 'LRANGE' and name ~= kind then
      out[#out + 1] = { name, redis.call('LRANGE', key, 0, -1) }
    elseif kind == 'body' then
      out[#out + 1] = { name, redis.call('HMGET', key, 'left') }
    elseif read[kind] and read[kind] ~= 'LRANGE' then
      out[#out + 1] = { name, redis.call(read[kind], key) }
    end
  end
until cursor == '0'
local unread = {}
for _, label in ipairs(prefix == '' and {} or { 'urgent', 'transactional', 'bulk' }) do
  unread[#unread + 1] = { label, redis.call('XRANGE', prefix .. 'submit:' .. label, '-', '+') }
end
local last = redis.call('XREVRANGE', base .. 'events', '+', '-', 'COUNT', 1)
return { last[1] and last[1][1] or '0-0', out, unread }
"""


@dataclass(slots=True)
class Waiting:
    """Where recipients without a final event stand; a name that stands somewhere twice is there twice."""

    queued: Counter[Name] = field(default_factory=Counter)  # in lanes, packs, the wheel, held aside
    flying: Counter[Name] = field(default_factory=Counter)
    unread: list[Stream] = field(default_factory=list)  # mail entries that ingest has not acknowledged
    totals: dict[Scope, dict[str, int]] = field(default_factory=dict)  # as the engine counts
    bodies: dict[str, int] = field(default_factory=dict)  # content of a `message` -> recipients it waits for
    last: str = "0-0"  # id of the newest event at that instant


async def queued(client: Client, keys: Keys, shard: int = 0) -> Waiting:
    """Return what waits in a shard, at one instant; `client` does not decode."""
    base = keys.base(shard)
    spread = isinstance(
        client, Cluster
    )  # the streams are in other slots: read beside, so exact only in quiet
    last, rows, unread = await client.eval(_SCRIPT, 1, base, "" if spread else keys.prefix)
    if spread:
        for cls in Class:
            entries = await client.xrange(keys.submit(cls))
            out_of = [(one, [part for pair in fields.items() for part in pair]) for one, fields in entries]
            unread.append([cls.label.encode(), out_of])
    out = Waiting(last=last.decode())
    for raw_name, values in rows:
        kind, _, rest = raw_name.decode().partition(":")
        match kind:
            case "lane":
                out.queued.update(_item(rest, raw) for raw in values)
            case "shelf":
                out.queued.update(name for raw in values for name in _pack(rest, raw))
            case "expanding" | "wheel" | "sieved":
                out.queued.update(name for raw in values for name in _either(raw, packed=kind == "expanding"))
            case "flight":
                out.flying.update(name for raw in values for name in _either(raw))
            case "count":
                tenant, _, campaign = rest.partition("|")
                pairs = zip(values[::2], values[1::2], strict=True)
                out.totals[tenant, campaign] = {field.decode(): int(value) for field, value in pairs}
            case "body":
                out.bodies[rest] = int(values[0])
    for label, entries in unread:
        out.unread += [(label.decode(), _fields(flat)) for _, flat in entries]
    return out


async def expanding(client: Client, keys: Keys, shard: int = 0) -> int:
    """Return how many packs are being opened now."""
    return int(await client.hlen(f"{keys.base(shard)}expanding"))


async def flying(client: Client, keys: Keys, worker: str, shard: int = 0) -> int:
    """Return how many messages a worker (as its lease names it) has in flight."""
    return int(await client.hlen(f"{keys.base(shard)}flight:{worker}"))


def _either(raw: bytes, *, packed: bool = False) -> Iterator[Name]:
    lane, _, payload = raw.partition(b"\n")
    if packed or lane.startswith(b"+"):
        yield from _pack(lane.decode().lstrip("+"), payload)
    else:
        yield _item(lane.decode(), payload)


def _item(lane: str, raw: bytes) -> Name:
    return Lane.parse(lane).tenant, codec.decode(raw, lane).record.name


def _pack(lane: str, raw: bytes) -> list[Name]:
    tenant, pack = Lane.parse(lane).tenant, packs.decode(raw)
    return [(tenant, recipient_id(pack.stem, row.number)) for row in pack.rows]


def _fields(flat: list[Any]) -> dict[str, bytes]:
    parts = iter(flat)
    return {name.decode(): value for name, value in zip(parts, parts, strict=True)}
