"""`mta campaign report`: what became of a campaign, from the archive, with the live totals beside it."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mta.cli import show
from mta.cli.door import awaited, door
from mta.cli.failure import NO_INPUT, Failure
from mta.cli.options import config_option, json_option

if TYPE_CHECKING:
    from mta.archive.report import Report
    from mta.config.settings import Settings

RATES = ("opened", "clicked", "unsubscribed", "complained", "late_bounced")


@click.command("report")
@config_option
@click.argument("tenant")
@click.argument("campaign")
@click.option("--compare", metavar="CAMPAIGN", help="Another campaign of the tenant to set beside it.")
@click.option("--top", type=click.IntRange(1, 50), default=10, help="Lines of links and domains.")
@json_option
@awaited
async def campaign_report(
    config: Path | None, tenant: str, campaign: str, compare: str | None, top: int, as_json: bool
) -> None:
    """Report what became of a campaign: rates, links, domains, bounces.

    \b
    Example:
      mta campaign report acme spring-26 --compare winter-25
    """
    from mta.archive.report import compare as rates_of

    async with door(config) as opened:
        live = await opened.producer.progress(tenant, campaign)
        settings = opened.settings
    one = _report(settings, tenant, campaign)
    other = _report(settings, tenant, compare) if compare else None
    for found, totals in ((one, live), (other, {})):
        if found is not None and not found.totals and not found.accepted and not totals:
            raise Failure(
                NO_INPUT, f"the archive has no events of campaign {found.campaign} of tenant {tenant}"
            )
    if as_json:
        out = {"report": _plain(one), "live": live}
        if other is not None:
            out |= {"compared": _plain(other), "rates": dict(rates_of(one, other))}
        show.as_json(out)
        return
    _print(one, live, top)
    if other is not None:
        rows = [(name, *map(show.share, pair)) for name, pair in rates_of(one, other).items()]
        show.table("compared", ("rate", one.campaign, other.campaign), rows)


def _report(settings: "Settings", tenant: str, campaign: str) -> "Report":
    from mta.archive.archive import Archive
    from mta.archive.report import report

    if not settings.paths.archive.is_dir():
        show.note(f"there is no archive in {settings.paths.archive}: it is kept where the keeper runs")
    archive = Archive(settings.paths.archive)
    return report(tenant, campaign, archive.events(tenant=tenant, campaign=campaign))


def _plain(found: "Report") -> dict[str, object]:
    out = dataclasses.asdict(found)
    return out | {"rates": {name: found.rate(name) for name in RATES}}


def _print(found: "Report", live: dict[str, int], top: int) -> None:
    from mta.event import COUNTED

    period = f"{show.time_of(found.first_ms)} to {show.time_of(found.last_ms)}" if found.first_ms else ""
    click.echo(show.plain(f"campaign {found.campaign} of tenant {found.tenant}  {period}".rstrip()))
    rows: list[tuple[object, ...]] = []
    for name in ("queued", *COUNTED):
        total = found.accepted if name == "accepted" else found.totals.get(name, live.get(name, 0))
        if name == "queued":
            total = live.get("queued", 0)
        if total or name in ("delivered", "bounced"):
            rate = show.share(found.rate(name)) if name in RATES else ""
            people = total if name == "accepted" else found.people.get(name, 0)
            rows.append((name, total, people, rate))
    show.table("", ("", "events", "people", "of delivered"), rows)
    if found.proxied_opens:
        show.note(f"{found.proxied_opens:,} opens came from privacy proxies and say little about people")
    if found.links:
        links = [(link.number, link.clicks, link.people, link.url) for link in found.links[:top]]
        show.table("links", ("link", "clicks", "people", "url"), links)
    if found.domains:
        columns = ("delivered", "bounced", "deferred", "opened", "clicked", "complained")
        domains = [
            (name, *(getattr(domain, column) for column in columns))
            for name, domain in list(found.domains.items())[:top]
        ]
        show.table("domains", ("domain", *columns), domains)
    if found.bounces:
        show.table("bounces", ("class", "people"), list(found.bounces.items()))
