"""`mta audit`: who did what, as it was noted at the time."""

import asyncio
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mta.cli import show
from mta.cli.door import awaited, door
from mta.cli.options import config_option, json_option

if TYPE_CHECKING:
    from mta.queue.audit import Noted

EVERY = 0.5  # seconds between two looks of --follow
LOOKED_AT = 100_000  # entries that are looked back over for -n


@click.command("audit")
@config_option
@click.option("--since", metavar="TIME", help="From this time: RFC 3339, a day, or a span back such as 2h.")
@click.option(
    "--who", metavar="PATTERN", help="Of this person, tenant, `control` or `engine`; * stands for any text."
)
@click.option("--what", metavar="PATTERN", help="Of this kind, such as campaign.* or sample.read.")
@click.option(
    "-n", "--number", type=click.IntRange(0, 10_000), default=50, help="Without --since: so many past ones."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@json_option
@awaited
async def audit(
    config: Path | None, since: str | None, who: str | None, what: str | None, number: int, follow: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Show the audit log: orders, changes of tenants, samples that were read, and what the engine did by itself.

    An order given on the command line stands twice: as given, by whom, and as carried out, with the same `key`.

    \b
    Example:
      mta audit --since 7d --what 'campaign.*'
    """
    from mta.cli.events import instant
    from mta.queue.audit import AuditLog

    def wanted(one: "Noted") -> bool:
        return fnmatchcase(one.who, who or "*") and fnmatchcase(one.what, what or "*")

    tell = _json if as_json else _line
    start = str(instant(since, datetime.now(UTC))) if since else ""
    async with door(config) as opened:
        log = AuditLog(opened.client, opened.keys)
        end = await log.end()
        if start:
            async for one in log.since(start):
                end = one.id
                if wanted(one):
                    tell(one)
        else:
            past = [one for one in await log.last(LOOKED_AT if who or what else number) if wanted(one)]
            for one in past[len(past) - min(number, len(past)) :]:
                tell(one)
        while follow:
            async for one in log.since(f"({end}"):
                end = one.id
                if wanted(one):
                    tell(one)
            await asyncio.sleep(EVERY)


def _json(one: "Noted") -> None:
    show.json_line(
        {
            "id": one.id,
            "ts": one.ts,
            "who": one.who,
            "what": one.what,
            "subject": one.subject,
            "detail": one.detail,
        }
    )


def _line(one: "Noted") -> None:
    detail = " ".join(f"{name}={value}" for name, value in one.detail.items())
    click.echo(
        show.plain(f"{show.time_of(one.ts)} {one.who:24} {one.what:20} {one.subject} {detail}".rstrip())
    )
