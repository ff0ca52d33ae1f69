"""The keys of a domain as commands find them: the files that a worker would sign with."""

from pathlib import Path
from typing import TYPE_CHECKING

from mta.cli.failure import CONFIG, NO_INPUT, USAGE, Failure
from mta.cli.options import settings_of

if TYPE_CHECKING:
    from mta.dkim.key import Signer

MAX_KEY_FILE = 64 << 10


def signers_of(config: Path | None, domain: str) -> "list[Signer]":
    """Return a domain's keys by name of their files; raise Failure where there is none or one is unusable."""
    from mta.address import AddressError, domain_of
    from mta.dkim.key import KeyFault, load

    try:
        name = domain_of(domain)
    except AddressError as error:
        raise Failure(USAGE, f"{domain[:80]!r}: {error}") from error
    folder = settings_of(config).dkim_keys / name
    signers = []
    for path in sorted(folder.glob("*.pem")):
        with path.open("rb") as file:
            pem = file.read(MAX_KEY_FILE)
        try:
            signers.append(load(name, path.stem, pem))
        except KeyFault as fault:
            raise Failure(CONFIG, f"{path}: {fault}") from fault
    if not signers:
        raise Failure(NO_INPUT, f"there is no key in {folder}; make one with `mta dkim gen {name}`")
    return signers
