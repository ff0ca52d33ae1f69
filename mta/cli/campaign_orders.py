"""`mta campaign suspend|resume|release|reject|purge|close|limit`."""

from collections.abc import Callable
from pathlib import Path

import click

from mta.cli import show
from mta.cli.door import awaited
from mta.cli.options import config_option, json_option
from mta.cli.orders import give, order_options, said, span_option

WORDS = {
    "suspend": ("Stop sending a campaign and keep what waits.", "--for 2h --reason 'wrong price'"),
    "resume": ("Let a suspended campaign go on.", ""),
    "hold": ("Keep what waits of a campaign until it is released or rejected.", "--reason 'a second look'"),
    "release": ("Let a held campaign go.", "--by jo"),
    "reject": ("Refuse a held campaign: what waits is dropped, with events.", "--reason 'no opt-in'"),
    "purge": ("Drop what waits of a campaign, with events; what is sent is sent.", "--reason 'wrong list'"),
    "close": ("Say that a campaign gets no more recipients.", ""),
    "limit": ("Slow a campaign down.", "--rate 1000/h --for 1d"),
}


def _command(op: str) -> click.Command:
    @config_option
    @click.argument("tenant")
    @click.argument("campaign")
    @order_options
    @json_option
    @awaited
    async def command(
        config: Path | None, tenant: str, campaign: str, reason: str, by: str, as_json: bool,
        span: str | None = None, rate: str | None = None,
    ) -> None:  # fmt: skip
        scope = {"campaign": campaign}
        answer = await give(config, op, tenant, scope, reason=reason, by=by, span=span, rate=rate)
        if as_json:
            show.json_line(answer)
        else:
            click.echo(said(op, f"campaign {campaign}", answer, span))

    told, example = WORDS[op]
    text = f"{told}\n\n\b\nExample:\n  mta campaign {op} acme spring-26 {example}".rstrip()
    callback: Callable[..., object] = command
    if op in ("suspend", "limit"):
        callback = span_option(callback)
    if op == "limit":
        callback = click.option("--rate", metavar="RATE", required=True, help="Such as 1000/h.")(callback)
    return click.command(op, help=text)(callback)


ORDERS = tuple(_command(op) for op in WORDS)
