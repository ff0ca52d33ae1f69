"""`mta why`: why mail waits, and when it will go."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mta.cli import show
from mta.cli.door import awaited, door
from mta.cli.failure import NO_INPUT, USAGE, Failure
from mta.cli.options import CLASSES, config_option, json_option

if TYPE_CHECKING:
    from mta.cli.waiting import Asked, Told

LIMIT = 2_000_000
SHOWN = 20


@click.command()
@config_option
@click.argument("target", required=False, metavar="[MESSAGE-ID|RECIPIENT]")
@click.option(
    "--tenant", metavar="ID", help="Of this tenant only; makes the look-up of a message id quicker."
)
@click.option("--site", metavar="NAME", help="All mail to a site, by shares.")
@click.option("--campaign", metavar="TENANT/CAMPAIGN", help="All mail of a campaign, by shares.")
@click.option("--limit", type=click.IntRange(1), default=LIMIT, show_default=True, help="Messages looked at.")
@click.option("-n", "--number", type=click.IntRange(1, 1000), default=SHOWN, help="Messages of a recipient.")
@json_option
@awaited
async def why(
    config: Path | None, target: str | None, tenant: str | None, site: str | None, campaign: str | None,
    limit: int, number: int, as_json: bool,
) -> None:  # fmt: skip
    """Say why mail waits and when it will go, in a sentence and in detail.

    A message id is looked up exactly; a recipient by looking through what waits, up to --limit messages. Estimates are
    made of limits, turns and paces as they are now. Times are UTC.

    \b
    Example:
      mta why spring-26.fq3cf5lhz7wtbxya.17
      mta why bob@example.net
      mta why --campaign acme/spring-26
    """
    if sum(one is not None for one in (target, site, campaign)) != 1:
        raise Failure(USAGE, "name one message id or recipient, or --site, or --campaign TENANT/CAMPAIGN")
    if target is None:
        await _whole(config, site, campaign, as_json)
        return
    asked = await _asked(config, target, tenant or "", limit, number, not as_json)
    if as_json:
        show.as_json(
            {
                "asked": target,
                "complete": asked.complete,
                "looked": asked.looked,
                "messages": [_json(one) for one in asked.told],
            }
        )
    else:
        for number_, one in enumerate(asked.told):
            if number_:
                click.echo("")
            _tell(one)
        if not asked.complete:
            show.note(f"not all was looked through, {asked.looked:,} messages were; --limit looks further")
    if not asked.told or all(one.answer.state == "unknown" for one in asked.told):
        raise Failure(NO_INPUT, f"nothing is known of {target}; looked through: {', '.join(asked.through)}")


async def _asked(
    config: Path | None, target: str, tenant: str, limit: int, number: int, talks: bool
) -> "Asked":
    from mta.cli.waiting import Asking

    address, name = target_of(target)
    async with door(config) as opened:
        with looking(limit, talks) as tell:
            asking = Asking(opened, limit, tell)
            if address:
                return await asking.recipient(address, tenant, number)
            return await asking.message(name, tenant)


def target_of(target: str) -> tuple[str, str]:
    """Return (address, "") or ("", message id) of what was named; raise Failure."""
    from mta.address import AddressError, parse
    from mta.identity import is_name

    if "@" in target:
        try:
            return str(parse(target)), ""
        except AddressError as error:
            raise Failure(USAGE, f"{target!r} is no address: {error}") from error
    if not is_name(target):
        raise Failure(USAGE, f"{target!r} is neither a message id nor an address")
    return "", target


@contextmanager
def looking(limit: int, talks: bool) -> Iterator[Callable[[int], None] | None]:
    """Show on a terminal how many messages were looked at; elsewhere nothing."""
    if not talks or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("looking through the queue"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=limit)
        yield lambda looked: progress.update(task, completed=looked)


async def _whole(config: Path | None, site: str | None, campaign: str | None, as_json: bool) -> None:
    from mta.cli.waiting import Asking
    from mta.throttle.waiting.shares import percent, sentence

    tenant, slash, name = (campaign or "").partition("/")
    if campaign is not None and not (tenant and slash):
        raise Failure(USAGE, f"--campaign {campaign!r} is not TENANT/CAMPAIGN; write acme/spring-26")
    async with door(config) as opened:
        shares = Asking(opened, LIMIT).shares
        whole = await (shares.of_site(site.lower()) if site else shares.of_campaign(tenant, name))
    text = sentence(whole.parts, not whole.exact)
    if as_json:
        parts = [
            {"reason": one.reason, "site": one.of, "count": one.count, "share": one.count / whole.count}
            for one in whole.parts
        ]
        show.as_json({"asked": site or campaign, "exact": whole.exact, "count": whole.count, "text": text,
                      "parts": parts})  # fmt: skip
        return
    click.echo(show.plain(text))
    if whole.parts:
        rows = [(one.count, percent(one.count, whole.count), one.phrase) for one in whole.parts]
        show.table("", ("messages", "share", "what they do"), rows)


def _tell(one: "Told") -> None:
    click.echo(show.plain(one.answer.text))
    owner = f"{one.tenant}/{one.campaign}" if one.campaign else one.tenant
    lines = [("message", f"{one.name} of {owner}" if owner else one.name), ("to", one.rcpt)]
    lines += [("also", text) for text in one.answer.also]
    lines += details(one)
    for name, value in lines:
        if value:
            click.echo(show.plain(f"  {name}: {value}"))


def details(one: "Told") -> list[tuple[str, str]]:
    """Return what is known beside the sentence, in words."""
    facts, place, found = one.facts, one.place, list[tuple[str, str]]()
    if place is None:
        return found
    lane = place.lane
    site = "" if lane.site == "*" else f", path {lane.path}"
    found.append(("where", f"{place.where.value}, class {CLASSES[lane.cls]}{site}"))
    if one.answer.ahead:
        found.append(("ahead", f"{one.answer.ahead:,} messages"))
    path = facts.path
    if path is not None:
        rate = f"{1000 / path.interval:g}/s" if path.interval else "no limit"
        found.append(("connections", f"{path.busy} in use, {path.idle} idle, {path.connections} at most"))
        found.append(("rate", rate))
    if place.attempts:
        found.append(("attempts", str(place.attempts)))
    found.append(("accepted", show.time_of(place.born)))
    found.append(("expires", show.time_of(place.expires)))
    return found


def _json(one: "Told") -> dict[str, Any]:
    answer, place = one.answer, one.place
    out: dict[str, Any] = {
        "id": one.name, "tenant": one.tenant, "campaign": one.campaign, "rcpt": one.rcpt, "state": answer.state,
        "reason": answer.reason, "text": answer.text, "at": answer.at, "ahead": answer.ahead,
        "also": list(answer.also),
    }  # fmt: skip
    if place is not None:
        lane = place.lane
        out |= {
            "where": place.where.value, "class": CLASSES[lane.cls], "pool": lane.pool, "site": lane.site,
            "attempts": place.attempts, "accepted": place.born, "expires": place.expires,
        }  # fmt: skip
    facts = one.facts
    for name in ("path", "flight", "later", "packed", "final", "campaign", "tenant"):
        value = getattr(facts, name)
        if value is not None:
            key = f"{name}_turn" if name in ("campaign", "tenant") else name
            out[key] = asdict(value)
    out["closed"] = [asdict(each) for each in facts.closed]
    out["own"] = [asdict(each) for each in facts.own]
    if facts.sources:
        out["sources"] = [asdict(each) for each in facts.sources]
    return out
