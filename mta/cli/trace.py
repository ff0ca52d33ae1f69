"""`mta trace`: the whole story of one message, and the list of an address's messages."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mta.cli import show
from mta.cli.door import awaited, door
from mta.cli.events import instant
from mta.cli.failure import NO_INPUT, USAGE, Failure
from mta.cli.options import CLASSES, config_option, json_option
from mta.cli.why import LIMIT, SHOWN, looking, target_of

if TYPE_CHECKING:
    from mta.cli.story import Step
    from mta.cli.tracing import Found, Traced


@click.command()
@config_option
@click.argument("target", metavar="MESSAGE-ID|RECIPIENT")
@click.option("--tenant", metavar="ID", help="Of this tenant only.")
@click.option(
    "--from", "since", metavar="TIME", help="Read the archive from this time on: RFC 3339, a day, 7d."
)
@click.option(
    "--limit", type=click.IntRange(1), default=LIMIT, show_default=True, help="Waiting messages looked at."
)
@click.option("-n", "--number", type=click.IntRange(1, 1000), default=SHOWN, help="Messages of a recipient.")
@json_option
@awaited
async def trace(
    config: Path | None, target: str, tenant: str | None, since: str | None, limit: int, number: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Tell the whole story of a message: its entry, every attempt, its end, and what came back later.

    It is put together from the queue, the event streams and the archive; without an archive on this machine from the
    mail log. Of a recipient the messages are listed, the newest last; of one alone its story is told. Times are UTC.

    \b
    Example:
      mta trace spring-26.fq3cf5lhz7wtbxya.17
      mta trace bob@example.net --from 7d
    """
    from mta.cli.tracing import Tracing

    if not target:
        raise Failure(USAGE, "name a message id or a recipient")
    start = instant(since, datetime.now(UTC)) if since else 0
    address, name = target_of(target)
    async with door(config) as opened:
        with looking(limit, not as_json) as tell:
            tracing = Tracing(opened, limit, start, tell)
            if address:
                found = await tracing.recipient(address, tenant or "", number)
            else:
                found = await tracing.message(name, tenant or "")
    if as_json:
        show.as_json(
            {
                "asked": target,
                "complete": found.complete,
                "through": found.through,
                "messages": [_json(one) for one in found.messages],
            }
        )
    else:
        _tell(found, bool(address))
    if not found.messages:
        raise Failure(NO_INPUT, f"nothing is known of {target}; looked through: {', '.join(found.through)}")


def _tell(found: "Found", listed: bool) -> None:
    if listed and len(found.messages) > 1:
        rows = [
            (one.name, f"{one.tenant}/{one.campaign}" if one.campaign else one.tenant,
             show.time_of(one.steps[0].at if one.steps else 0), len([step for step in one.steps if step.attempt]),
             one.final or (one.now.answer.text if one.now else "?"))
            for one in found.messages
        ]  # fmt: skip
        show.table("", ("message", "of", "first event", "attempts", "end"), rows)
    else:
        for one in found.messages:
            _story(one)
    if not found.complete:
        show.note("a bound ended the look, there may be more; --limit, -n and --from set them")


def _story(one: "Traced") -> None:
    owner = f"{one.tenant}/{one.campaign}" if one.campaign else one.tenant
    click.echo(show.plain(f"{one.name} of {owner} to {one.rcpt}{f', ref {one.ref}' if one.ref else ''}"))
    if one.entry is not None:
        entry = one.entry
        row = f", row {one.row}" if one.row >= 0 else ""
        text = f"accepted  entry {entry.seq}{row}, {CLASSES[entry.cls]} {entry.kind}, key {entry.key}"
        click.echo(show.plain(f"  {_time(entry.ts)}  {text}"))
    for step in one.steps:
        click.echo(show.plain(f"  {_time(step.at)}  {_said(step)}"))
    if one.now is None and not one.final:
        click.echo(
            "  now: it waits no more and no end of its own was seen; a purge tells the end of many at once"
        )
    if one.now is not None and not one.final:
        click.echo(show.plain(f"  now: {one.now.answer.text}"))
        for text in one.now.answer.also:
            click.echo(show.plain(f"    also: {text}"))


def _said(step: "Step") -> str:
    told = dict(step.told)
    parts = [f"{step.what:<9}"]
    if step.attempt:
        parts.append(f"attempt {step.attempt}")
        told.pop("attempts", None)
    reply = " ".join(told.pop(name, "") for name in ("code", "reply")).strip()
    told.pop("status", None)
    if told.get("mx"):
        parts.append(f"at {told.pop('mx')}")
    if told.get("source"):
        parts.append(f"from {told.pop('source')}")
    if step.attempt:
        parts.append(told.pop("tls", "") or "in clear")
    text = " ".join(parts) + (f": {reply}" if reply else "")
    if told.get("next", "").isdigit():
        told["next"] = _time(int(told["next"]))
    if told.get("delay_ms", "").isdigit():
        told["after"] = show.span(int(told.pop("delay_ms")))
    return text + "".join(f", {name} {value}" for name, value in told.items())


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _json(one: "Traced") -> dict[str, Any]:
    entry = one.entry
    now = one.now.answer if one.now and not one.final else None
    return {
        "id": one.name, "tenant": one.tenant, "campaign": one.campaign, "rcpt": one.rcpt, "ref": one.ref,
        "entry": None if entry is None else {
            "number": entry.seq, "row": one.row, "ts": entry.ts, "class": CLASSES[entry.cls], "kind": entry.kind,
            "key": entry.key,
        },
        "final": one.final,
        "steps": [
            {"ts": step.at, "what": step.what, "attempt": step.attempt, **step.told} for step in one.steps
        ],
        "now": None if now is None else {
            "state": now.state, "reason": now.reason, "text": now.text, "at": now.at, "also": list(now.also),
        },
    }  # fmt: skip
