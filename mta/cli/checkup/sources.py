"""What the engine sends from: each address with the name it says in EHLO. The one place where doctor asks for it."""

import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mta.net.ranges import is_private

if TYPE_CHECKING:
    from mta.config.settings import Settings

# A datagram socket that is connected sends nothing: it only asks the kernel which address it would use.
_FAR = (("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6))


@dataclass(frozen=True, slots=True)
class Source:
    """One address that receivers see; `private`: they see another, since somebody translates it on the way.

    `setting` names where the EHLO name is set.
    """

    address: str
    helo: str
    private: bool = False
    setting: str = "net.helo"


def sources(settings: "Settings", public: tuple[str, ...] = ()) -> list[Source]:
    """Return what mail leaves from; `public`: what receivers see in place of addresses that are translated.

    Those of `[sources]`, of whichever host they are; without any the engine sends from the address that the system
    chooses, under this host's name. Blocks while the system is asked for it.
    """
    helo = settings.net.helo or socket.getfqdn()
    if public:
        return [Source(str(ipaddress.ip_address(one)), helo) for one in public]
    hidden = not settings.net.allow_private
    named = [
        Source(address, one.helo or helo, hidden and is_private(address), f"sources.{name}.helo")
        for name, one in settings.sources
        for address in (one.address, one.address6)
        if address
    ]
    if named:
        return named
    own = [settings.net.source] if settings.net.source else _chosen(ipv6=settings.net.ipv6)
    return [Source(one, helo, hidden and is_private(one)) for one in own]


def _chosen(*, ipv6: bool) -> list[str]:
    found = []
    for far, family in _FAR[: 2 if ipv6 else 1]:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as wire:
                wire.connect((far, 25))
                found.append(str(wire.getsockname()[0]))
        except OSError:
            continue  # no route for this family: nothing is sent by it
    return found
