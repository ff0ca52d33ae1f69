"""`mta campaign review`: what waits for a person, how it would look, and the person's word on it."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mta.cli import show
from mta.cli.canary import canary_facts, canary_table
from mta.cli.door import awaited, door
from mta.cli.failure import NO_INPUT, Failure
from mta.cli.options import config_option, json_option
from mta.cli.orders import give, order_options, said, whoami

if TYPE_CHECKING:
    from mta.cli.review_samples import Sample

MAX_SAMPLES = 50
MAX_TEXT = 4000  # characters of a text part on a terminal


@click.group("review")
def review() -> None:
    """Look at campaigns that are held, and decide.

    \b
    Example:
      mta campaign review list
    """


@review.command("list")
@config_option
@json_option
@awaited
async def review_list(config: Path | None, as_json: bool) -> None:
    """List what waits for a person, the oldest first: held campaigns, held tenants, canaries.

    \b
    Example:
      mta campaign review list
    """
    from mta.queue.inspect import Inspect
    from mta.queue.review import Review

    out: list[dict[str, Any]] = []
    async with door(config) as opened:
        held = Review(opened.client, opened.keys)
        now = await Inspect(opened.client, opened.keys).now()
        for tenant, campaign, gate in await held.waiting():
            row: dict[str, Any] = {
                "tenant": tenant, "campaign": campaign, "state": gate.state, "since": show.time_of(gate.since),
                "recipients": None, "queued": None, "why": gate.reason, "by": gate.by,
            }  # fmt: skip
            if campaign:
                standing = await held.standing(tenant, campaign)
                if standing.known and standing.hold is None:
                    continue  # it was purged, or its order is under way
                row["recipients"] = standing.totals.get("accepted", 0)
                row["queued"] = standing.totals["queued"]
            row["waits"] = show.span(now - gate.since) if gate.since else ""
            out.append(row)
    if as_json:
        show.as_json(out)
        return
    columns = ("tenant", "campaign", "state", "waits", "recipients", "why")
    rows = [
        tuple("(all)" if name == "campaign" and not one[name] else _cell(one[name]) for name in columns)
        for one in out
    ]
    show.table("", columns, rows)


def _cell(value: object) -> object:
    return "" if value is None else value


@review.command("show")
@config_option
@click.argument("tenant")
@click.argument("campaign")
@click.option(
    "-k",
    "--samples",
    "most",
    type=click.IntRange(1, MAX_SAMPLES),
    default=3,
    help="How many people's messages.",
)
@click.option("--seed", type=int, default=1, help="Another number draws other people.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write .eml and .html files there.",
)
@json_option
@awaited
async def review_show(
    config: Path | None, tenant: str, campaign: str, most: int, seed: int, out: Path | None, as_json: bool
) -> None:
    """Show a campaign as some of its people would get it, what is known of its canary, and what would hurt.

    The samples are made and signed as in earnest; their links are blind, so that to try one is nobody's click. What is
    shown is noted in the audit log.

    \b
    Example:
      mta campaign review show acme spring-26 --samples 5 --out /tmp/look
    """
    from mta.cli.review_samples import samples
    from mta.message import Class
    from mta.queue.audit import AuditLog, subject
    from mta.queue.campaigns import Campaigns
    from mta.queue.review import Review

    async with door(config) as opened:
        known = await Campaigns(opened.client, opened.keys).get(tenant, campaign)
        if known is None:
            raise Failure(
                NO_INPUT,
                f"tenant {tenant} has no campaign {campaign}; `mta campaign list` shows what there is",
            )
        held = Review(opened.client, opened.keys)
        standing = await held.standing(tenant, campaign)
        canary = await held.canaries.report(tenant, campaign)
        found = await samples(opened, tenant, campaign, most, seed, bulk=known.cls is Class.BULK)
        log = AuditLog(opened.client, opened.keys)
        for sample in found.messages:
            await log.note(
                whoami(), "sample.read", subject("campaign", campaign, tenant), message=sample.name
            )
    if out is not None:
        _write(out, found.messages)
    hold = standing.hold
    facts: dict[str, Any] = {
        "tenant": tenant,
        "campaign": campaign,
        "state": hold.state if hold else "",
        "why": hold.reason if hold else standing.why_not(campaign),
        "since": show.time_of(hold.since) if hold else "",
        "recipients": standing.totals.get("accepted", 0),
        "queued": standing.totals["queued"],
        "unsigned": found.unsigned,
    }
    if as_json:
        show.as_json(
            facts
            | {
                "canary": canary_facts(canary),
                "findings": [dataclasses.asdict(one) for one in found.findings],
                "samples": [_told(one) for one in found.messages],
            }
        )
        return
    show.table("", ("", ""), [(name, value) for name, value in facts.items() if value != ""])
    canary_table(canary)
    for one in found.findings:
        click.echo(show.plain(f"{one.level}: {one.where}: {one.what}"))
        click.echo(show.plain(f"    {one.cure}"))
    for sample in found.messages:
        _print(sample, where=out)
    if not found.messages:
        show.note("nobody waits for this campaign, so there is nothing to show")


def _told(sample: "Sample") -> dict[str, Any]:
    return {
        "id": sample.name, "rcpt": sample.rcpt, "subject": sample.subject, "headers": sample.headers,
        "text": sample.text, "html": sample.html, "octets": len(sample.raw),
    }  # fmt: skip


def _print(sample: "Sample", where: Path | None) -> None:
    click.echo("")
    click.echo(show.plain(f"--- {sample.name} to {sample.rcpt}, {len(sample.raw):,} octets"))
    for name, value in sample.headers:
        click.echo(show.plain(f"{name}: {value}"))
    click.echo("")
    for line in sample.text[:MAX_TEXT].splitlines():
        click.echo(show.plain(line))
    if len(sample.text) > MAX_TEXT:
        click.echo(f"... ({len(sample.text):,} characters; --out writes all)")
    if sample.html:
        told = f"in {where / (sample.name + '.html')}" if where else "--out DIR writes it to a file"
        click.echo(f"[HTML of {len(sample.html):,} characters: {told}]")


def _write(folder: Path, messages: "list[Sample]") -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for sample in messages:
        (folder / f"{sample.name}.eml").write_bytes(sample.raw)
        if sample.html:
            (folder / f"{sample.name}.html").write_bytes(sample.html.encode())


def _verdict(word: str, op: str, told: str) -> click.Command:
    @config_option
    @click.argument("tenant")
    @click.argument("campaign")
    @order_options
    @json_option
    @awaited
    async def command(
        config: Path | None, tenant: str, campaign: str, reason: str, by: str, as_json: bool
    ) -> None:
        answer = await give(config, op, tenant, {"campaign": campaign}, reason=reason, by=by)
        if as_json:
            show.json_line(answer)
        else:
            click.echo(said(op, f"campaign {campaign}", answer))

    text = f"{told}\n\n\b\nExample:\n  mta campaign review {word} acme spring-26 --reason 'looked at five'"
    return click.command(word, help=text)(command)


review.add_command(
    _verdict(
        "approve",
        "release",
        "Let a held campaign go; one with a canary begins with that, or goes on after it.",
    )
)
review.add_command(
    _verdict("reject", "reject", "Refuse a held campaign: what waits is dropped, with events.")
)
