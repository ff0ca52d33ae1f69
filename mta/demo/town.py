"""The town the demo sends to: a dozen mail domains, each with a habit that real receivers have.

One table gives all three views of it: the zone for the name server, the behaviours for the receiver, and the
weights for made-up recipients. Every domain has a loopback address of its own, so that limits per address
and per host are as apart as they are in the world.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from mta.demo.behaviour import Behaviour
from mta.demo.capture import Capture
from mta.demo.receiver import Receiver
from mta.demo.zone import Records, Zone

SEED = "town"
ACCEPTS = Behaviour()


@dataclass(frozen=True, slots=True)
class Host:
    """One MX host of a domain; nobody listens at its address unless it is `up`."""

    preference: int
    address: str
    up: bool = True


@dataclass(frozen=True, slots=True)
class Domain:
    """One receiving domain. `weight` is its part of the town's people, in thousandths."""

    name: str
    weight: int
    habit: str  # what a reader of the demo's output should expect of it
    hosts: tuple[Host, ...] = ()
    behaviour: Behaviour = ACCEPTS
    null_mx: bool = False  # takes no mail at all (RFC 7505)
    exists: bool = True


def _at(*last: int) -> tuple[Host, ...]:
    return tuple(Host(10 * (n + 1), f"127.0.0.{octet}") for n, octet in enumerate(last))


DOMAINS = (
    Domain("northmail.example", 300, "accepts", _at(11, 12)),
    Domain("postbox.example", 200, "accepts", _at(13)),
    Domain("harbour.test", 100, "accepts", _at(14)),
    Domain("xn--bcher-kva.example", 30, "accepts; bücher.example to its people", _at(15)),
    Domain("greystone.example", 60, "greylists for 3 s", _at(16), Behaviour(greylist_s=3.0)),
    Domain("maybe.example", 60, "defers 20 % once", _at(17), Behaviour(temp_share=0.2)),
    Domain("strict.example", 60, "refuses 10 %: no such user", _at(18), Behaviour(perm_share=0.1)),
    Domain(
        "returns.example",
        60,
        "accepts all, returns 8 % later",
        _at(19),
        Behaviour(bounce_share=0.08, bounce_after_s=1.0, bounce_status="5.2.2"),
    ),
    Domain(
        "twogates.example",
        50,
        "preferred MX host is down",
        (Host(10, "127.0.0.20", up=False), Host(20, "127.0.0.21")),
    ),
    Domain(
        "slowcoach.test",
        50,
        "50 ms per reply",
        _at(22),
        Behaviour(reply_delay_ms=50.0, dot_delay_ms=50.0),
    ),
    Domain("narrow.test", 20, "two connections at a time", _at(23), Behaviour(max_connections=2)),
    Domain("closed.example", 5, "null MX: takes no mail", null_mx=True),
    Domain("typo.example", 5, "does not exist", exists=False),
)


def addresses() -> tuple[str, ...]:
    """Return the loopback addresses that the receiver listens at."""
    return tuple(host.address for domain in DOMAINS for host in domain.hosts if host.up)


def weights() -> dict[str, int]:
    """Return domain -> part of the town's people in thousandths."""
    return {domain.name: domain.weight for domain in DOMAINS}


def zone(extra: Mapping[str, Records] | None = None) -> Zone:
    """Return what the name server answers; `extra` adds names, such as the sender's own domains."""
    made = Zone()
    for domain in DOMAINS:
        if not domain.exists:
            continue
        if domain.null_mx:
            made.add(domain.name, {"MX": ("0 .",)})
            continue
        names = [f"mx{n}.{domain.name}" for n in range(1, len(domain.hosts) + 1)]
        pairs = list(zip(names, domain.hosts, strict=True))
        made.add(domain.name, {"MX": tuple(f"{host.preference} {name}." for name, host in pairs)})
        for name, host in pairs:
            made.add(name, {"A": (host.address,)})
    for name, records in (extra or {}).items():
        made.add(name, records)
    return made


def receiver(
    *,
    bounce_to: tuple[str, int] | None = None,
    capture: Capture | None = None,
    tls: ssl.SSLContext | None = None,
) -> Receiver:
    """Return the town's one receiver, not started: `await it.start(addresses(), port)`."""
    return Receiver(
        domains={domain.name: domain.behaviour for domain in DOMAINS},
        hosts={host.address: domain.behaviour for domain in DOMAINS for host in domain.hosts},
        seed=SEED,
        name="mx.town.test",
        tls=tls,
        capture=capture,
        bounce_to=bounce_to,
    )
