"""Settings a running engine keeps until its next start, because something was opened, named or laid out by them.

All others take effect when the configuration is read again. docs/reload.md tells both; a test holds the two together.
"""

from dataclasses import fields, replace
from typing import Any, Final

from mta.config.settings import Settings

FIXED: Final[dict[str, str]] = {
    "redis": "connections are open, and the queue is there",
    "paths": "files are open there",
    "queue.prefix": "the names of all keys begin with it",
    "queue.shards": "the queue is cut by it at the first start",
    "tracking.key_file": "links and return paths in the world were made with it",
    "inbound.listen": "the socket is open",
    "web.listen": "the socket is open",
    "web.metrics": "a page of the listener",
    "metrics.listen": "the socket is open",
    "log.mail_log": "several processes write to it, and erasure looks there",
}
"""By setting, or section where all of it stays: why."""


def names() -> list[str]:
    """Return the settings that stay, each as section.key."""
    found = []
    for name in FIXED:
        section, _, key = name.partition(".")
        found += [name] if key else [f"{section}.{one.name}" for one in fields(getattr(Settings(), section))]
    return found


def held(old: Settings, new: Settings) -> tuple[Settings, list[str]]:
    """Return the new settings with those that stay as they were in the old, and the names of those that differ.

    A role that dies and is started again must meet the same queue, files and addresses as the others have.
    """
    differ = []
    for name in names():
        section, _, key = name.partition(".")
        before, after = getattr(getattr(old, section), key), getattr(getattr(new, section), key)
        if before != after:
            differ.append(name)
            changed: Any = replace(getattr(new, section), **{key: before})
            new = replace(new, **{section: changed})
    # A listener that speaks no TLS can't begin to, nor can one that does stop; another certificate is no matter.
    if bool(old.web.certificate) != bool(new.web.certificate):
        differ.append("web.certificate")
        new = replace(new, web=replace(new.web, certificate=old.web.certificate))
    return new, differ
