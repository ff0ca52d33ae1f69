"""`mta tenant evidence`: what a tenant sent where, and what bounced, for whoever asks about abuse."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import click

from mta.cli import show
from mta.cli.events import instant
from mta.cli.failure import NO_INPUT, Failure
from mta.cli.options import config_option, json_option, settings_of

KINDS = (
    "delivered",
    "bounced",
    "late_bounced",
    "complained",
    "unsubscribed",
    "suppressed",
    "expired",
    "failed",
)


@click.command("evidence")
@config_option
@click.argument("name", metavar="TENANT")
@click.option("--since", default="30d", metavar="TIME", help="RFC 3339, a day, or a span back; default 30d.")
@click.option("--until", metavar="TIME", help="Up to this time, in the same spelling; default: now.")
@click.option("--top", type=click.IntRange(1, 1000), default=10, help="Lines of domains and complaints.")
@json_option
def tenant_evidence(
    config: Path | None, name: str, since: str, until: str | None, top: int, as_json: bool
) -> None:
    """Show what a tenant sent where, what bounced, who complained, and what was held: from the archive.

    As far back as `archive.keep_events` reaches. --json gives all of it.

    \b
    Example:
      mta tenant evidence acme --since 7d
    """
    from mta.archive.archive import Archive
    from mta.archive.evidence import evidence

    now = datetime.now(UTC)
    start, end = instant(since, now), instant(until, now) if until else int(now.timestamp() * 1000) + 1
    directory = settings_of(config).paths.archive
    if not directory.is_dir():
        raise Failure(NO_INPUT, f"there is no archive in {directory}; run this where the keeper runs")
    found = evidence(name, Archive(directory).events(start, end, tenant=name))
    if not found.first_ms:
        raise Failure(NO_INPUT, f"the archive has nothing of tenant {name} since {show.time_of(start)}")
    if as_json:
        show.as_json(dataclasses.asdict(found))
        return
    click.echo(show.plain(f"tenant {name}  {show.time_of(found.first_ms)} to {show.time_of(found.last_ms)}"))
    click.echo(f"{found.accepted:,} recipients accepted")
    for title, rows in (("days", found.days), ("campaigns", found.campaigns)):
        _counts(title, list(rows.items()))
    _counts("domains", list(found.domains.items())[:top])
    if found.classes:
        show.table("bounces", ("class", "messages"), list(found.classes.items()))
    if found.sources:
        show.table("sources", ("address", "delivered"), list(found.sources.items()))
    _lines("complaints", ("campaign", "id", "reporter"), found.complaints[-top:])
    _lines("held and released", ("event", "scope", "by", "reason"), found.notes)


def _lines(title: str, names: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    if rows:
        lines = [
            (show.time_of(int(one.get("ts", 0))), *(one.get(name, "") for name in names)) for one in rows
        ]
        show.table(title, ("when", *names), lines)


def _counts(title: str, rows: list[tuple[str, dict[str, int]]]) -> None:
    kinds = [kind for kind in KINDS if any(kind in counts for _, counts in rows)]
    if rows and kinds:
        show.table(
            title, ("", *kinds), [(name, *(counts.get(kind, 0) for kind in kinds)) for name, counts in rows]
        )
