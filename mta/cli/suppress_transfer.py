"""`mta suppress export` and `import`: a tenant's lists out to a file, and files in."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from mta.cli import show
from mta.cli.door import awaited, door
from mta.cli.failure import DATA, Failure
from mta.cli.options import config_option, json_option
from mta.cli.orders import order_options, whoami
from mta.cli.suppress_lists import (
    list_option,
    lists_of,
    noted,
    owner_of,
    platform_option,
    said,
    tenant_option,
)

if TYPE_CHECKING:
    from mta.cli.suppress_files import Row

BATCH = 1000


@click.command("export")
@config_option
@tenant_option
@platform_option
@list_option
@click.option("--json", "as_json", is_flag=True, help="JSON lines in place of CSV.")
@click.option("--out", type=click.Path(path_type=Path), help="A file; default: stdout.")
@awaited
async def export(
    config: Path | None,
    tenant: str | None,
    platform: bool,
    list_: str | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """Take a tenant's entries out, with addresses as far as they are kept, and digests.

    \b
    Example:
      mta suppress export --tenant acme > acme.csv
    """
    from mta.cli.suppress_files import Writer
    from mta.queue.suppression_book import SuppressionBook

    owner, count = owner_of(tenant, platform), 0
    file: TextIO = out.open("w", encoding="utf-8", newline="") if out else sys.stdout
    try:
        async with door(config) as opened:
            await noted(opened, "export", owner, list_, 0, "", "")
            writer = Writer(file, "jsonl" if as_json else "csv")
            async for one in SuppressionBook(lists_of(opened)).every(owner, list_):
                writer.add(one)
                count += 1
    finally:
        if out:
            file.close()
    show.note(f"{count:,} entries")


@click.command("import")
@config_option
@click.argument("file", type=click.File("r", encoding="utf-8-sig", lazy=False))
@tenant_option
@platform_option
@list_option
@click.option(
    "--format", "form", type=click.Choice(("csv", "jsonl")), help="Default: by the file's name, else csv."
)
@order_options
@json_option
@awaited
async def import_(
    config: Path | None, file: TextIO, tenant: str | None, platform: bool, list_: str | None, form: str | None,
    reason: str, by: str, as_json: bool,
) -> None:  # fmt: skip
    """Bring entries in: one address a line, CSV with a header, or JSON lines, of `export` or of other programs.

    Columns: `address` (or `email`), and if they are there `list`, `reason`, `by`, `since` (RFC 3339 or ms),
    `campaign`, `evidence`; `digest` in place of the address counts under the same secret only. A bad line refuses the
    whole file, before anything is written.

    \b
    Example:
      mta suppress import optouts.csv --tenant acme --reason 'from the old system'
    """
    from mta.cli.suppress_files import read
    from mta.queue.suppression import Entry, without_addresses

    owner = owner_of(tenant, platform)
    name = getattr(file, "name", "stdin")
    rows = list(read(file, form or ("jsonl" if name.endswith((".jsonl", ".ndjson")) else "csv"), name))
    if not rows:
        raise Failure(DATA, f"{name}: holds nobody")
    count, now, who = 0, int(time.time() * 1000), by or whoami()
    async with door(config) as opened:
        lists = lists_of(opened)
        await noted(opened, "import", owner, list_, len(rows), reason, by)
        by_list: dict[str, list[Row]] = {}
        for row in rows:
            by_list.setdefault(list_ if list_ is not None else row.list_, []).append(row)
        for target, members in by_list.items():
            for start in range(0, len(members), BATCH):
                part = [
                    (
                        row.digest or lists.digest(row.address),
                        Entry(
                            row.reason or reason or "imported", row.by or who, row.since or now,
                            without_addresses(row.evidence), row.campaign,
                            lists.sealed(row.address) if row.address else b"",
                        ),
                    )
                    for row in members[start : start + BATCH]
                ]  # fmt: skip
                domains = any(row.address.startswith("@") for row in members[start : start + BATCH])
                count += await lists.put(owner, target, part, domains=domains)
    said(f"{count:,} of {len(rows):,} are new on the list", count, as_json)
