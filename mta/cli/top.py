"""`mta top`: the engine as it works, anew every few seconds; on a dumb terminal or into a pipe, screen after screen."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mta.cli import show
from mta.cli.door import awaited, door
from mta.cli.options import config_option, json_option

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from mta.cli.door import Door
    from mta.queue.overview import CampaignLine, Glance, SiteLine

WIDTH: Final = 60  # intervals of the curve
DUMB_WIDTH: Final = 100
COLUMNS: Final = {
    "sites": ("site", "pool", "waiting", "open", "state", "why the next one waits"),
    "campaigns": ("campaign", "class", "accepted", "done", "queued", "bounced", "kept by"),
    "classes": ("class", "entries", "ready", "packed", "scheduled", "oldest due"),
}


@click.command()
@config_option
@click.option("--once", is_flag=True, help="One look, then end.")
@click.option("--every", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True,
              help="Seconds between two looks.")  # fmt: skip
@click.option("-n", "--number", type=click.IntRange(1, 200), default=10, show_default=True,
              help="Sites and campaigns shown.")  # fmt: skip
@json_option
@awaited
async def top(config: Path | None, once: bool, every: float, number: int, as_json: bool) -> None:
    """Watch the engine at work: rates, classes, the fullest sites and why they wait, the newest campaigns.

    On a terminal the screen is drawn anew until Ctrl-C; elsewhere each look is printed below the last. `--json` prints
    a line per look.

    \b
    Example:
      mta top
      mta top --once -n 20
    """
    from rich.console import Console

    console = Console(highlight=False)
    async with door(config) as opened:
        if as_json or once or not console.is_terminal or console.is_dumb_terminal:
            if not console.is_terminal:
                console.width = DUMB_WIDTH * 2
            while True:
                if as_json:
                    await _line(opened, number)
                else:
                    console.print(await _screen(opened, number, dumb=True))
                if once:
                    return
                sys.stdout.flush()
                await asyncio.sleep(every)
        from rich.live import Live

        with Live(await _screen(opened, number), console=console, screen=True, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(every)
                live.update(await _screen(opened, number), refresh=True)


async def _line(opened: "Door", number: int) -> None:
    from dataclasses import asdict

    from mta.cli.overview import as_document, overview
    from mta.queue.health import health

    look = overview(opened)
    glance = await look.glance()
    document = as_document(glance, health(glance))
    document["sites"] = [
        {
            "site": one.path.site, "pool": one.path.pool, "ready": one.path.ready, "packed": one.path.packed,
            "open": one.path.open, "connections": one.path.connections, "state": one.path.state(glance.now),
            "reason": one.reason, "why": one.text,
        }
        for one in await look.sites(number)
    ]  # fmt: skip
    document["campaigns"] = [
        {name: value for name, value in asdict(one).items() if name != "gate"}
        | {"gate": one.gate.state if one.gate else "", "why": one.gate.reason if one.gate else ""}
        for one in await look.campaigns(number)
    ]
    show.json_line(document)


async def _screen(opened: "Door", number: int, *, dumb: bool = False) -> "Group":
    from mta.cli.overview import overview

    look = overview(opened)
    glance = await look.glance()
    return drawn(glance, await look.sites(number), await look.campaigns(number), dumb=dumb)


def drawn(
    glance: "Glance", sites: "list[SiteLine]", campaigns: "list[CampaignLine]", *, dumb: bool
) -> "Group":
    """Return one screen."""
    from rich.console import Group, RenderableType
    from rich.text import Text

    from mta.cli.overview import campaign_rows, curve, depth_rows, rates, site_rows
    from mta.queue.health import health

    judged = health(glance)
    flows = ", ".join(f"{value:.1f} {name}" for name, value in rates(glance).items())
    speeds = [one.delivered / one.seconds if one.seconds else 0.0 for one in glance.intervals]
    style = "" if dumb else {"ready": "green", "degraded": "yellow", "down": "bold red"}[judged.state]
    parts: list[RenderableType] = [
        Text(f"mta {judged.state}, {show.time_of(glance.now)}", style=style),
        *(Text(show.plain(f"  {reason}"), style=style) for reason in judged.reasons[:4]),
        Text(f"per second, last minute: {flows}; {glance.in_flight:,} in flight"),
        Text(f"delivered, 10 minutes to now: {curve(speeds, WIDTH * 2 if dumb else WIDTH, ascii_=dumb)}"),
        table("classes", depth_rows(glance), fold=dumb),
        table("sites", site_rows(sites, glance.now), fold=dumb),
        table("campaigns", campaign_rows(campaigns), fold=dumb),
    ]
    return Group(*parts)


def table(name: str, rows: list[tuple[object, ...]], *, fold: bool) -> "Table":
    """Return the table of COLUMNS[name]."""
    return show.drawn_table("" if name == "classes" else name, COLUMNS[name], rows, fold=fold)
