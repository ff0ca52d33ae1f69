"""The ledger checker: reads a live engine's events and queue and says whether every recipient is accounted for.

    python -m bench.ledger --redis unix:///var/lib/mta/redis/redis.sock --archive /var/lib/mta/archive --json

Per recipient: accepted = delivered + bounced + expired + suppressed + purged + failed + queued + in flight, with one
final event each (`bench.books`). It reads and changes nothing. Several shards are read one after the other, so with
more than one a recipient whose row moves between them may be seen twice.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from bench.books import Entry, Told, Verdict, balance
from bench.snapshot import Waiting, queued
from mta.archive.entries import Entries
from mta.archive.log import EventLog
from mta.identity import entry_stem, recipient_id
from mta.ingest.checked import Message, Recipients
from mta.ingest.entry import Submission, read
from mta.message import Class
from mta.queue.keys import Keys
from mta.queue.link import Client, Server, connect
from mta.queue.upkeep import Upkeep

SCHEMA = 1
PAGE = 5000
ATTEMPTS = 3  # a trim in between means to read again
EVERY = 1 << 40  # more entries than there are


def entry_of(label: str, fields: Mapping[str, bytes | str], *, sure: bool = True) -> Entry | None:
    """Return the Entry of a mail entry's stream fields; None when it has no recipients or can't be accepted."""
    raw = {
        name.encode(): value.encode() if isinstance(value, str) else value for name, value in fields.items()
    }
    submission = read(raw, label)
    if not isinstance(submission, Submission):
        return None
    tenant, key, document = submission.tenant, submission.key, submission.document
    if isinstance(document, Recipients):
        stem, count = entry_stem(tenant, document.campaign, key), len(document.rows)
        return Entry(tenant, document.campaign, key, _names(stem, count), sure)
    if isinstance(document, Message):
        return Entry(tenant, "", key, _names(document.id, len(document.recipients)), sure)
    return None


async def events(
    client: Client, keys: Keys, shard: int, after: str, until: str
) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Yield (stream id, event) of a shard's stream, after one id and up to another, oldest first."""
    position = f"({after}" if after != "-" else "-"
    while rows := await client.xrange(keys.events(shard), position, until, count=PAGE):
        for event_id, fields in rows:
            yield event_id.decode(), {name.decode(): value.decode() for name, value in fields.items()}
        position = f"({rows[-1][0].decode()}"


async def gather(
    client: Client, keys: Keys, archive: Path | None
) -> tuple[list[Entry], Told, Waiting, list[str]]:
    """Return what a live engine was handed in, has told and holds, and which accepted entries nobody has kept.

    Raises ValueError when events were trimmed and `archive` does not stand in for them.
    """
    for _ in range(ATTEMPTS):
        before = [await _first(client, keys, shard) for shard in range(keys.shards)]
        told, waiting = Told(), Waiting()
        if any(trimmed for _, trimmed in before):
            if archive is None:
                raise ValueError("the event stream was trimmed; name the archive with --archive")
            for event in EventLog(archive).read(0, EVERY, {}):
                told.add(event)
        for shard in range(keys.shards):
            part = await queued(client, keys, shard)
            async for _, event in events(client, keys, shard, "-", part.last):
                told.add(event)
            _merge(waiting, part)
        if before == [await _first(client, keys, shard) for shard in range(keys.shards)]:
            entries, gone = await _entries(client, keys, archive, told, waiting)
            return entries, told, waiting, gone
    raise ValueError("events are trimmed faster than they can be read; try again when the engine is quieter")


async def account(client: Client, keys: Keys, archive: Path | None) -> Verdict:
    """Return whether a live engine's books add up."""
    entries, told, waiting, gone = await gather(client, keys, archive)
    verdict = balance(entries, told, waiting)
    if gone:
        verdict.faults["not kept"] = gone
    return verdict


async def _entries(
    client: Client, keys: Keys, archive: Path | None, told: Told, waiting: Waiting
) -> tuple[list[Entry], list[str]]:
    # First what is on its way to the archive, then the archive: an entry leaves the one after it came to the other.
    kept = {(tenant, key): (cls, kind, data) for _, cls, kind, tenant, key, _, data in
            (await Upkeep(client, keys).entries(EVERY)).values()}  # fmt: skip
    files = Entries(archive) if archive is not None else None
    out, gone = [], []
    for tenant, key in told.accepted:
        found = kept.get((tenant, key))
        if found is None and files is not None and (old := files.by_key(tenant, key)) is not None:
            found = (old.cls, old.kind, old.data)
        if found is None:
            gone.append(f"{tenant}/{key}: it is neither in the archive nor on its way there")
            continue
        fields = {"v": "1", "kind": found[1], "tenant": tenant, "key": key, "data": found[2]}
        entry = entry_of(Class(found[0]).label, fields)
        if entry is not None:
            out.append(entry)
    if files is not None:
        files.close()
    for label, fields in waiting.unread:
        entry = entry_of(label, fields)
        if entry is not None and (entry.tenant, entry.key) not in told.accepted:
            out.append(entry)
    return out, gone


async def _first(client: Client, keys: Keys, shard: int) -> tuple[Any, bool]:
    stream = keys.events(shard)
    if not await client.exists(stream):
        return None, False
    told = await client.xinfo_stream(stream)
    return told["first-entry"] and told["first-entry"][0], told["entries-added"] > told["length"]


def _merge(into: Waiting, part: Waiting) -> None:
    into.queued += part.queued
    into.flying += part.flying
    into.unread = part.unread
    into.last = part.last
    for scope, totals in part.totals.items():
        mine = into.totals.setdefault(scope, {})
        for name, number in totals.items():
            mine[name] = mine.get(name, 0) + number


def _names(stem: str, count: int) -> tuple[str, ...]:
    return tuple(recipient_id(stem, number) for number in range(count))


def _lines(verdict: Verdict) -> Iterator[str]:
    yield ", ".join(f"{number} {name}" for name, number in verdict.sums.items())
    for kind, rows in verdict.faults.items():
        yield f"{kind}: {len(rows)}, first: {rows[0]}"
    yield "the books add up" if verdict.holds else "THE BOOKS DO NOT ADD UP"


async def _run(url: str, prefix: str, archive: Path | None) -> tuple[Verdict, float]:
    client = connect(Server(url))
    began = time.monotonic()
    try:
        shards = int(await client.hget(Keys(prefix).status, "shards") or 1)
        return await account(client, Keys(prefix, shards), archive), time.monotonic() - began
    finally:
        await client.aclose()


@click.command(context_settings={"show_default": True})
@click.option("--redis", "url", default="redis://127.0.0.1:6379/0", help="Also unix:///path/to/socket.")
@click.option("--prefix", default="mta:")
@click.option("--archive", type=click.Path(file_okay=False, exists=True, path_type=Path), default=None)
@click.option("--json", "as_json", is_flag=True)
def main(url: str, prefix: str, archive: Path | None, as_json: bool) -> None:
    """Account for every recipient of a live engine; exit code 1 when the books do not add up."""
    try:
        verdict, seconds = asyncio.run(_run(url, prefix, archive))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        head = {"bench": "ledger", "schema": SCHEMA, "seconds": round(seconds, 3)}
        click.echo(json.dumps({**head, **verdict.document()}, indent=1))
    else:
        click.echo("\n".join(_lines(verdict)))
    sys.exit(0 if verdict.holds else 1)


if __name__ == "__main__":
    main()
