"""`mta tenant`: who may send what."""

from pathlib import Path

import click

from mta.cli import documents, show
from mta.cli.answers import fresh_key, order
from mta.cli.door import awaited, door
from mta.cli.failure import DATA, NO_INPUT, Failure
from mta.cli.options import config_option, json_option
from mta.cli.orders import whoami


@click.group()
def tenant() -> None:
    """Show and set tenants.

    \b
    Example:
      mta tenant set acme.json
    """


@tenant.command("list")
@config_option
@json_option
@awaited
async def list_tenants(config: Path | None, as_json: bool) -> None:
    """List the tenants that have a document.

    \b
    Example:
      mta tenant list
    """
    from mta.queue.campaigns import Campaigns

    async with door(config) as opened:
        found = await Campaigns(opened.client, opened.keys).tenants()
    if as_json:
        show.as_json(found)
        return
    rows = []
    for name, profile in found.items():
        assert isinstance(profile, dict)
        rows.append(
            (
                name,
                ", ".join(profile.get("from_domains", [])) or "any",
                ", ".join(profile.get("classes", [])) or "all",
                "yes" if profile.get("review") else "no",
            )
        )
    show.table("", ("tenant", "sends from", "classes", "under review"), rows)


@tenant.command("show")
@config_option
@click.argument("name", metavar="TENANT")
@json_option
@awaited
async def show_tenant(config: Path | None, name: str, as_json: bool) -> None:
    """Show a tenant as the engine holds it, defaults filled in; rates are per second.

    \b
    Example:
      mta tenant show acme
    """
    import msgspec

    from mta import tenancy
    from mta.queue.campaigns import Campaigns

    async with door(config) as opened:
        document = await Campaigns(opened.client, opened.keys).tenant(name)
    if document is None:
        raise Failure(NO_INPUT, f"tenant {name} has no document; `mta tenant list` shows those that have")
    profile: dict[str, object] = msgspec.structs.asdict(tenancy.decode(document))
    if as_json:
        show.as_json(profile)
        return
    show.table("", ("member", "value"), [(member, _written(value)) for member, value in profile.items()])


@tenant.command("set")
@config_option
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@awaited
async def set_tenant(config: Path | None, file: Path, as_json: bool) -> None:
    """Register or replace a tenant from a JSON document (docs/protocol.md section 6).

    \b
    Example:
      mta tenant set acme.json
    """
    document = documents.read(file)
    name = document.get("id")
    if not isinstance(name, str) or not name:
        raise Failure(DATA, f"{file}: `id` is missing; it names the tenant")
    from mta.queue.audit import AuditLog

    key = fresh_key("tenant")
    async with door(config) as opened:
        log = AuditLog(opened.client, opened.keys)
        await log.note(whoami(), "tenant.change", f"tenant:{name}", key=key)
        answer = await order(opened, "tenant", name, key, documents.encode(document))
    if as_json:
        show.json_line(answer)
    else:
        click.echo(f"tenant {name} is set")


def _written(value: object) -> str:
    if isinstance(value, list):
        return ", ".join("/".join(one) if isinstance(one, tuple) else str(one) for one in value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)
