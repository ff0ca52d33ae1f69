"""Which of the sources this host has: looked at when a role starts and again and again, since addresses come and go."""

import logging
from collections.abc import Callable
from typing import Final

from mta.net.local import is_local
from mta.throttle.pools import Pools

LOOK_SECONDS: Final = 60.0
_log = logging.getLogger("mta")


class Presence:
    """Remembers what was found, to say what changed. A source is here when all of its addresses are."""

    def __init__(self, is_here: Callable[[str], bool] = is_local) -> None:
        self.is_here = is_here
        self.absent: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"<Presence, without {', '.join(sorted(self.absent)) or 'none'}>"

    def look(self, pools: Pools) -> bool:
        """Look for every source's addresses; whether something changed since the last time."""
        found = frozenset(
            name for name, one in pools.sources.items() if not all(map(self.is_here, one.addresses))
        )
        for name in sorted(found - self.absent):
            addresses = " and ".join(pools.sources[name].addresses)
            _log.warning(
                "source %s is not on this host: %s can't be bound; its mail goes by the others of its pools,"
                " or by other hosts", name, addresses,
            )  # fmt: skip
        for name in sorted((self.absent & pools.sources.keys()) - found):
            _log.info("source %s is on this host again", name)
        changed, self.absent = found != self.absent, found
        return changed
