"""`mta guard`: what the guard thinks of tenants, campaigns and sources, and the way back for what it holds."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mta.cli import show
from mta.cli.door import awaited, door
from mta.cli.failure import NO_INPUT, USAGE, Failure
from mta.cli.options import config_option, json_option
from mta.cli.orders import OPERATOR, give, order_options

if TYPE_CHECKING:
    from mta.bounce.guard import Standing
    from mta.bounce.tally import Counts

COLUMNS = ("scope", "level", "since", "reason")
KINDS = {"t": "tenant", "c": "campaign", "i": "source"}


@click.group()
def guard() -> None:
    """See who has too many complaints or unknown recipients; release what is held for it.

    \b
    Example:
      mta guard list
    """


@guard.command("list")
@config_option
@json_option
@awaited
async def list_standings(config: Path | None, as_json: bool) -> None:
    """List what the guard holds or warned of, and what was released lately.

    \b
    Example:
      mta guard list
    """
    from mta.queue.guardbook import GuardBook

    async with door(config) as opened:
        found = await GuardBook(opened.client, opened.keys).standings()
    order = {"stop": 0, "warn": 1, "ok": 2}
    rows = sorted(found.items(), key=lambda row: (order[row[1].level], row[0]))
    if as_json:
        show.as_json({"guard": [_json(scope, standing) for scope, standing in rows]})
        return
    table = [(_named(scope), _word(one), show.time_of(one.at), one.why) for scope, one in rows]
    show.table("guard", COLUMNS, table)


@guard.command("show")
@config_option
@click.argument("tenant")
@click.argument("campaign", required=False)
@json_option
@awaited
async def show_scope(config: Path | None, tenant: str, campaign: str | None, as_json: bool) -> None:
    """Show what a tenant or campaign did within the window, against the thresholds, and what stands of it.

    \b
    Example:
      mta guard show acme spring-26
    """
    from mta.bounce.guard import Thresholds, judge, within
    from mta.bounce.tally import campaign_scope, tenant_scope
    from mta.queue.guardbook import GuardBook

    scope = campaign_scope(tenant, campaign) if campaign else tenant_scope(tenant)
    async with door(config) as opened:
        book, given = GuardBook(opened.client, opened.keys), opened.settings.guard
        hours, standing = await book.hours(scope), await book.standing(scope)
    if not hours:
        raise Failure(NO_INPUT, f"nothing was counted of {_named(scope)} within the last days")
    limits = Thresholds(
        given.complaints_warn, given.complaints_stop, given.unknown_warn, given.unknown_stop,
        given.least, given.least_complaints, int(given.window * 1000),
    )  # fmt: skip
    counts = within(hours, standing, limits, int(time.time() * 1000))
    found = judge(counts, limits)
    if as_json:
        now = {"level": found.level, "cause": found.cause, "why": found.why}
        show.as_json(_json(scope, standing) | {"counts": counts._asdict(), "now": now})
        return
    show.table(_named(scope), ("", "messages", "share", "warns at", "holds at"), _rates(counts, limits))
    click.echo(show.plain(f"now: {found.level}{': ' + found.why if found.why else ''}"))
    if standing.why or standing.released:
        click.echo(show.plain(f"{_word(standing)} since {show.time_of(standing.at)} {standing.why}".rstrip()))


@guard.command("release")
@config_option
@click.argument("tenant")
@click.argument("campaign", required=False)
@order_options
@json_option
@awaited
async def release(
    config: Path | None, tenant: str, campaign: str | None, reason: str, by: str, as_json: bool
) -> None:
    """Release what the guard holds: a campaign or, without one, the tenant's mail.

    What was counted so far is not held against it again; as much harm anew holds it again. Give the reason: it is
    kept in the event.

    \b
    Example:
      mta guard release acme spring-26 --reason 'list was cleaned'
    """
    from mta.bounce.tally import campaign_scope, tenant_scope
    from mta.queue.guardbook import GuardBook

    scope = campaign_scope(tenant, campaign) if campaign else tenant_scope(tenant)
    if not reason:
        raise Failure(USAGE, "--reason is missing: say why it may go on, for whoever looks next")
    async with door(config) as opened:
        standing = await GuardBook(opened.client, opened.keys).standing(scope)
    if not standing.held:
        raise Failure(NO_INPUT, f"{_named(scope)} is not held by the guard; `mta guard list` shows what is")
    # The order opens the gate; the guard sees it open, and forgives what it had counted.
    target = {"tenant": tenant, "campaign": campaign} if campaign else {"tenant": tenant}
    answer = await give(config, "release" if campaign else "resume", OPERATOR, target, reason=reason, by=by)
    if as_json:
        show.json_line(answer)
    else:
        click.echo(show.plain(f"{_named(scope)} is released"))


def _rates(counts: "Counts", limits: object) -> list[tuple[object, ...]]:
    from mta.bounce.guard import Thresholds

    assert isinstance(limits, Thresholds)
    tried = counts.delivered + counts.unknown

    def row(name: str, n: int, whole: int, warn: float, stop: float) -> tuple[object, ...]:
        return (name, n, show.share(n / whole if whole else 0.0), show.share(warn), show.share(stop))

    return [
        ("delivered", counts.delivered, "", "", ""),
        row(
            "complaints", counts.complained, counts.delivered, limits.complaints_warn, limits.complaints_stop
        ),
        row("unknown recipients", counts.unknown, tried, limits.unknown_warn, limits.unknown_stop),
        ("other bounces", counts.bounced, "", "", ""),
    ]


def _word(standing: "Standing") -> str:
    if standing.held:
        return "held"
    return "released" if standing.level == "ok" and standing.released else standing.level


def _named(scope: str) -> str:
    kind, _, rest = scope.partition("|")
    return f"{KINDS[kind]} {rest.replace('|', '/')}"


def _json(scope: str, standing: "Standing") -> dict[str, object]:
    kind, *names = scope.split("|")
    name = "source" if kind == "i" else "tenant"
    return {
        name: names[0], "campaign": names[1] if kind == "c" else "", "level": standing.level,
        "held": standing.held, "cause": standing.cause, "why": standing.why, "at": standing.at,
        "released": standing.released,
    }  # fmt: skip
