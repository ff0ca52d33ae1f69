"""`mta erase`: a person's data out of everything this engine keeps."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mta.cli import show
from mta.cli.door import awaited, door
from mta.cli.failure import TEMPORARY, USAGE, Failure
from mta.cli.options import config_option, json_option
from mta.cli.orders import order_options, whoami
from mta.cli.suppress_lists import lists_of, noted, tenant_option

if TYPE_CHECKING:
    from mta.keeper.erasure import Erased


@click.command()
@config_option
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@tenant_option
@order_options
@json_option
@awaited
async def erase(
    config: Path | None, addresses: tuple[str, ...], tenant: str | None, reason: str, by: str, as_json: bool
) -> None:  # fmt: skip
    """Erase people: their mail, events, reports, lines of logs, everywhere on this machine and in Redis.

    What stays is a keyed hash on the suppression list, so that they are not written to again. With --tenant only
    what that tenant holds of them goes. Run it as the engine's user, and on each machine of the engine; it says what it
    could not reach. It may be repeated.

    \b
    Example:
      mta erase jo@example.net --reason 'asked by letter of 3 May'
    """
    from mta.archive.archive import Archive
    from mta.daemon.assemble_erasure import erasure
    from mta.erasure.subject import DataSubject
    from mta.identity import is_id
    from mta.keeper.erasures import noted as erased_noted
    from mta.queue.audit import AuditLog
    from mta.queue.link import QueueFull
    from mta.queue.rewriting import Busy

    people = [_address(one) for one in addresses]
    if tenant is not None and not is_id(tenant):
        raise Failure(USAGE, f"--tenant {show.plain(tenant)} is no tenant's id")
    async with door(config) as opened:
        lists, archive = lists_of(opened), Archive(opened.settings.paths.archive)
        work = erasure(opened.settings, opened.client, opened.keys, lists, archive)
        await noted(opened, "erase", tenant or "", None, len(people), reason, by)
        done = []
        for address in people:
            person = DataSubject(address, tenant or "")
            eid = f"{tenant or 'operator'}/erase.{time.time_ns()}/erased"
            try:
                erased = await work.run(person, by or whoami(), eid)
            except (Busy, QueueFull) as error:
                raise Failure(TEMPORARY, f"{error}; nothing is lost, run it again") from error
            await erased_noted(AuditLog(opened.client, opened.keys), whoami(), person, erased)
            done.append(erased)
        for address, erased in zip(people, done, strict=True):
            _tell(address, erased, as_json)
        if any(count for erased in done for count in erased.open.values()):
            raise Failure(TEMPORARY, "some of it was still under way; run it again in a while")


def _address(text: str) -> str:
    from mta.address import AddressError, parse

    try:
        return str(parse(text))
    except AddressError as error:
        raise Failure(USAGE, f"{show.plain(text)}: {error}") from error


def _tell(address: str, erased: "Erased", as_json: bool) -> None:
    if as_json:
        show.json_line(
            {"address": address, "found": erased.found, "open": erased.open, "not_reached": erased.left}
        )
        return
    click.echo(f"{show.plain(address)}: {erased.count:,} removed or rewritten")
    for place, count in erased.found.items():
        if count:
            click.echo(f"  {count:>8,}  {place}")
    for place, count in erased.open.items():
        if count:
            click.echo(f"  {count:>8,}  {place}: not yet")
    click.echo("not reached:")
    for place in erased.left:
        click.echo(f"  {place}")
