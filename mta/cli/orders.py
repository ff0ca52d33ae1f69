"""Orders through the control stream, as any producer gives them: what the commands that give them share."""

import getpass
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mta.cli import documents
from mta.cli.answers import fresh_key, order
from mta.cli.door import door

OPERATOR = "operator"  # whose orders concern all tenants (docs/protocol.md)
Command = TypeVar("Command", bound=Callable[..., object])


def order_options(command: Command) -> Command:
    """Add `--reason` and `--by`."""
    by = click.option("--by", default="", metavar="WHO", help="Who gives the order; default: user@host.")
    reason = click.option(
        "--reason", default="", metavar="TEXT", help="Kept with the order and shown in its events."
    )
    return reason(by(command))


def span_option(command: Command) -> Command:
    """Add `--for`."""
    return click.option(
        "--for", "span", metavar="TIME", help="Such as 30m, 2h, 7d; default: until it is lifted."
    )(command)


def limit_options(command: Command) -> Command:
    """Add `--rate` and `--connections`."""
    rate = click.option("--rate", metavar="RATE", help="Such as 10/s, 100/min, 20000/day.")
    connections = click.option("--connections", type=int, metavar="N", help="Open at once.")
    return rate(connections(command))


async def give(
    config: Path | None,
    op: str,
    owner: str,
    scope: dict[str, str],
    *,
    reason: str = "",
    by: str = "",
    span: str | None = None,
    rate: str | None = None,
    connections: int | None = None,
) -> dict[str, str]:
    """Give an order and return the engine's answer; raise Failure when it is refused or nobody answers."""
    document: dict[str, Any] = {"op": op, "scope": scope, "by": by or _by()}
    if reason:
        document["reason"] = reason
    if span:
        document["for"] = span
    if op == "limit":
        given = {"rate": rate, "connections": connections}
        document["limit"] = {name: value for name, value in given.items() if value is not None}
    async with door(config) as opened:
        return await order(opened, "control", owner, fresh_key(op), documents.encode(document))


def said(op: str, what: str, answer: dict[str, str], span: str | None = None) -> str:
    """Return what an order did, as a line."""
    count = int(answer.get("count", 0))
    lasting = f" for {span}" if span else ""
    match op:
        case "purge":
            return f"{what} is purged: {count:,} messages dropped"
        case "reject":
            return f"{what} is rejected: {count:,} messages dropped"
        case "suspend":
            return f"{what} is suspended{lasting}"
        case "limit":
            return f"{what} is limited{lasting}"
        case "close":
            return f"{what} takes no more recipients"
    if not count:
        return f"{what} was neither suspended nor held; nothing changed"
    return f"{what} {'is released' if op == 'release' else 'goes on'}"


def _by() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return socket.gethostname()  # a user without a name, as in a container
