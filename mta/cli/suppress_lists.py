"""What the commands of `mta suppress` share: whose list, the lists under the engine's secret, the audit log."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mta.cli import show
from mta.cli.door import Door
from mta.cli.failure import CONFIG, USAGE, Failure
from mta.cli.orders import whoami

if TYPE_CHECKING:
    from mta.queue.suppression import Suppressions

tenant_option = click.option("--tenant", metavar="ID", help="Whose list it is.")
platform_option = click.option("--platform", is_flag=True, help="In place of --tenant: for all tenants.")
list_option = click.option(
    "--list", "list_", metavar="ID", help="Of this list alone; default: all of the tenant's."
)


def owner_of(tenant: str | None, platform: bool) -> str:
    from mta.identity import is_id

    if platform is (tenant is not None):
        raise Failure(USAGE, "say --tenant ID, or --platform for all tenants")
    if tenant is not None and not is_id(tenant):
        raise Failure(USAGE, f"--tenant {show.plain(tenant)} is no tenant's id")
    return tenant or ""


def checked(addresses: Sequence[str]) -> list[str]:
    from mta.cli.suppress_files import checked

    try:
        return [checked(one) for one in addresses]
    except ValueError as error:
        raise Failure(USAGE, str(error)) from error


def lists_of(opened: Door) -> "Suppressions":
    from mta.daemon import secrets
    from mta.queue.suppression import Suppressions

    settings = opened.settings
    path = settings.tracking_keys
    if not path.exists():
        raise Failure(
            CONFIG,
            f"`tracking.key_file` {path} is not there: the lists are kept under it; run this where the engine is",
        )
    secret = secrets.load(path).suppression
    return Suppressions(opened.client, opened.keys, secret, sealing=settings.suppression.keep_addresses)


async def noted(
    opened: Door, what: str, owner: str, list_: str | None, count: int, reason: str, by: str
) -> None:
    from mta.queue.audit import AuditLog, subject

    told = {"by": by, "reason": reason, "list": list_ or "", "addresses": str(count) if count else ""}
    about = subject("tenant", owner) if owner else "platform"
    await AuditLog(opened.client, opened.keys).note(whoami(), f"address.{what}", about, **told)


def said(line: str, count: int, as_json: bool) -> None:
    if as_json:
        show.json_line({"count": count})
    else:
        click.echo(line)
