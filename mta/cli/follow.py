"""A campaign's progress, live, until every accepted recipient has a final event."""

import asyncio
from typing import TYPE_CHECKING

from mta.cli.show import json_line
from mta.event import FINAL

if TYPE_CHECKING:
    from mta.cli.door import Door

EVERY = 0.5  # seconds; the totals are published about as often
SHOWN = ("delivered", "bounced", "deferred", "suppressed", "expired", "purged", "failed", "opened", "clicked")


async def follow(
    opened: "Door", tenant: str, campaign: str, expected: int, *, as_json: bool
) -> dict[str, int]:
    """Show the totals until `expected` recipients are final; return the last ones. Ctrl-C stops only the looking."""
    if as_json:
        before: dict[str, int] = {}
        while True:
            totals = await opened.producer.progress(tenant, campaign)
            if totals != before:
                json_line({"tenant": tenant, "campaign": campaign, **totals})
                before = totals
            if _final(totals) >= expected:
                return totals
            await asyncio.sleep(EVERY)
    return await _bar(opened, tenant, campaign, expected)


async def _bar(opened: "Door", tenant: str, campaign: str, expected: int) -> dict[str, int]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        task = progress.add_task(campaign, total=expected, figures="")
        while True:
            totals = await opened.producer.progress(tenant, campaign)
            figures = " ".join(f"{name} {totals[name]:,}" for name in SHOWN if totals.get(name))
            held = await gate(opened, tenant, campaign)
            if held:
                figures = f"{figures} \\[{held}]"
            progress.update(task, completed=min(_final(totals), expected), figures=figures)
            if _final(totals) >= expected:
                return totals
            await asyncio.sleep(EVERY)


async def gate(opened: "Door", tenant: str, campaign: str) -> str:
    """Return why the campaign does not go on, such as `held: under review`, or an empty string."""
    from mta.cli.show import plain
    from mta.queue.control import Control

    gates = await Control(opened.client, opened.keys).gates()
    own = f"{tenant}|{campaign}"
    for scope, what in ((f"c|{own}", ""), (f"t|{tenant}", "tenant "), (f"k|{own}", "")):
        if scope in gates:
            closed = gates[scope]
            return plain(f"{what}{closed.state}{': ' if closed.reason else ''}{closed.reason}")
    return ""


def _final(totals: dict[str, int]) -> int:
    return sum(totals.get(kind, 0) for kind in FINAL)
