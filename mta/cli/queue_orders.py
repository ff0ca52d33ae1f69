"""`mta queue suspend|resume|purge|limit`: orders on whatever scope mail has."""

from collections.abc import Callable
from pathlib import Path

import click

from mta.cli import show
from mta.cli.door import awaited
from mta.cli.failure import USAGE, Failure
from mta.cli.options import config_option, json_option
from mta.cli.orders import OPERATOR, give, limit_options, order_options, said, span_option

SCOPES = ("campaign", "domain", "site", "message", "recipient")
WORDS = {
    "suspend": ("Keep back what waits of a tenant, domain or other scope.", "--domain example.net --for 2h"),
    "resume": ("Let what was suspended go on.", "--domain example.net"),
    "purge": ("Drop what waits, with events.", "--recipient jo@example.net"),
    "limit": ("Slow a tenant, campaign, domain or site down.", "--tenant acme --rate 1000/h --for 1d"),
}  # fmt: skip


def scope_of(tenant: str | None, given: dict[str, str | None]) -> tuple[str, dict[str, str], str]:
    """Return whose order it is, its scope and how to name it; raise Failure unless exactly one thing is named."""
    named = {name: value for name, value in given.items() if value is not None}
    if len(named) > 1 or not (named or tenant):
        raise Failure(USAGE, f"name one of --tenant, {', '.join(f'--{name}' for name in SCOPES)}")
    if not named:
        assert tenant is not None
        return tenant, {"tenant": tenant}, f"tenant {tenant}"
    ((kind, value),) = named.items()
    if kind in ("campaign", "message") and tenant is None:
        raise Failure(USAGE, f"whose {kind} is it? add --tenant")
    return tenant or OPERATOR, {kind: value}, f"{kind} {value}"


def _command(op: str) -> click.Command:
    @config_option
    @click.option("--tenant", metavar="ID", help="Of this tenant; alone: all its mail.")
    @click.option("--campaign", metavar="ID")
    @click.option("--domain", metavar="NAME", help="A recipient domain.")
    @click.option("--site", metavar="NAME", help="A receiving site, as `mta site list` names it.")
    @click.option("--message", metavar="ID")
    @click.option("--recipient", metavar="ADDRESS")
    @order_options
    @json_option
    @awaited
    async def command(
        config: Path | None, tenant: str | None, campaign: str | None, domain: str | None, site: str | None,
        message: str | None, recipient: str | None, reason: str, by: str, as_json: bool, span: str | None = None,
        rate: str | None = None, connections: int | None = None,
    ) -> None:  # fmt: skip
        given = dict(zip(SCOPES, (campaign, domain, site, message, recipient), strict=True))
        owner, scope, what = scope_of(tenant, given)
        answer = await give(
            config, op, owner, scope, reason=reason, by=by, span=span, rate=rate, connections=connections
        )
        if as_json:
            show.json_line(answer)
        else:
            click.echo(said(op, what, answer, span))

    told, example = WORDS[op]
    text = f"{told}\n\n\b\nExample:\n  mta queue {op} {example}"
    callback: Callable[..., object] = command
    if op in ("suspend", "limit"):
        callback = span_option(callback)
    if op == "limit":
        callback = limit_options(callback)
    return click.command(op, help=text)(callback)


ORDERS = tuple(_command(op) for op in WORDS)
