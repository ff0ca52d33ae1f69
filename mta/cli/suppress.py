"""`mta suppress`: addresses that get no more mail, put on a list, taken off, looked up, brought in and taken out.

The lists are kept under the engine's secret, so these commands need `tracking.key_file` and are for its machine. From
elsewhere the orders `suppress` and `unsuppress` do the same (docs/protocol.md section 7).
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mta.cli import show
from mta.cli.door import awaited, door
from mta.cli.options import config_option, json_option
from mta.cli.orders import order_options, whoami
from mta.cli.suppress_lists import (
    checked,
    list_option,
    lists_of,
    noted,
    owner_of,
    platform_option,
    said,
    tenant_option,
)

if TYPE_CHECKING:
    from mta.queue.suppression_book import Listed

COLUMNS = ("tenant", "list", "address", "reason", "by", "since", "campaign", "evidence")

_addresses = click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")


@click.group()
def suppress() -> None:
    """Look after the addresses that get no more mail. `@example.org` stands for all of a domain.

    \b
    Example:
      mta suppress show jo@example.net
    """


@suppress.command("add")
@config_option
@_addresses
@tenant_option
@platform_option
@list_option
@order_options
@json_option
@awaited
async def add(
    config: Path | None, addresses: tuple[str, ...], tenant: str | None, platform: bool, list_: str | None,
    reason: str, by: str, as_json: bool,
) -> None:  # fmt: skip
    """Send nothing more to these addresses.

    \b
    Example:
      mta suppress add jo@example.net --tenant acme --reason 'asked by phone'
    """
    owner, names = owner_of(tenant, platform), checked(addresses)
    async with door(config) as opened:
        lists = lists_of(opened)
        await noted(opened, "suppress", owner, list_, len(names), reason, by)
        now = int(time.time() * 1000)
        count = await lists.add(owner, list_ or "", names, reason or "manual", by or whoami(), now)
    said(f"{count:,} of {len(names):,} are new on the list", count, as_json)


@suppress.command("remove")
@config_option
@_addresses
@tenant_option
@platform_option
@list_option
@order_options
@json_option
@awaited
async def remove(
    config: Path | None, addresses: tuple[str, ...], tenant: str | None, platform: bool, list_: str | None,
    reason: str, by: str, as_json: bool,
) -> None:  # fmt: skip
    """Let these addresses have mail again, and forget what failed before. Without --list: off every list of the tenant.

    \b
    Example:
      mta suppress remove jo@example.net --tenant acme --reason 'mailbox is back'
    """
    from mta.queue.strikebook import StrikeBook
    from mta.queue.suppression_book import SuppressionBook

    owner, names = owner_of(tenant, platform), checked(addresses)
    async with door(config) as opened:
        lists = lists_of(opened)
        await noted(opened, "unsuppress", owner, list_, len(names), reason, by)
        known = [name for tenant_, name in await SuppressionBook(lists).lists() if tenant_ == owner]
        wanted = known if list_ is None else [list_]
        count = sum([await lists.remove(owner, name, names) for name in wanted])
        strikes = StrikeBook(opened.client, opened.keys)
        await strikes.write(owner, {lists.digest(name): [] for name in names})
    said(f"{count:,} {'entry' if count == 1 else 'entries'} lifted", count, as_json)


@suppress.command("show")
@config_option
@click.argument("address")
@tenant_option
@json_option
@awaited
async def show_address(config: Path | None, address: str, tenant: str | None, as_json: bool) -> None:
    """Show on which lists an address is, why and since when, and what failed so far.

    \b
    Example:
      mta suppress show jo@example.net --tenant acme
    """
    from mta.queue.strikebook import StrikeBook
    from mta.queue.suppression_book import SuppressionBook

    (name,) = checked((address,))
    async with door(config) as opened:
        lists, strikes = lists_of(opened), StrikeBook(opened.client, opened.keys)
        book = SuppressionBook(lists)
        found = await book.of(name, tenant)
        digest = lists.digest(name)
        owners = await strikes.tenants([tenant] if tenant else sorted({one for one, _ in await book.lists()}))
        failed = {owner: (await strikes.read(owner, [digest]))[digest] for owner in sorted(owners)}
    failed = {owner: rows for owner, rows in failed.items() if rows}
    if as_json:
        past = {
            owner: [dict(zip(("class", "of", "ts"), row, strict=True)) for row in rows]
            for owner, rows in failed.items()
        }
        show.as_json({"address": name, "suppressed": [_json(one) for one in found], "failures": past})
        return
    if not found and not failed:
        click.echo(show.plain(f"{name} is on no list"))
    if found:
        show.table("", COLUMNS, [_row(one) for one in found])
    if failed:
        rows = [
            (owner, cls, of, show.time_of(ts))
            for owner, strikes_ in failed.items()
            for cls, of, ts in strikes_
        ]
        show.table(
            "failures that are not enough yet", ("tenant", "class", "campaign or message", "when"), rows
        )


def _row(one: "Listed") -> tuple[object, ...]:
    entry = one.entry
    return (
        one.tenant or "(platform)", one.list_ or "(all)", one.address, entry.reason, entry.by,
        show.time_of(entry.ts), entry.campaign, entry.evidence[:120],
    )  # fmt: skip


def _json(one: "Listed") -> dict[str, Any]:
    from mta.cli.suppress_files import fields

    return {"tenant": one.tenant} | fields(one)
