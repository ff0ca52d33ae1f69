"""A whole shard read at once: where every message is, and whether counters and indexes say the same."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mta.event import FINAL
from mta.message import Lane, MessageId
from mta.queue import codec, packs
from mta.queue.link import Client

READ = {b"list": ("LRANGE", 0, -1), b"hash": ("HGETALL",), b"set": ("SMEMBERS",), b"zset": ("ZRANGE", 0, -1)}


@dataclass(slots=True)
class Picture:
    """Message ids by place; `keys` holds every other key as it is."""

    keys: dict[str, Any]
    lanes: dict[str, list[bytes]] = field(default_factory=dict)
    shelves: dict[str, list[bytes]] = field(default_factory=dict)  # lane -> ids in its packs
    wheel: list[tuple[str, bytes]] = field(default_factory=list)  # lane, id
    buckets: set[bytes] = field(default_factory=set)
    sieved: dict[bytes, str] = field(default_factory=dict)  # id -> scope
    expanding: list[tuple[str, bytes]] = field(default_factory=list)
    flight: dict[str, set[bytes]] = field(default_factory=dict)
    names: dict[bytes, str] = field(default_factory=dict)
    flags: dict[bytes, int] = field(default_factory=dict)
    finals: Counter[str] = field(default_factory=Counter)  # message name -> final events
    purged: int = 0  # rows that events stand for without naming them

    def everywhere(self) -> list[bytes]:
        """The ids of all messages that are not final, as often as they stand somewhere."""
        out = [one for ids in (*self.lanes.values(), *self.shelves.values()) for one in ids]
        out += [one for _, one in self.wheel + self.expanding] + list(self.sieved)
        return out + [one for ids in self.flight.values() for one in ids]


async def look(client: Client, base: str) -> Picture:
    """Read a shard."""
    names = sorted(await client.keys(f"{base}*"))
    pipe = client.pipeline(transaction=True)
    for name in names:
        pipe.type(name)
    for kind, name in zip(await pipe.execute(), names, strict=True):
        command, *rest = READ.get(kind, ("XRANGE", "-", "+") if kind == b"stream" else ("GET",))
        pipe.execute_command(command, name, *rest)
    values = dict(
        zip((name.decode().removeprefix(base) for name in names), await pipe.execute(), strict=True)
    )
    picture = Picture({})
    for name, value in values.items():
        kind, _, rest = name.partition(":")
        match kind:
            case "lane":
                picture.lanes[rest] = [_item(picture, raw) for raw in value]
            case "shelf":
                picture.shelves[rest] = [one for raw in value for one in _rows(picture, raw)]
            case "wheel" if rest:
                picture.buckets.add(rest.encode())
                for raw in value:
                    lane, _, payload = raw.partition(b"\n")
                    found = _rows if lane.startswith(b"+") else _single
                    picture.wheel += [(lane.decode().lstrip("+"), one) for one in found(picture, payload)]
            case "sieved":
                picture.sieved |= {_item(picture, raw.partition(b"\n")[2]): rest for raw in value}
            case "expanding":
                for raw in value.values():
                    lane, _, payload = raw.partition(b"\n")
                    picture.expanding += [(lane.decode(), one) for one in _rows(picture, payload)]
            case "flight":
                picture.flight[rest] = {_item(picture, raw.partition(b"\n")[2]) for raw in value.values()}
            case "events":
                _count(picture, value)
            case _:
                picture.keys[name] = value
    return picture


def _item(picture: Picture, raw: bytes) -> bytes:
    one = codec.decode(raw, "")
    picture.names[one.id] = one.record.name
    picture.flags[one.id] = one.record.flags
    return one.id


def _single(picture: Picture, raw: bytes) -> list[bytes]:
    return [_item(picture, raw)]


def _rows(picture: Picture, raw: bytes) -> list[bytes]:
    pack = packs.decode(raw)
    assert len(pack.rows) == packs.rows(raw)
    return [MessageId(0, pack.entry, row.number).pack() for row in pack.rows]


def _count(picture: Picture, events: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
    for _, fields in events:
        if fields[b"event"].decode() in FINAL:
            if b"id" in fields:
                picture.finals[fields[b"id"].decode()] += 1
            else:
                picture.purged += int(fields[b"count"])


def faults(picture: Picture) -> list[str]:
    """Return what counters and indexes say wrongly; nothing when all is well."""
    keys, out = picture.keys, list[str]()
    ready, paths = Counter[str](), Counter[str]()
    for lane, ids in picture.lanes.items():
        ready[lane[0]] += len(ids)
        paths[Lane.parse(lane).path] += len(ids)
    out += _same("ready", _numbers(keys.get("ready", {})), ready)
    out += _same("later", _numbers(keys.get("later", {})), Counter(lane[0] for lane, _ in picture.wheel))
    shelved = Counter({lane: len(ids) for lane, ids in picture.shelves.items()})
    out += _same("shelved", _numbers(keys.get("shelved", {})), shelved)
    here = {
        name.removeprefix("path:"): int(v.get(b"n", 0)) for name, v in keys.items() if name[:5] == "path:"
    }
    out += _same("path n", Counter(here), paths)
    out += _same("wheel", set(keys.get("wheel", [])), picture.buckets)
    return out + _reachable(picture) + _left_behind(picture)


def _reachable(picture: Picture) -> list[str]:
    keys, out = picture.keys, list[str]()
    for name in {*picture.lanes, *picture.shelves}:
        lane = Lane.parse(name)
        order, tenant, campaign = f"{lane.cls}|{lane.path}", lane.tenant, lane.campaign
        scope = f"{tenant}|{campaign}"
        if name not in picture.lanes and name.encode() in keys.get("wanted", ()):
            continue  # its next pack is asked for
        if campaign.encode() not in keys.get(f"lanes:{order}|{tenant}", []):
            if order.encode() not in keys.get(f"parked:c|{scope}", ()):
                out.append(f"{name} stands in no order")
            continue
        if tenant.encode() not in keys.get(f"tenants:{order}", []):
            if order.encode() not in keys.get(f"parked:t|{tenant}", ()):
                out.append(f"{name}: its tenant waits nowhere")
            continue
        parked = order.encode() in keys.get(f"parked:s|{lane.site}", ())
        if lane.site == "*":
            if order.encode() not in keys.get("stores", []):
                out.append(f"{name}: no store")
        elif not parked and lane.path.encode() not in keys.get(f"due:{lane.cls}", []):
            out.append(f"{name}: its path is not due")
    return out


def _left_behind(picture: Picture) -> list[str]:
    keys, out = picture.keys, list[str]()
    filled = {*picture.lanes, *picture.shelves}
    campaigns, tenants = set[str](), set[str]()
    for name in filled:
        cls, pool, site, tenant, campaign = name.split("|")
        campaigns.add(f"of:{tenant}|{campaign} {cls}|{pool}|{site}")
        tenants.add(f"of:{tenant} {campaign}")
    said = {f"{key} {one.decode()}" for key, value in keys.items() if key[:3] == "of:" for one in value}
    out += _same("of", said, campaigns | tenants)
    for key, value in keys.items():
        kind, _, rest = key.partition(":")
        for member in value if kind in ("lanes", "tenants", "due") else ():
            name = member.decode()
            if kind == "lanes" and f"{rest}|{name}" not in filled:
                out.append(f"{key} names {name}, which is empty")
            elif kind == "tenants" and f"lanes:{rest}|{name}" not in keys:
                out.append(f"{key} names {name}, which has no lanes")
            elif kind == "due" and f"tenants:{rest}|{name}" not in keys:
                out.append(f"{key} names {name}, where nobody waits")
    for member in keys.get("stores", []):
        if f"tenants:{member.decode()}" not in keys:
            out.append(f"stores names {member.decode()}, which is empty")
    return out


def _numbers(row: dict[bytes, bytes]) -> Counter[str]:
    return Counter({name.decode(): int(value) for name, value in row.items()})


def _same(what: str, said: Any, found: Any) -> list[str]:
    if isinstance(said, Counter):  # a zero says the same as nothing
        said, found = ({name: n for name, n in one.items() if n} for one in (said, found))
    return [] if said == found else [f"{what}: says {said}, holds {found}"]
