"""`mta queue`: what waits, what is under way, who works, what is closed."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mta.cli import show
from mta.cli.door import awaited, door
from mta.cli.options import CLASSES, config_option, json_option

if TYPE_CHECKING:
    from mta.message import Lane
    from mta.queue.control import Gate
    from mta.queue.inspect import LaneState, WorkerState

BY = ("path", "site", "tenant", "campaign", "lane")
STATES = ("waiting", "held", "scheduled", "in_flight")
INCOMPLETE = "the queue is larger than this command counts; the figures are lower bounds"


@click.group()
def queue() -> None:
    """Look at the queue.

    \b
    Example:
      mta queue list
    """


@queue.command("list")
@config_option
@json_option
@awaited
async def list_queue(config: Path | None, as_json: bool) -> None:
    """Show the queue by class, the workers with their leases, and what is suspended or held.

    `entries` are submissions not yet taken in; `ready` mail stands in lanes, `packed` mail waits until there is room
    for it, `scheduled` mail until its time. Exact, and as quick for millions as for one.

    \b
    Example:
      mta queue list --json
    """
    from mta.queue.control import Control
    from mta.queue.inspect import Inspect

    async with door(config) as opened:
        look = Inspect(opened.client, opened.keys)
        now, submitted = await look.now(), await look.submitted()
        depths, workers = await look.depth(), await look.workers()
        gates = await Control(opened.client, opened.keys).gates()
        status = await opened.producer.status()
    by_class = {
        name: {
            "entries": submitted[name],
            "ready": depth.ready,
            "packed": depth.packed,
            "scheduled": depth.scheduled,
        }
        for name, depth in zip(CLASSES, depths, strict=True)
    }
    if as_json:
        show.as_json(
            {
                "classes": by_class,
                "in_flight": sum(one.in_flight for one in workers),
                "control_entries": submitted["control"],
                "workers": [_worker(one) for one in workers],
                "gates": {scope: _gate(gate) for scope, gate in gates.items()},
                "status": status,
            }
        )
        return
    columns = ("entries", "ready", "packed", "scheduled")
    rows = [(name, *(counts[column] for column in columns)) for name, counts in by_class.items()]
    rows.append(("all", *(sum(counts[column] for counts in by_class.values()) for column in columns)))
    show.table("queue", ("class", *columns), rows)
    if status.get("accepting") == "0":
        show.note(f"the engine accepts no mail: {show.plain(status.get('why', ''))}")
    leases = [(one.name, one.in_flight, _lease(one)) for one in workers]
    show.table("workers", ("worker", "in flight", "lease"), leases)
    if gates:
        closed = [
            (
                _scope(scope),
                gate.state,
                gate.reason,
                gate.by,
                show.span(gate.until - now) if gate.until else "",
            )
            for scope, gate in gates.items()
        ]
        show.table("gates", ("scope", "state", "reason", "by", "ends in"), closed)


@queue.command("show")
@config_option
@click.option("--by", type=click.Choice(BY), default="path", help="How to sum up.")
@click.option("--tenant", metavar="ID")
@click.option("--campaign", metavar="ID")
@click.option("--site", metavar="NAME", help="Receiving site, such as a domain.")
@click.option("--class", "cls", type=click.Choice(CLASSES))
@click.option("-n", "--number", type=click.IntRange(1, 10_000), default=50, help="Lines, the fullest first.")
@json_option
@awaited
async def show_queue(
    config: Path | None, by: str, tenant: str | None, campaign: str | None, site: str | None, cls: str | None,
    number: int, as_json: bool,
) -> None:  # fmt: skip
    """Show what the lanes hold: how much, since when, and when it is due next.

    \b
    Example:
      mta queue show --by campaign --tenant acme
    """
    from mta.queue.inspect import Inspect

    wanted = {"tenant": tenant, "campaign": campaign, "site": site and site.lower()}

    def match(lane: "Lane") -> bool:
        if cls is not None and CLASSES[lane.cls] != cls:
            return False
        return all(value is None or getattr(lane, name) == value for name, value in wanted.items())

    async with door(config) as opened:
        look = Inspect(opened.client, opened.keys)
        now, survey = await look.now(), await look.survey(match)
    groups = _grouped(survey.lanes, lambda lane: _name(lane, by))
    fullest = sorted(groups.items(), key=lambda pair: (-sum(pair[1][state] for state in STATES), pair[0]))
    if as_json:
        show.as_json(
            {
                "by": by,
                "complete": survey.complete,
                "rows": [{by: name, **row} for name, row in fullest[:number]],
            }
        )
        return
    rows = [
        (
            name,
            *(row[state] for state in STATES),
            show.span(now - row["oldest"]) if row["oldest"] else "",
            _due(row["next"], now),
        )
        for name, row in fullest[:number]
    ]
    show.table("", (by, *(state.replace("_", " ") for state in STATES), "oldest", "next due"), rows)
    if len(fullest) > number:
        show.note(f"{len(fullest) - number:,} more lines; -n shows more")
    if not survey.complete:
        show.note(INCOMPLETE)


def _grouped(lanes: "Iterable[LaneState]", name: "Callable[[Lane], str]") -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = {}
    for one in lanes:
        row = out.setdefault(name(one.lane), dict.fromkeys((*STATES, "oldest", "next"), 0))
        row["held" if one.held else "waiting"] += one.waiting
        row["scheduled"] += one.scheduled
        row["in_flight"] += one.in_flight
        for member, value in (("oldest", one.oldest), ("next", 0 if one.held else one.next)):
            if value:
                row[member] = min(row[member], value) if row[member] else value
    return out


def _name(lane: "Lane", by: str) -> str:
    if by == "campaign":
        return f"{lane.tenant}/{lane.campaign or '(single messages)'}"
    return {"path": lane.path, "site": lane.site, "tenant": lane.tenant}.get(by, str(lane))


def _due(at: int, now: int) -> str:
    if not at:
        return ""
    return "now" if at <= now else f"in {show.span(at - now)}"


def _lease(worker: "WorkerState") -> str:
    span = show.span(worker.lease_ms)
    return f"{span} left" if worker.lease_ms > 0 else f"over since {span}"


def _worker(worker: "WorkerState") -> dict[str, object]:
    return {
        "name": worker.name,
        "shard": worker.shard,
        "lease_ms": worker.lease_ms,
        "in_flight": worker.in_flight,
    }


def _gate(gate: "Gate") -> dict[str, object]:
    return {"state": gate.state, "reason": gate.reason, "by": gate.by, "until": gate.until}


KINDS = {"t": "tenant", "c": "campaign", "s": "site", "d": "domain", "r": "recipient", "m": "message"}


def _scope(scope: str) -> str:
    kind, _, rest = scope.partition("|")
    return f"{KINDS.get(kind, kind)} {rest.replace('|', '/')}"
