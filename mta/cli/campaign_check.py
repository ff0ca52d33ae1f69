"""`mta campaign check`: a look at a campaign before anybody gets it, on this machine alone."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mta.cli import documents, show
from mta.cli.failure import DATA, NO_INPUT, Failure
from mta.cli.options import CLASSES, config_option, json_option, settings_of, tenant_option

if TYPE_CHECKING:
    from mta.cli.check_samples import Frame, Look
    from mta.config.settings import Settings
    from mta.dkim.key import Signer
    from mta.ingest.checked import Campaign
    from mta.mime.alignment import Domains
    from mta.mime.finding import Finding
    from mta.tenancy import Profile

FILE = click.Path(path_type=Path)
MAX_SAMPLES = 1000


@click.command("check")
@config_option
@click.argument("file", type=FILE)
@click.option("--recipients", type=FILE, metavar="CSV", help="The people: their merge values are tried out.")
@click.option("--class", "cls", type=click.Choice(CLASSES), default="bulk", help="As it will be submitted.")
@tenant_option
@click.option("--tenant-file", type=FILE, metavar="JSON", help="The tenant's document: its domains and keys.")
@click.option("--samples", type=click.IntRange(1, MAX_SAMPLES), default=20, help="Messages to render.")
@click.option("--strict", is_flag=True, help="End with exit code 65 on warnings, too.")
@json_option
def campaign_check(
    config: Path | None, file: Path, recipients: Path | None, cls: str, tenant: str | None,
    tenant_file: Path | None, samples: int, strict: bool, as_json: bool,
) -> int:  # fmt: skip
    """Say what would hurt a campaign if it were sent as it is, and the cure of each fault.

    Nothing is submitted and no engine is asked. The exit code is 65 when there is an error, else 0.

    \b
    Example:
      mta campaign check campaign.json --recipients people.csv
    """
    from mta.cli import check_reading as reading
    from mta.cli.check_samples import Look
    from mta.mime import alignment, preflight
    from mta.mime.compile import compile as compile_document
    from mta.mime.document import ContentError

    settings = settings_of(config)
    written = documents.read(file)
    tenant = documents.tenant_of(tenant, written)
    if recipients is not None and str(recipients) != "-" and not recipients.is_file():
        raise Failure(NO_INPUT, f"{recipients}: is not a file that can be read")
    profile = reading.profile(tenant_file, tenant)
    campaign, document = reading.campaign(file, written, cls, tenant)
    try:
        compiled = compile_document(document)
    except ContentError as error:
        raise Failure(DATA, f"{file}: {error}") from error
    found = preflight.document(document, bulk=cls == "bulk") + _rights(profile, campaign, cls)
    sender = campaign.content.sender.address.domain
    signers, faults = reading.signers(settings.dkim_keys, profile, sender)
    domains = _domains(settings, profile, sender, [one.domain for one in signers])
    # A key that can't be used is no missing key.
    found += faults + [one for one in alignment.check(domains) if not (faults and one.code == "dkim-missing")]
    if recipients is None:
        people = reading.People([reading.stand_in(document, compiled)])
    else:
        people = reading.people(recipients, campaign.id, compiled, tenant, cls, samples)
    look = Look(found + people.findings)
    frame = _frame(settings, campaign, tenant, domains, signers)
    for row in people.rows:
        look.at(row, document, compiled, frame)
    findings = preflight.gathered(look.findings)
    _print(findings, file, people.total, look, as_json=as_json)
    bad = any(one.level == "error" for one in findings) or (strict and findings)
    return DATA if bad else 0


def _rights(profile: "Profile", campaign: "Campaign", cls: str) -> "list[Finding]":
    from mta.mime.finding import finding

    found = []
    sender = campaign.content.sender.address.domain
    if not profile.may_send_as(sender):
        found.append(finding("from-not-own", "from", sender=sender))
    if profile.classes and cls not in profile.classes:
        found.append(finding("class-not-own", "class", cls=cls))
    return found


def _domains(settings: "Settings", profile: "Profile", sender: str, signing: list[str]) -> "Domains":
    from urllib.parse import urlsplit

    from mta import tenancy
    from mta.mime.alignment import Domains

    tracking = tenancy.track_host(profile, settings.tenants.track_host, sender)
    return Domains(
        sender,
        signing,
        tenancy.bounce_domain(profile, settings.tenants.bounce_domain, sender),
        urlsplit(settings.tracking.base).hostname or tracking,
    )


def _frame(
    settings: "Settings", campaign: "Campaign", tenant: str, domains: "Domains", signers: "list[Signer]"
) -> "Frame":
    from mta.cli.check_samples import Frame

    list_ = campaign.list_ or campaign.id
    return Frame(
        base=settings.tracking.base.rstrip("/") or f"{settings.tracking.scheme}://{domains.tracking}",
        return_domain=domains.return_path,
        list_id=f"{list_}.{tenant}.{domains.sender}",
        feedback_id=f"{campaign.id}:{list_}:{tenant}:mta",
        signers=signers,
        unsubscribe=campaign.unsubscribe,
        sender=domains.sender,
    )


def _print(found: "list[Finding]", file: Path, people: int, look: "Look", *, as_json: bool) -> None:
    errors = sum(one.level == "error" for one in found)
    warnings = len(found) - errors
    if as_json:
        show.as_json(
            {
                "file": str(file),
                "ok": not errors,
                "errors": errors,
                "warnings": warnings,
                "people": people,
                "samples": look.samples,
                "largest_message": look.message,
                "largest_html": look.page,
                "findings": [dataclasses.asdict(one) for one in found],
            }
        )
        return
    for one in found:
        click.echo(show.plain(f"{one.level}: {one.where}: {one.what}"))
        click.echo(show.plain(f"    {one.cure}"))
    looked = f"{look.samples} rendered, the largest has {look.message:,} octets"
    click.echo(f"{file}: errors {errors}, warnings {warnings}; {looked}")
