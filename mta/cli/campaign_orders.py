"""`mta campaign suspend|resume|release|purge`: orders through the control stream, as any producer gives them."""

import getpass
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mta.cli import documents, show
from mta.cli.answers import fresh_key, order
from mta.cli.door import awaited, door
from mta.cli.options import config_option, json_option

DONE = {
    "suspend": "is suspended",
    "resume": "goes on",
    "release": "is released",
    "purge": "is purged",
}
WORDS = {
    "suspend": ("Stop sending a campaign and keep what waits.", "--for 2h --reason 'wrong price'"),
    "resume": ("Let a suspended campaign go on.", ""),
    "release": ("Let a held campaign go.", "--by jo"),
    "purge": ("Drop what waits of a campaign, with events; what is sent is sent.", "--reason 'wrong list'"),
}


def _by() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return socket.gethostname()  # a user without a name, as in a container


async def _carry_out(
    op: str,
    config: Path | None,
    tenant: str,
    campaign: str,
    reason: str,
    by: str,
    span: str | None,
    as_json: bool,
) -> None:
    document: dict[str, Any] = {"op": op, "scope": {"campaign": campaign}, "by": by or _by()}
    if reason:
        document["reason"] = reason
    if span:
        document["for"] = span
    async with door(config) as opened:
        answer = await order(opened, "control", tenant, fresh_key(op), documents.encode(document))
    if as_json:
        show.json_line(answer)
        return
    count = int(answer.get("count", 0))
    if op == "purge":
        click.echo(f"campaign {campaign} is purged: {count:,} messages dropped")
    elif count:
        click.echo(f"campaign {campaign} {DONE[op]}{f' for {span}' if span else ''}")
    else:
        click.echo(f"campaign {campaign} was neither suspended nor held; nothing changed")


def _command(op: str) -> click.Command:
    @config_option
    @click.argument("tenant")
    @click.argument("campaign")
    @click.option("--reason", default="", metavar="TEXT", help="Kept with the order and shown in its events.")
    @click.option("--by", default="", metavar="WHO", help="Who gives the order; default: user@host.")
    @json_option
    @awaited
    async def command(
        config: Path | None, tenant: str, campaign: str, reason: str, by: str, as_json: bool,
        span: str | None = None,
    ) -> None:  # fmt: skip
        await _carry_out(op, config, tenant, campaign, reason, by, span, as_json)

    told, example = WORDS[op]
    text = f"{told}\n\n\b\nExample:\n  mta campaign {op} acme spring-26 {example}".rstrip()
    callback: Callable[..., object] = command
    if op == "suspend":
        callback = click.option(
            "--for", "span", metavar="TIME", help="Such as 30m, 2h, 7d; default: until resumed."
        )(command)
    return click.command(op, help=text)(callback)


ORDERS = tuple(_command(op) for op in DONE)
