"""`mta acl`: the Redis users that docs/protocol.md describes, as lines to give to the server."""

from pathlib import Path

import click

from mta.cli import show
from mta.cli.options import CLASSES, config_option, json_option, loaded

_ALWAYS = "on >PASSWORD resetkeys resetchannels -@all +@connection -@dangerous"


def lines(prefix: str) -> list[str]:
    """Return one ACL SETUSER line per role of a web tier, for keys that begin with `prefix`."""
    mail = " ".join(f"~{prefix}submit:{label}" for label in CLASSES)
    reads = "+hget +hmget +hgetall"
    return [
        f"ACL SETUSER mta-web {_ALWAYS} (+xadd +xlen {mail}) (+set %W~{prefix}blob:*)"
        f" ({reads} %R~{prefix}status %R~{prefix}progress:*)"
        f" (+xreadgroup +xack +xautoclaim +xgroup|create ~{prefix}{{*}}:events)",
        f"ACL SETUSER mta-control {_ALWAYS} (+xadd +xlen ~{prefix}submit:control) ({reads} %R~{prefix}status)",
    ]


@click.command()
@config_option
@json_option
def acl(config: Path | None, as_json: bool) -> None:
    """Print the Redis users for the web tier; put a password of your own in each.

    \b
    Example:
      mta acl -c /etc/mta/mta.toml
    """
    found = lines(loaded(config).settings.queue.prefix)
    if as_json:
        show.as_json(found)
        return
    click.echo("\n".join(found))
