"""`mta dkim`: make signing keys, print what belongs into DNS, and look whether it is there."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from mta.cli import show
from mta.cli.dkim_check import dkim_check
from mta.cli.dkim_keys import signers_of
from mta.cli.failure import CANT_CREATE, USAGE, Failure
from mta.cli.options import config_option, json_option, settings_of

if TYPE_CHECKING:
    from mta.dkim.key import Signer


@click.group()
def dkim() -> None:
    """Make DKIM keys and print their DNS records.

    \b
    Example:
      mta dkim gen acme.example
    """


@dkim.command("gen")
@config_option
@click.argument("domain")
@click.option("--selector", default="s1", help="Name of the key under the domain.")
@click.option("--type", "kind", type=click.Choice(["rsa", "ed25519"]), default="rsa")
@click.option("--bits", type=int, default=2048, help="Size of an RSA key, 2048 to 8192.")
@json_option
def generate_key(
    config: Path | None, domain: str, selector: str, kind: Literal["rsa", "ed25519"], bits: int, as_json: bool
) -> None:
    """Make a key for a domain and print the DNS record to publish before the engine signs with it.

    \b
    Example:
      mta dkim gen acme.example --selector s1
    """
    from mta.dkim.generate import generate
    from mta.dkim.key import KeyFault, load

    try:
        pem = generate(kind, bits)
        signer = load(domain, selector, pem)
    except KeyFault as fault:
        raise Failure(USAGE, str(fault)) from fault
    except ValueError as error:
        raise Failure(USAGE, str(error)) from error
    settings = settings_of(config)
    # The folder carries the domain as the signer spells it: that is how the engine looks for it.
    path = settings.dkim_keys / signer.domain / f"{signer.selector}.pem"
    _write(path, pem)
    show.note(f"private key written to {path}; publish this record, then reload the engine")
    _records([signer], as_json)


@dkim.command("dns")
@config_option
@click.argument("domain")
@json_option
def print_records(config: Path | None, domain: str, as_json: bool) -> None:
    """Print the TXT records of all keys of a domain, as lines of a zone file.

    \b
    Example:
      mta dkim dns acme.example
    """
    _records(signers_of(config, domain), as_json)


dkim.add_command(dkim_check)


def _write(path: Path, pem: bytes) -> None:
    """Write a key that only the engine's user can read; raise Failure when there is one already."""
    made = [folder for folder in path.parents if not folder.exists()]
    owner = path.parents[len(made)].stat()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise Failure(
            CANT_CREATE,
            f"{path} exists and is not overwritten; choose another --selector, so that both can be in DNS",
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    if os.geteuid() == 0:
        # Made by root for an engine that runs as its own user: what it can't read it can't sign with.
        for one in (path, *made):
            os.chown(one, owner.st_uid, owner.st_gid)


def _records(signers: "list[Signer]", as_json: bool) -> None:
    from mta.dkim.record import dns_name, dns_record, txt_strings

    for signer in signers:
        name, text = dns_name(signer), dns_record(signer)
        if as_json:
            show.json_line({"name": name, "type": "TXT", "value": text, "algorithm": signer.algorithm})
        else:
            strings = " ".join(f'"{part}"' for part in txt_strings(text))
            click.echo(f"{name}. 3600 IN TXT ( {strings} )")
