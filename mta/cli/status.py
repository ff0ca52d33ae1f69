"""`mta status`: is the engine well, and if not, why not. One screen, and an exit code for scripts."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mta.cli import show
from mta.cli.door import door
from mta.cli.failure import TEMPORARY, UNAVAILABLE
from mta.cli.options import config_option, json_option, server_of

if TYPE_CHECKING:
    from mta.cli.door import Door
    from mta.config.settings import Settings
    from mta.queue.health import Health
    from mta.queue.overview import Glance
    from mta.queue.roll import Present

SHOWN_GATES: Final = 10
CODES: Final = {"ready": 0, "degraded": TEMPORARY, "down": UNAVAILABLE}


@click.command()
@config_option
@json_option
@click.pass_context
def status(context: click.Context, config: Path | None, as_json: bool) -> None:
    """Show whether the engine is well: processes, rates, depth, memory, and what is held.

    Ends with 0 when it is ready, with 75 when it works but something needs a person, with 69 when nothing is taken in
    or nothing is sent.

    \b
    Example:
      mta status
      mta status --json | jq -r .state
    """
    context.exit(asyncio.run(_status(config, as_json)))


async def _status(config: Path | None, as_json: bool) -> int:
    from mta.cli.overview import as_document, overview
    from mta.queue.health import health

    async with door(config) as opened:
        glance = await overview(opened).glance()
        judged = health(glance)
        redis = await _redis(opened)
    tests = for_tests(opened.settings)
    if as_json:
        document = as_document(glance, judged)
        document["redis"] |= redis
        show.as_json(document | {"test_settings": tests})
    else:
        _tell(glance, judged, redis, tests)
    return CODES[judged.state]


async def _redis(opened: "Door") -> dict[str, str]:
    """Return the server's facts, and under `unsafe` why mail is not safe there."""
    from mta.queue.link import UnsafeServer
    from mta.queue.nodes import check_all

    settings = opened.settings
    try:
        return await check_all(opened.client, server_of(settings), durability=settings.redis.durability)
    except UnsafeServer as error:
        return {"unsafe": str(error)}


def for_tests(settings: "Settings") -> list[str]:
    """Return the settings in force that belong to tests alone, as name = value."""
    net = settings.net
    found = []
    if net.smtp_port != 25:
        found.append(f"net.smtp_port = {net.smtp_port}")
    if net.allow_private:
        found.append("net.allow_private = true")
    return found


def _tell(glance: "Glance", judged: "Health", redis: dict[str, str], tests: list[str]) -> None:
    from mta.cli.overview import closed_counts, depth_rows, rates

    click.echo(f"state: {judged.state}")
    for reason in judged.reasons:
        click.echo(show.plain(f"  {reason}"))
    flows = rates(glance)
    said = ", ".join(f"{value:.1f} {name}" for name, value in flows.items() if value or name == "delivered")
    click.echo(f"per second, last minute: {said}; {glance.in_flight:,} in flight")
    click.echo(show.plain(f"processes: {_processes(glance)}"))
    click.echo(show.plain(f"redis: {_server(glance, redis)}"))
    counts = closed_counts(glance)
    click.echo(f"closed: {', '.join(f'{n} {state}' for state, n in counts.items()) or 'nothing'}")
    for scope, gate in sorted(glance.gates.items())[:SHOWN_GATES]:
        until = f", until {show.time_of(gate.until)}" if gate.until else ""
        reason = f": {gate.reason}" if gate.reason else ""
        click.echo(show.plain(f"  {_scope(scope)} {gate.state}{reason} (by {gate.by or '?'}{until})"))
    if len(glance.gates) > SHOWN_GATES:
        click.echo(f"  and {len(glance.gates) - SHOWN_GATES} more: mta queue list")
    for one in tests:
        show.note(f"a setting for tests is in force: {one}")
    show.table("", ("class", "entries", "ready", "packed", "scheduled", "oldest due"), depth_rows(glance))


def _processes(glance: "Glance") -> str:
    hosts: dict[str, dict[str, list[Present]]] = {}
    for one in glance.roll:
        hosts.setdefault(one.host, {}).setdefault(one.role, []).append(one)
    said = []
    for host, roles in hosts.items():
        parts = []
        for role, members in roles.items():
            silent = sum(one.silent(glance.now) for one in members)
            count = f" x{len(members)}" if len(members) > 1 else ""
            parts.append(f"{role}{count}{f' ({silent} silent)' if silent else ''}")
        said.append(f"{', '.join(parts)} on {host}")
    return "; ".join(said) or "none"


def _server(glance: "Glance", redis: dict[str, str]) -> str:
    mib = f"{glance.memory_used / (1 << 20):,.0f} MiB"
    share = (
        f", {glance.memory_used * 100 // glance.memory_most} % of its memory" if glance.memory_most else ""
    )
    if "unsafe" in redis:
        return f"UNSAFE: {redis['unsafe']}; {mib}{share}"
    sync = f", appendfsync {redis['appendfsync']}" if redis.get("appendfsync") else ""
    return f"{redis.get('name', 'redis')} {redis.get('version', '')}{sync}, {mib}{share}"


def _scope(scope: str) -> str:
    from mta.queue.standing import words

    return words(scope)
