"""Which domains the engine sends as: those with keys on this host, and those that tenants name."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from mta.cli.checkup.domains import Sending
from mta.cli.checkup.finding import BAD, Finding
from mta.tenancy import Profile, bounce_domain, track_host

if TYPE_CHECKING:
    from mta.config.settings import Settings
    from mta.dkim.key import Signer

MOST_DOMAINS: Final = 500
MAX_KEY_FILE: Final = 64 << 10

Keys = dict[tuple[str, str], "Signer | str"]
"""By domain and selector, the key, or why it can't be used."""


def known(settings: "Settings", profiles: list[Profile], only: tuple[str, ...] = ()) -> list[Sending]:
    """Return what is sent as, by domain; `only` these domains. At most 500: doctor is for people, who name some."""
    keys = _keys(settings.dkim_keys)
    owners: dict[str, Profile] = {domain: Profile("") for domain in only}
    owners |= {domain: Profile("") for domain, _ in keys}
    owners |= {domain: one for one in profiles for domain in one.from_domains}
    found = []
    for domain in sorted(only or owners)[:MOST_DOMAINS]:
        profile = owners[domain]
        chosen = profile.dkim or [pair for pair in keys if pair[0] == domain]
        signers: list[Signer] = []
        faults: list[str] = []
        for pair in chosen:
            match keys.get((pair[0], pair[1])):
                case None:
                    faults.append(f"{pair[0]}/{pair[1]}.pem is not below {settings.dkim_keys}")
                case str() as fault:
                    faults.append(fault)
                case signer:
                    signers.append(signer)
        links = "" if settings.tracking.base else track_host(profile, settings.tenants.track_host, domain)
        bounces = bounce_domain(profile, settings.tenants.bounce_domain, domain)
        found.append(Sending(domain, bounces, links, tuple(signers), tuple(faults)))
    return found


def faults(found: list[Sending]) -> list[Finding]:
    """Return the findings about keys that can't be used: absent, half written, too short, not to be read."""
    cure = "put the whole file back, or make a key anew: mta dkim gen; then reload the engine"
    return [
        Finding("files", BAD, f"DKIM key of {one.domain}", fault, cure)
        for one in found
        for fault in one.faults
    ]


def _keys(folder: Path) -> Keys:
    from mta.dkim.key import KeyFault, load

    found: Keys = {}
    for path in sorted(folder.glob("*/*.pem"))[: MOST_DOMAINS * 4] if folder.is_dir() else ():
        pair = (path.parent.name, path.stem)
        try:
            with path.open("rb") as file:
                found[pair] = load(*pair, file.read(MAX_KEY_FILE))
        except (KeyFault, OSError) as error:
            found[pair] = f"{path}: {error}"
    return found
