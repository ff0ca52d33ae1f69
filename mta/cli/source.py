"""`mta source`: the addresses that mail goes out from, how far they are warmed up, and orders about them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mta.cli import show
from mta.cli.door import awaited, door
from mta.cli.failure import NO_INPUT, Failure
from mta.cli.options import config_option, json_option
from mta.cli.orders import OPERATOR, give, order_options, said, span_option

if TYPE_CHECKING:
    from mta.cli.door import Door
    from mta.queue.egress import Climb, SourceReport
    from mta.queue.paths import PathState

COLUMNS = ("source", "addresses", "name in EHLO", "pools", "state", "warm-up")
CLIMB = ("provider", "stage", "cap", "used", "delivered", "deferred", "bounced", "since", "held because")
TO_SITES = ("site", "connections", "pace", "state", "until")
TOP = 20  # sites of one source that are shown


@click.group()
def source() -> None:
    """Look at the addresses that mail goes out from, and suspend them.

    \b
    Example:
      mta source list
    """


@source.command("list")
@config_option
@json_option
@awaited
async def list_sources(config: Path | None, as_json: bool) -> None:
    """Show the sources of the settings: their pools, whether they are suspended, how far they are warmed up.

    \b
    Example:
      mta source list
    """
    async with door(config) as opened:
        found = await _reports(opened)
    if as_json:
        show.as_json({"sources": [_json(one) for one in found]})
        return
    if not found:
        show.note("no [sources] are named: mail goes out from net.source, as net.helo")
        return
    show.table("sources", COLUMNS, [_row(one) for one in found])


@source.command("show")
@config_option
@click.argument("name")
@json_option
@awaited
async def show_source(config: Path | None, name: str, as_json: bool) -> None:
    """Show one source, by name or address: each stage of its warm-up, today's cap and what is used of it, why it is
    held, and the sites that slow it down.

    \b
    Example:
      mta source show out7
    """
    from mta.queue.paths import Paths

    async with door(config) as opened:
        found = await _reports(opened)
        paths = Paths(opened.client, opened.keys)
        now, states = await paths.now(), await paths.states()
    wanted = [one for one in found if name == one.source.name or name in one.source.addresses]
    if not wanted:
        known = ", ".join(one.source.name for one in found) or "there is none"
        raise Failure(NO_INPUT, f"no source {name} in the settings; known: {known}")
    own = {one.source.name: _sites(one, states, now) for one in wanted}
    if as_json:
        show.as_json({"sources": [_json(one) | {"sites": own[one.source.name]} for one in wanted]})
        return
    for one in wanted:
        show.table(one.source.name, COLUMNS, [_row(one)])
        if one.gate:
            until = f", until {show.time_of(one.gate.until)}" if one.gate.until else ""
            click.echo(
                f"{one.state} by {one.gate.by or 'somebody'}: {one.gate.reason or 'no reason given'}{until}"
            )
        if one.rate:
            click.echo(f"limited to {one.rate:g}/s over all sites")
        if one.climbs:
            show.table("warm-up", CLIMB, [_stage(climb) for climb in one.climbs])
        if sites := own[one.source.name]:
            rows = [[row[column] for column in TO_SITES] for row in sites[:TOP]]
            show.table("sites", TO_SITES, rows)


async def _reports(opened: "Door") -> list["SourceReport"]:
    from mta.daemon.assemble import pools
    from mta.queue.egress import Egress

    return await Egress(opened.client, opened.keys, pools(opened.settings)).report()


def _row(one: "SourceReport") -> tuple[object, ...]:
    given = one.source
    return (
        given.name,
        ", ".join(given.addresses),
        given.helo,
        ", ".join(f"{pool} ({weight:g})" for pool, weight in one.pools.items()),
        one.state,
        one.warmth or "warm",
    )


def _stage(one: "Climb") -> tuple[object, ...]:
    from mta.throttle.warmup import spelled

    at, today = one.position, one.today
    stage = "warm" if at.ended else f"{at.stage + 1} of {one.stages}"
    cap: object = "none" if one.cap < 0 else one.cap
    provider = "all other sites" if one.provider == "*" else one.provider
    return (
        provider, stage, cap, today.taken, today.delivered, today.deferred, today.bounced, spelled(at.since), at.held,
    )  # fmt: skip


def _sites(one: "SourceReport", states: list["PathState"], now: int) -> list[dict[str, object]]:
    """The sites that it has connections to or that keep it back; kept back ones first."""
    rows: list[dict[str, object]] = []
    for path in states:
        if path.pool not in (f"@{one.source.name}", one.alone):
            continue
        until = max(path.stopped_until, path.paused_until)
        pace = f"{path.pace:.3g}/s" if 0 < path.pace < 1e6 else ""
        rows.append(
            {
                "site": path.site, "connections": path.open, "pace": pace, "state": path.state(now),
                "until": show.time_of(until) if until > now else "",
            }
        )  # fmt: skip
    return sorted(rows, key=lambda row: (row["state"] == "open", str(row["site"])))


def _json(one: "SourceReport") -> dict[str, object]:
    given, gate = one.source, one.gate
    return {
        "name": given.name, "address": given.address, "address6": given.address6, "helo": given.helo,
        "pools": one.pools, "state": one.state, "reason": gate.reason if gate else "", "by": gate.by if gate else "",
        "until": gate.until if gate else 0, "rate": one.rate, "warm": given.warm,
        "warmup": [
            {
                "provider": climb.provider, "stage": climb.position.stage + 1, "stages": climb.stages,
                "cap": climb.cap, "used": climb.today.taken, "delivered": climb.today.delivered,
                "deferred": climb.today.deferred, "bounced": climb.today.bounced, "since": climb.position.since,
                "held": climb.position.held, "ended": climb.position.ended,
            }
            for climb in one.climbs
        ],
    }  # fmt: skip


WORDS = {
    "suspend": (
        "Send nothing from a source: its mail goes by the others of its pools, or waits.",
        "--for 2h",
    ),
    "resume": ("Send from a source again, and end a limit on it.", ""),
    "limit": ("Give a source a rate of its own, over all sites.", "--rate 100/min --for 2h"),
}


def _command(op: str) -> click.Command:
    @config_option
    @click.argument("name")
    @order_options
    @json_option
    @awaited
    async def command(
        config: Path | None, name: str, reason: str, by: str, as_json: bool, span: str | None = None,
        rate: str | None = None,
    ) -> None:  # fmt: skip
        answer = await give(
            config, op, OPERATOR, {"source": name}, reason=reason, by=by, span=span, rate=rate
        )
        if as_json:
            show.json_line(answer)
        else:
            click.echo(said(op, f"source {name}", answer, span))

    told, example = WORDS[op]
    text = f"{told}\n\n\b\nExample:\n  mta source {op} out7 {example}".rstrip()
    callback: Callable[..., object] = command
    if op in ("suspend", "limit"):
        callback = span_option(callback)
    if op == "limit":
        option = click.option(
            "--rate", required=True, metavar="RATE", help="Such as 10/s, 100/min, 20000/day."
        )
        callback = option(callback)
    return click.command(op, help=text)(callback)


for order in WORDS:
    source.add_command(_command(order))
