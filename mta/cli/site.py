"""`mta site`: receiving systems, what waits for them, and what they are given."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mta.cli import show
from mta.cli.door import awaited, door
from mta.cli.failure import NO_INPUT, Failure
from mta.cli.options import CLASSES, config_option, json_option
from mta.cli.orders import OPERATOR, give, limit_options, order_options, said, span_option

if TYPE_CHECKING:
    from mta.queue.inspect import LaneState
    from mta.queue.paths import PathState

COLUMNS = ("site", "pool", "ready", "packed", "connections", "rate", "pace", "state", "next")
TOP = 10  # lanes of one site that are shown


@click.group()
def site() -> None:
    """Look at receiving sites, hold them back, slow them down.

    \b
    Example:
      mta site list
    """


@site.command("list")
@config_option
@click.option("-n", "--number", type=click.IntRange(1, 100_000), default=50, help="Lines, the fullest first.")
@json_option
@awaited
async def list_sites(config: Path | None, number: int, as_json: bool) -> None:
    """Show the sites that mail waits for, the fullest first.

    Figures are counters kept as mail moves: exact, whatever the length of the queue.

    \b
    Example:
      mta site list -n 20
    """
    from mta.queue.paths import Paths

    async with door(config) as opened:
        paths = Paths(opened.client, opened.keys)
        now, states = await paths.now(), await paths.states()
    fullest = sorted(states, key=lambda one: (-one.ready - one.packed, one.site))[:number]
    if as_json:
        show.as_json({"sites": [_json(one, now) for one in fullest], "more": max(0, len(states) - number)})
        return
    show.table("sites", COLUMNS, [_row(one, now) for one in fullest])
    if len(states) > number:
        show.note(f"{len(states) - number:,} more sites; -n shows more")


@site.command("show")
@config_option
@click.argument("name")
@json_option
@awaited
async def show_site(config: Path | None, name: str, as_json: bool) -> None:
    """Show one site: depth, oldest message, limits, state, next attempt, and the lanes with most mail.

    \b
    Example:
      mta site show google
    """
    from mta.queue.inspect import Inspect
    from mta.queue.paths import Paths

    wanted = name.lower()
    async with door(config) as opened:
        paths = Paths(opened.client, opened.keys)
        now, states = await paths.now(), [one for one in await paths.states() if one.site == wanted]
        survey = await Inspect(opened.client, opened.keys).survey(lambda lane: lane.site == wanted)
    if not states and not survey.lanes:
        raise Failure(
            NO_INPUT,
            f"nothing waits for a site {name}, and nothing was sent there lately; see `mta site list`",
        )
    lanes = sorted(survey.lanes, key=lambda one: -one.waiting - one.scheduled)
    oldest = min((one.oldest for one in lanes if one.oldest), default=0)
    if as_json:
        show.as_json(
            {
                "site": wanted,
                "paths": [_json(one, now) for one in states],
                "oldest": oldest,
                "scheduled": sum(one.scheduled for one in lanes),
                "in_flight": sum(one.in_flight for one in lanes),
                "complete": survey.complete,
                "lanes": [_lane(one) for one in lanes[:TOP]],
            }
        )
        return
    show.table(wanted, COLUMNS, [_row(one, now) for one in states])
    if oldest:
        click.echo(f"oldest message: {show.span(now - oldest)}")
    rows = [
        (CLASSES[one.lane.cls], one.lane.tenant, one.lane.campaign, one.waiting, one.scheduled, one.in_flight)
        for one in lanes[:TOP]
    ]
    show.table("lanes", ("class", "tenant", "campaign", "waiting", "scheduled", "in flight"), rows)
    if not survey.complete:
        show.note("the queue is larger than this command counts; scheduled and in flight are lower bounds")


def _row(one: "PathState", now: int) -> tuple[object, ...]:
    rate = f"{one.rate:g}/s" if one.rate else ""
    limit = f"{one.open}/{one.connections}" if one.connections else str(one.open)
    return (
        one.site,
        one.pool,
        one.ready,
        one.packed,
        limit,
        rate,
        _pace(one),
        one.state(now),
        _due(one.next, now),
    )


def _pace(one: "PathState") -> str:
    """What the receiver's answers leave of the rate: less than the rate it has, else nothing to tell."""
    pace = one.pace if not one.rate or one.pace < one.rate else 0.0
    told = f"{pace:.3g}/s" if 0 < pace < 1e6 else ""
    return f"{told} x {one.slow:g}".strip() if one.slow else told


def _json(one: "PathState", now: int) -> dict[str, object]:
    return {
        "site": one.site, "pool": one.pool, "ready": one.ready, "packed": one.packed, "open": one.open,
        "idle": one.idle, "connections": one.connections, "rate": one.rate, "state": one.state(now),
        "reason": one.reason, "next": one.next, "pace": one.pace, "slow": one.slow,
        "paused_until": one.paused_until, "stopped_until": one.stopped_until,
    }  # fmt: skip


def _lane(one: "LaneState") -> dict[str, object]:
    return {
        "class": CLASSES[one.lane.cls], "tenant": one.lane.tenant, "campaign": one.lane.campaign,
        "waiting": one.waiting, "packed": one.packed, "scheduled": one.scheduled, "in_flight": one.in_flight,
        "oldest": one.oldest,
    }  # fmt: skip


def _due(at: int, now: int) -> str:
    if not at:
        return ""
    return "now" if at <= now else f"in {show.span(at - now)}"


WORDS = {
    "suspend": ("Send nothing to a site and keep what waits.", "--for 2h --reason 'they asked'"),
    "resume": ("Send to a suspended site again.", ""),
    "purge": ("Drop what waits for a site, with events.", "--reason 'closed for good'"),
    "limit": ("Give a site less, or more, than the shaping file does.", "--rate 10/min --connections 1 --for 2h"),
}  # fmt: skip


def _command(op: str) -> click.Command:
    @config_option
    @click.argument("name")
    @order_options
    @json_option
    @awaited
    async def command(
        config: Path | None, name: str, reason: str, by: str, as_json: bool, span: str | None = None,
        rate: str | None = None, connections: int | None = None,
    ) -> None:  # fmt: skip
        answer = await give(
            config, op, OPERATOR, {"site": name}, reason=reason, by=by, span=span, rate=rate, connections=connections
        )  # fmt: skip
        if as_json:
            show.json_line(answer)
        else:
            click.echo(said(op, f"site {name}", answer, span))

    told, example = WORDS[op]
    text = f"{told}\n\n\b\nExample:\n  mta site {op} google {example}".rstrip()
    callback: Callable[..., object] = command
    if op in ("suspend", "limit"):
        callback = span_option(callback)
    if op == "limit":
        callback = limit_options(callback)
    return click.command(op, help=text)(callback)


for order in WORDS:
    site.add_command(_command(order))
