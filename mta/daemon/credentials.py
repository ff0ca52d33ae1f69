"""Credentials that systemd passes in files only this service can read (systemd.exec(5), LoadCredential=).

    mta.redis-password   as redis.password_file
    mta.tracking         as tracking.key_file
    mta.dkim_<domain>_<selector>.pem   DKIM keys: LoadCredential=mta.dkim:/etc/mta/dkim names its files so

What is there goes before the setting, since an administrator put it there for this unit.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from mta.config.settings import Settings

DKIM: Final = "mta.dkim_"
MAX_KEYS: Final = 10_000


def applied(settings: Settings, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings with what the credentials directory holds; the same when there is none.

    DKIM keys are linked into the tree <domain>/<selector>.pem in $RUNTIME_DIRECTORY. Raises OSError.
    """
    environ = os.environ if environ is None else environ
    named = environ.get("CREDENTIALS_DIRECTORY", "")
    if not named:
        return settings
    folder = Path(named)
    password, tracking = folder / "mta.redis-password", folder / "mta.tracking"
    if password.is_file():
        settings = replace(settings, redis=replace(settings.redis, password_file=str(password)))
    if tracking.is_file():
        settings = replace(settings, tracking=replace(settings.tracking, key_file=str(tracking)))
    keys = sorted(folder.glob(f"{DKIM}*.pem"))[:MAX_KEYS]
    runtime = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if keys and runtime:
        tree = Path(runtime) / "dkim"
        for key in keys:
            # A host name has no underscore, so the first one ends the domain.
            domain, _, selector = key.name.removeprefix(DKIM).partition("_")
            _link(tree / domain / selector, key)
        settings = replace(settings, dkim=replace(settings.dkim, directory=str(tree)))
    return settings


def _link(at: Path, key: Path) -> None:
    at.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = at.with_name(f".{at.name}.{os.getpid()}")
    fresh.symlink_to(key)
    fresh.replace(at)  # several roles do the same at once
