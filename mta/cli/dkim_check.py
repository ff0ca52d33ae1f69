"""`mta dkim check`: does the DNS say what the keys need?"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mta.cli import show
from mta.cli.dkim_keys import signers_of
from mta.cli.failure import DATA, TEMPORARY, Failure
from mta.cli.options import config_option, json_option, settings_of

if TYPE_CHECKING:
    from mta.config.settings import Settings
    from mta.dkim.key import Signer


@click.command("check")
@config_option
@click.argument("domain")
@json_option
def dkim_check(config: Path | None, domain: str, as_json: bool) -> int:
    """Compare the published records of a domain with its keys; exit code 65 when signatures would not verify.

    The name servers are those of `net.resolver`. What was published a moment ago may take the time to live of
    the record before it.

    \b
    Example:
      mta dkim check acme.example
    """
    from mta.dkim.published import faults, is_trial
    from mta.dkim.record import dns_name

    bad = False
    signers = signers_of(config, domain)
    answers = asyncio.run(_published(settings_of(config), signers))
    for signer, records in zip(signers, answers, strict=True):
        name, found = dns_name(signer), faults(signer, records)
        bad = bad or bool(found)
        if as_json:
            told = {"name": name, "algorithm": signer.algorithm, "ok": not found, "faults": found}
            show.json_line(told | {"testing": is_trial(records), "published": list(records)})
            continue
        for fault in found:
            click.echo(show.plain(f"bad  {name}: the record {fault}"))
        if not found:
            click.echo(f"ok   {name} ({signer.algorithm})")
        if is_trial(records):
            show.note(f"{name} says t=y: receivers treat the mail as unsigned; take it out when you are done")
    return DATA if bad else 0


async def _published(settings: "Settings", signers: "list[Signer]") -> list[tuple[str, ...]]:
    """Return the TXT records at each key's name; raise Failure when the DNS gives no answer."""
    from mta.dkim.record import dns_name
    from mta.net.question import Unroutable, asker, nameservers

    given = settings.dns
    servers = nameservers(list(settings.net.resolver), timeout=given.timeout, lifetime=given.lifetime)
    ask = asker(servers)
    found = []
    for signer in signers:
        try:
            answer = await ask(dns_name(signer), "TXT")
        except Unroutable as silent:
            raise Failure(TEMPORARY, f"{dns_name(signer)}: {silent}; ask again later") from silent
        found.append(tuple(text for _, text in answer.values))
    return found
