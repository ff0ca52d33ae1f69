"""Sources as receivers look them up: PTR, the way back from it, and the name said in EHLO."""

import asyncio
import ipaddress
from typing import TYPE_CHECKING, Final

from mta.cli.checkup.finding import BAD, OK, UNKNOWN, WARN, Finding
from mta.cli.checkup.limit import within

if TYPE_CHECKING:
    from mta.cli.checkup.asking import Names
    from mta.cli.checkup.sources import Source

AREA: Final = "sources"
MOST_PTR: Final = 10


async def senders(found: "list[Source]", names: "Names", seconds: float) -> list[Finding]:
    """Return the findings about every source, each looked at for `seconds` at most."""
    if not found:
        cure = "give this host an address with a way out, or name one in net.source"
        return [Finding(AREA, BAD, "source", "no address leads out of this host", cure)]
    each = await asyncio.gather(
        *(within(AREA, f"source {one.address}", _source(one, names), seconds) for one in found)
    )
    return [finding for findings in each for finding in findings]


async def _source(source: "Source", names: "Names") -> list[Finding]:
    address = source.address
    if source.private:
        says = f"{address} is private: receivers see another address, which can't be known from here"
        cure = "name what they see: mta doctor --address 192.0.2.10"
        return [Finding(AREA, WARN, f"source {address}", says, cure), *await _helo(source, names)]
    return [*await _pointer(source, names), *await _helo(source, names)]


async def _pointer(source: "Source", names: "Names") -> list[Finding]:
    """PTR must name a host whose address it is (RFC 1912 2.1; Google's and Yahoo's rules for senders)."""
    address, helo = source.address, source.helo
    about = f"PTR of {address}"
    name = ipaddress.ip_address(address).reverse_pointer
    hosts = await names.of(name, "PTR")
    if hosts is None:
        return [
            Finding(
                AREA,
                UNKNOWN,
                about,
                f"the DNS gives no answer for {name}",
                "look at the resolver, then again",
            )
        ]
    if not hosts:
        cure = f"have the address's owner publish: {name}. PTR {helo}."
        return [
            Finding(AREA, BAD, about, "there is none; Gmail, Microsoft and others refuse such mail", cure)
        ]
    back = await asyncio.gather(*(names.addresses(host) for host in hosts[:MOST_PTR]))
    good = [host for host, found in zip(hosts, back, strict=False) if found and _has(found, address)]
    if not good:
        says = f"{hosts[0]} does not lead back to {address}"
        cure = f"publish an address record: {hosts[0]}. {_kind(address)} {address}"
        return [Finding(AREA, BAD, about, says, cure)]
    if helo.lower() not in good:
        says = f"it is {good[0]}, EHLO says {helo}"
        return [
            Finding(
                AREA, WARN, about, says, f'set {source.setting} = "{good[0]}", or have the PTR name {helo}'
            )
        ]
    if _generic(good[0], address):
        says = f"{good[0]} looks like one of a provider's many customers"
        return [
            Finding(
                AREA,
                WARN,
                about,
                says,
                "have the PTR name a host of your own domain, such as mx1.acme.example",
            )
        ]
    return [Finding(AREA, OK, about, good[0])]


async def _helo(source: "Source", names: "Names") -> list[Finding]:
    """EHLO must say a full name that leads to the address (RFC 5321 section 4.1.1.1)."""
    about, helo = f"EHLO name {source.helo}", source.helo
    if (
        "." not in helo
        or helo.startswith("localhost")
        or helo.rsplit(".", 1)[-1] in ("local", "localdomain", "lan", "internal")
    ):
        cure = f'set {source.setting} to a full name of yours that resolves to the source, as in "mx1.acme.example"'
        return [Finding(AREA, BAD, about, "it is no full name that receivers can look up", cure)]
    found = await names.addresses(helo)
    if found is None:
        return [
            Finding(
                AREA, UNKNOWN, about, "the DNS gives no answer for it", "look at the resolver, then again"
            )
        ]
    if not found:
        cure = (
            f"publish: {helo}. {_kind(source.address)} {source.address}; or choose another {source.setting}"
        )
        return [Finding(AREA, BAD, about, "it has no address", cure)]
    if not source.private and not _has(found, source.address):
        cure = f"publish: {helo}. {_kind(source.address)} {source.address}"
        return [
            Finding(AREA, WARN, about, f"it leads to {', '.join(found[:3])}, not to {source.address}", cure)
        ]
    return [Finding(AREA, OK, about, f"leads to {', '.join(found[:3])}")]


def _has(found: tuple[str, ...], address: str) -> bool:
    wanted = ipaddress.ip_address(address)
    return any(ipaddress.ip_address(one) == wanted for one in found)


def _kind(address: str) -> str:
    return "A" if ipaddress.ip_address(address).version == 4 else "AAAA"


def _generic(host: str, address: str) -> bool:
    """Whether a name spells its own IPv4 address, as names of dial-up lines and rented machines do."""
    one = ipaddress.ip_address(address)
    if one.version != 4:
        return False
    parts = str(one).split(".")
    spelled = [sep.join(order) for sep in ".-" for order in (parts, parts[::-1])]
    return any(text in host for text in spelled)
