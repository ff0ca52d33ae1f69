"""Orders through the control stream, as any producer gives them: what the commands that give them share."""

import getpass
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mta.cli import documents
from mta.cli.answers import fresh_key, order
from mta.cli.door import door

if TYPE_CHECKING:
    from mta.cli.door import Door

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
    document: dict[str, Any] = {"op": op, "scope": scope, "by": by or whoami()}
    if reason:
        document["reason"] = reason
    if span:
        document["for"] = span
    if op == "limit":
        given = {"rate": rate, "connections": connections}
        document["limit"] = {name: value for name, value in given.items() if value is not None}
    async with door(config) as opened:
        return await order_noted(opened, owner, fresh_key(op), document)


async def order_noted(opened: "Door", owner: str, key: str, document: dict[str, Any]) -> dict[str, str]:
    """Give a control document as an order and return its answer; the audit log knows of it before the engine does."""
    from mta.queue.audit import AuditLog, subject

    scope: dict[str, str] = document["scope"]
    ((kind, value),) = ((name, text) for name, text in scope.items() if name != "tenant" or len(scope) == 1)
    told = {"key": key, "tenant": owner, "reason": document.get("reason", ""), "by": document.get("by", "")}
    log = AuditLog(opened.client, opened.keys)
    await log.note(whoami(), f"{kind}.{document['op']}", subject(kind, value, owner), **told)
    return await order(opened, "control", owner, key, documents.encode(document))


def said(op: str, what: str, answer: dict[str, str], span: str | None = None) -> str:
    """Return what an order did, as a line."""
    count = int(answer.get("count", 0))
    lasting = f" for {span}" if span else ""
    match op:
        case "purge":
            return f"{what} is purged: {count:,} messages dropped"
        case "reject":
            return f"{what} is rejected: {count:,} messages dropped, nobody else gets it"
        case "suspend":
            return f"{what} is suspended{lasting}"
        case "limit":
            return f"{what} is limited{lasting}"
        case "close":
            return f"{what} takes no more recipients"
    if op == "hold":
        return f"{what} is held" if count else f"{what} was held before; nothing changed"
    if not count:
        return f"{what} was not suspended; nothing changed"
    return f"{what} {'is released' if op == 'release' else 'goes on'}"


def whoami() -> str:
    """Return who runs this command, as user@host."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return socket.gethostname()  # a user without a name, as in a container
