"""`mta events`: what the engine says, live and from the archive. Nothing here takes an event from a consumer."""

from datetime import UTC, datetime
from pathlib import Path

import click

from mta.cli import show
from mta.cli.door import awaited, door
from mta.cli.failure import NO_INPUT, USAGE, Failure
from mta.cli.options import config_option, json_option, settings_of

BLOCK_MS = 1000
TOLD = ("rcpt", "code", "status", "class", "reply", "mx", "url", "scope", "reason", "why", "count", "refused")


@click.group()
def events() -> None:
    """Watch events, or read them back.

    \b
    Example:
      mta events tail --follow
    """


@events.command("tail")
@config_option
@click.option("--event", "kind", metavar="KIND", help="This kind only, such as bounced.")
@click.option("--tenant", metavar="ID", help="This tenant's only.")
@click.option("--campaign", metavar="ID", help="This campaign's only.")
@click.option(
    "-n", "--number", type=click.IntRange(0, 10_000), default=20, help="Begin with so many past ones."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@json_option
@awaited
async def tail_events(
    config: Path | None, kind: str | None, tenant: str | None, campaign: str | None, number: int,
    follow: bool, as_json: bool,
) -> None:  # fmt: skip
    """Show the newest events, without a group: nobody else misses any.

    \b
    Example:
      mta events tail --event bounced --tenant acme --follow
    """
    from mta.queue.tail import fits

    given = {"event": kind, "tenant": tenant, "campaign": campaign}
    wanted = {name: value for name, value in given.items() if value is not None}
    tell = show.json_line if as_json else _tell
    async with door(config) as opened:
        tail = opened.tail()
        await tail.to_end()
        for event in await tail.last(number, wanted) if number else ():
            tell(event)
        while follow:
            for event in await tail.read(BLOCK_MS):
                if fits(event, wanted):
                    tell(event)


@events.command("replay")
@config_option
@click.option(
    "--from", "since", required=True, metavar="TIME", help="RFC 3339, a day, or a span back: 2h, 7d."
)
@click.option("--until", metavar="TIME", help="Up to this time, in the same spelling; default: now.")
@click.option("--event", "kind", metavar="KIND", help="This kind only.")
@click.option("--tenant", metavar="ID", help="This tenant's only.")
@click.option("--campaign", metavar="ID", help="This campaign's only.")
def replay_events(
    config: Path | None,
    since: str,
    until: str | None,
    kind: str | None,
    tenant: str | None,
    campaign: str | None,
) -> None:
    """Print events from the archive as JSON lines, day by day; the same `eid` may come twice.

    \b
    Example:
      mta events replay --from 2026-03-01 --tenant acme > events.ndjson
    """
    now = datetime.now(UTC)
    start, end = instant(since, now), instant(until, now) if until else int(now.timestamp() * 1000) + 1
    directory = settings_of(config).paths.archive
    if not directory.is_dir():
        raise Failure(NO_INPUT, f"there is no archive in {directory}; run this where the keeper runs")
    from mta.archive.archive import Archive

    given = {"event": kind, "tenant": tenant, "campaign": campaign}
    where = {name: value for name, value in given.items() if value is not None}
    for event in Archive(directory).events(start, end, **where):
        show.json_line(event)


def instant(text: str, now: datetime) -> int:
    """Return a time in ms since 1970: RFC 3339 (UTC when it names no zone), a day, or a span before `now`."""
    from mta.config.units import duration

    try:
        return int((now.timestamp() - duration(text)) * 1000)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Failure(
            USAGE, f"{text!r} is no time; write 2026-03-01, 2026-03-01T09:00:00Z, or a span back such as 2h"
        ) from error
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def _tell(event: dict[str, str]) -> None:
    owner = "/".join(part for part in (event.get("tenant", ""), event.get("campaign", "")) if part)
    told = " ".join(f"{name}={event[name]}" for name in TOLD if event.get(name))
    ts = event.get("ts", "")
    when = show.time_of(int(ts)) if ts.isdigit() else ""
    click.echo(show.plain(f"{when} {event.get('event', '?'):12} {owner:24} {told}".rstrip()))
