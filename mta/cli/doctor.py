"""`mta doctor`: looks at everything around the engine that must be right for mail to arrive, and names each cure."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from mta.cli import show
from mta.cli.checkup.finding import BAD, LEVELS, OK, Finding, worst_first
from mta.cli.failure import DATA, USAGE, Failure
from mta.cli.options import config_option, json_option, settings_of

COLOURS: Final = {"bad": "red", "warn": "yellow", "unknown": "cyan", "ok": "green"}


@click.command()
@config_option
@click.option(
    "--address",
    "public",
    multiple=True,
    metavar="IP",
    help="What receivers see in place of a private address.",
)
@click.option(
    "--domain",
    "only",
    multiple=True,
    metavar="NAME",
    help="Look at this sending domain alone; may be repeated.",
)
@click.option(
    "--reach",
    multiple=True,
    metavar="DOMAIN",
    help="Try port 25 of this domain's hosts; default: large providers.",
)
@click.option("--offline", is_flag=True, help="Ask no name server and connect to nobody else's host.")
@click.option("--all", "everything", is_flag=True, help="Show what is well, too.")
@click.option(
    "--limit", type=click.FloatRange(1, 600), default=30, show_default=True, metavar="SECONDS",
    help="Longest time of one check; one that takes longer is told as unknown.",
)  # fmt: skip
@json_option
@click.pass_context
def doctor(
    context: click.Context, config: Path | None, public: tuple[str, ...], only: tuple[str, ...], reach: tuple[str, ...],
    offline: bool, everything: bool, limit: float, as_json: bool,
) -> None:  # fmt: skip
    """Check Redis, this machine, keys, the resolver, port 25, and the DNS of every source and sending domain.

    Each finding comes with its cure. Ends with 65 when something is bad, with 0 when there is nothing worse than a
    warning. Nothing is sent and nothing is changed.

    \b
    Example:
      mta doctor
      mta doctor --address 192.0.2.10 --domain acme.example
    """
    from mta.cli.checkup.rounds import Asked, look

    settings = settings_of(config)
    asked = Asked(
        config, _public(public), _domains("--domain", only), _domains("--reach", reach), offline, limit
    )
    found = worst_first(asyncio.run(look(asked, settings)))
    counts = {level: sum(one.level == level for one in found) for level in LEVELS}
    if as_json:
        show.as_json({"ok": not counts[BAD], "counts": counts, "findings": [asdict(one) for one in found]})
    else:
        _tell([one for one in found if everything or one.level != OK])
        click.echo(", ".join(f"{count} {level}" for level, count in counts.items()))
    context.exit(DATA if counts[BAD] else 0)


def _public(given: tuple[str, ...]) -> tuple[str, ...]:
    import ipaddress

    try:
        return tuple(str(ipaddress.ip_address(one)) for one in given)
    except ValueError as error:
        raise Failure(USAGE, f"--address: {error}") from error


def _domains(option: str, given: tuple[str, ...]) -> tuple[str, ...]:
    from mta.address import AddressError, domain_of

    try:
        return tuple(domain_of(name) for name in given)
    except AddressError as error:
        raise Failure(USAGE, f"{option}: {error}") from error


def _tell(found: list[Finding]) -> None:
    area = ""
    for one in found:
        if one.area != area:
            area = one.area
            click.echo(f"{area}:")
        level = click.style(f"{one.level:7}", fg=COLOURS[one.level])
        click.echo(f"  {level} {show.plain(one.about)}: {show.plain(one.says)}")
        if one.cure:
            click.echo(f"          {show.plain(one.cure)}")
