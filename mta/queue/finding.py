"""Find one message, or all to an address, wherever they wait: read-only, page by page, within a bound.

The lists are looked through in the order in which mail moves through them, so that what moves on meanwhile is met
again further down and not missed; what goes back to its lane is met by a second look, which is the caller's to take.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from mta.message import Lane
from mta.queue import packs, scripts
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.place import Place, Wanted, Where, of_item, of_pack

LIMIT = 2_000_000  # messages looked at, of all shards
MOST_FOUND = 1_000
STEP = 1_000  # keys a SCAN looks at in one call


@dataclass(slots=True)
class Search:
    """What was found; `complete` False: a bound ended the look. `looked` messages, of which kinds of lists."""

    found: list[Place] = field(default_factory=list)
    looked: int = 0
    complete: bool = True
    through: tuple[str, ...] = ("packs", "lanes", "held messages", "messages under way", "retries")


class Finder:
    """Looks through every shard; `tell` hears now and then how many messages were looked at."""

    def __init__(
        self, client: Client, keys: Keys, limit: int = LIMIT, tell: Callable[[int], None] | None = None
    ) -> None:
        self.client = client
        self.keys = keys
        self.limit = limit
        self.tell = tell

    async def find(self, wanted: Wanted, site: str = "", most: int = MOST_FOUND) -> Search:
        """Return where messages are; with a `site` only in its lanes and in packs that nobody has looked at."""
        out = Search()
        for shard in range(self.keys.shards):
            look = _Look(self, wanted, shard, out, most)
            await look.lanes(site)
            for scope in await self.client.hkeys(f"{look.base}sieve"):
                await look.through("sieved", scope.decode(), Where.SIEVED)
            await look.flights()
            for bucket in await self.client.zrange(f"{look.base}wheel", 0, -1):
                await look.through("wheel", bucket.decode(), Where.WHEEL)
            if look.full:
                break
        return out


class _Look:
    """One search in one shard."""

    def __init__(self, finder: Finder, wanted: Wanted, shard: int, out: Search, most: int) -> None:
        self.finder, self.wanted, self.shard, self.out, self.most = finder, wanted, shard, out, most
        self.client = finder.client
        self.base = finder.keys.base(shard)

    @property
    def full(self) -> bool:
        """Whether a bound is reached; the search is then not complete."""
        if self.out.looked >= self.finder.limit or len(self.out.found) >= self.most:
            self.out.complete = False
        return not self.out.complete

    async def lanes(self, site: str) -> None:
        """Look through lanes, shelves, and packs that are being opened."""
        names = [name async for name in self._names() if not site or name.split("|")[2] in (site, "*")]
        for name in names:
            await self._shelf(name)
        for value in await self.client.hvals(f"{self.base}expanding"):
            self._packed(value, Where.OPENING)
        for name in names:
            await self.through("lane", name, Where.LANE)

    async def _names(self) -> AsyncIterator[str]:
        """Give the lanes that mail of what is wanted can stand in."""
        wanted, seen = self.wanted, set[str]()
        if wanted.tenant and wanted.campaign is not None:
            scope = f"{wanted.tenant}|{wanted.campaign}"
            for order in await self.client.smembers(f"{self.base}of:{scope}"):
                yield f"{order.decode()}|{scope}"
            return
        # One pass over the names of all lists; SCAN holds the server no longer than a page.
        async for key in self.client.scan_iter(f"{self.base}*", count=STEP, _type="list"):
            kind, _, name = key.decode().removeprefix(self.base).partition(":")
            if kind in ("lane", "shelf") and name not in seen and wanted.fits(Lane.parse(name)):
                seen.add(name)
                yield name

    async def through(self, kind: str, name: str, where: Where) -> None:
        """Look through one list of items and, in the wheel, packs."""
        wanted, start = self.wanted, 0
        scope = ""
        if wanted.tenant and wanted.campaign is not None:
            scope = f"|{wanted.tenant}|{wanted.campaign}\n"
        while start >= 0 and not self.full:
            row = await scripts.run(
                self.client, "look", self.base, [kind, name, start, scope, wanted.needle, 32, 1]
            )
            length, following, _, *entries = row
            self._saw((following if following >= 0 else length) - start)
            for index, entry in entries:
                self._entry(kind, name, index, entry, where)
            start = following

    def _entry(self, kind: str, name: str, index: int, entry: bytes, where: Where) -> None:
        lane, item = name, entry
        if kind != "lane":
            head, _, item = entry.partition(b"\n")
            lane = head.decode()
        at = int(name) if kind == "wheel" else 0
        if lane.startswith("+"):
            for place in of_pack(item, lane[1:], self.wanted, where, self.shard):
                place.at = at
                self._keep(place)
            return
        found = of_item(item, lane, self.wanted, where, self.shard)
        if found is not None:
            found.at = at
            found.ahead = index if kind == "lane" else 0
            found.scope = name if kind == "sieved" else ""
            self._keep(found)

    async def _shelf(self, name: str) -> None:
        where = Where.STORE if name.split("|")[2] == "*" else Where.SHELF
        start, ahead = 0, 0
        if where is Where.SHELF:
            ahead = int(await self.client.llen(f"{self.base}lane:{name}"))
        while not self.full:
            page = await self.client.lrange(f"{self.base}shelf:{name}", start, start + 63)
            for raw in page:
                self._pack(raw, name, where, ahead)
                ahead += packs.rows(raw)
            start += len(page)
            if len(page) < 64:
                return

    def _packed(self, value: bytes, where: Where) -> None:
        lane, _, raw = value.partition(b"\n")
        self._pack(raw, lane.decode(), where, 0)

    def _pack(self, raw: bytes, lane: str, where: Where, ahead: int) -> None:
        self._saw(packs.rows(raw))
        for place in of_pack(raw, lane, self.wanted, where, self.shard):
            place.ahead += ahead
            self._keep(place)

    async def flights(self) -> None:
        """Look through what workers have in hand."""
        for name in await self.client.zrange(f"{self.base}workers", 0, -1):
            worker, cursor = name.decode(), 0
            while not self.full:
                cursor, page = await self.client.hscan(f"{self.base}flight:{worker}", cursor, count=STEP)
                self._saw(len(page))
                for value in page.values():
                    self._flying(value, worker)
                if not cursor:
                    break

    def _flying(self, value: bytes, worker: str) -> None:
        if self.wanted.needle not in value:
            return
        lane, _, raw = value.partition(b"\n")
        found = of_item(raw, lane.decode(), self.wanted, Where.FLIGHT, self.shard)
        if found is not None:
            found.worker = worker
            self._keep(found)

    def _keep(self, place: Place) -> None:
        if self.wanted.fits(place.lane):
            self.out.found.append(place)

    def _saw(self, count: int) -> None:
        self.out.looked += count
        if self.finder.tell is not None:
            self.finder.tell(self.out.looked)


def campaigns_of(name: str, known: list[str]) -> list[tuple[str, str]]:
    """Return which of the known campaigns ("<tenant>|<campaign>") a message with this name can belong to."""
    stem = name.rpartition(".")[0]
    start = stem.rpartition(".")[0]
    pairs = [one.partition("|")[::2] for one in known]
    return [(tenant, campaign) for tenant, campaign in pairs if start and campaign[:24] == start]
