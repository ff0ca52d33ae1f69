"""`mta campaign list` and `mta campaign show`: what is known of campaigns right now."""

import json
from pathlib import Path

import click

from mta.cli import show
from mta.cli.canary import canary_facts, canary_table
from mta.cli.door import awaited, door
from mta.cli.failure import NO_INPUT, Failure
from mta.cli.options import config_option, json_option

COLUMNS = ("accepted", "queued", "delivered", "bounced", "suppressed", "opened", "clicked")


@click.command("list")
@config_option
@click.option("--tenant", metavar="ID", help="This tenant's only.")
@click.option("-n", "--number", type=click.IntRange(1, 1000), default=50, help="How many, newest first.")
@json_option
@awaited
async def campaign_list(config: Path | None, tenant: str | None, number: int, as_json: bool) -> None:
    """List campaigns, newest first, with their totals.

    \b
    Example:
      mta campaign list --tenant acme
    """
    from mta.cli.follow import gate
    from mta.queue.campaigns import Campaigns
    from mta.queue.progress import Progress

    out = []
    async with door(config) as opened:
        campaigns, progress = Campaigns(opened.client, opened.keys), Progress(opened.client, opened.keys)
        names = await campaigns.list(1000 if tenant else number)
        for owner, name in [pair for pair in names if tenant in (None, pair[0])][:number]:
            found = await campaigns.get(owner, name)
            if found is None:
                continue
            totals = await progress.totals(owner, name)
            out.append(
                {
                    "tenant": owner,
                    "campaign": name,
                    "class": found.cls.label,
                    "created": show.time_of(found.created),
                    "gate": await gate(opened, owner, name),
                    "totals": totals,
                }
            )
    if as_json:
        show.as_json(out)
        return
    rows = []
    for one in out:
        counted = one["totals"]
        assert isinstance(counted, dict)
        rows.append(
            (
                *(one[name] for name in ("tenant", "campaign", "class", "created")),
                *(counted.get(name, 0) for name in COLUMNS),
                one["gate"],
            )
        )
    show.table("", ("tenant", "campaign", "class", "created", *COLUMNS, "gate"), rows)


@click.command("show")
@config_option
@click.argument("tenant")
@click.argument("campaign")
@json_option
@awaited
async def campaign_show(config: Path | None, tenant: str, campaign: str, as_json: bool) -> None:
    """Show a campaign: its document as submitted, its totals, and whether it is held or suspended.

    \b
    Example:
      mta campaign show acme spring-26
    """
    from mta.cli.follow import gate
    from mta.event import COUNTED
    from mta.queue.campaigns import Campaigns
    from mta.queue.progress import Progress
    from mta.queue.review import Review

    async with door(config) as opened:
        campaigns = Campaigns(opened.client, opened.keys)
        found = await campaigns.get(tenant, campaign)
        if found is None:
            raise Failure(
                NO_INPUT,
                f"tenant {tenant} has no campaign {campaign}; `mta campaign list` shows what there is",
            )
        closed = bool(await campaigns.closed(tenant, campaign))
        totals = await Progress(opened.client, opened.keys).totals(tenant, campaign)
        held = await gate(opened, tenant, campaign)
        review = Review(opened.client, opened.keys)
        decision = (await review.standing(tenant, campaign)).decision
        canary = await review.canaries.report(tenant, campaign)
    document = json.loads(found.document)
    facts: dict[str, object] = {
        "tenant": tenant,
        "campaign": campaign,
        "class": found.cls.label,
        "created": show.time_of(found.created),
        "complete": closed,
        "gate": held,
        "decision": f"{decision.state} by {decision.by}: {decision.reason}".rstrip(": ") if decision else "",
    }
    if as_json:
        show.as_json(facts | {"totals": totals, "canary": canary_facts(canary), "document": document})
        return
    show.table("", ("", ""), [(name, value) for name, value in facts.items() if value != ""])
    show.table("totals", ("", "count"), [(n, totals[n]) for n in ("queued", *COUNTED) if totals.get(n)])
    canary_table(canary)
    show.table("document", ("member", "value"), [(name, _short(value)) for name, value in document.items()])


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:300]} ... ({len(text):,} characters; --json shows all)"
