"""The way out and in: the resolver, port 25 of others, and the engine's own listeners."""

import asyncio
import time
from typing import TYPE_CHECKING, Final

from mta.cli.checkup.finding import BAD, OK, UNKNOWN, WARN, Finding

if TYPE_CHECKING:
    from mta.cli.checkup.asking import Names
    from mta.config.settings import Settings
    from mta.net.resolver import Resolver
    from mta.net.terms import Dialling

AREA: Final = "network"
REACHED: Final = ("gmail.com", "outlook.com")
"""Domains whose hosts are tried: large ones, at different companies."""
SIGNED: Final = "ietf.org"
"""A domain that has been signed for long: its answers are validated, or none are."""
SLOW_SECONDS: Final = 1.0
TRY_SECONDS: Final = 6.0
MOST_HOSTS: Final = 4


async def resolver(settings: "Settings", names: "Names", reach: tuple[str, ...]) -> list[Finding]:
    """Return the findings about the DNS servers that are asked."""
    found, net = [], settings.net
    about = f"resolver {', '.join(net.resolver) or 'of the system'}"
    began = time.perf_counter()
    answers = [await names.of(domain, "MX") for domain in reach]
    took = time.perf_counter() - began
    if all(answer is None for answer in answers):
        cure = (
            "name servers that answer: net.resolver, or /etc/resolv.conf; best is one on this host (unbound)"
        )
        return [Finding(AREA, BAD, about, f"no answer to {' and '.join(reach)} MX", cure)]
    if took > SLOW_SECONDS * len(reach):
        found.append(
            Finding(
                AREA,
                WARN,
                about,
                f"{took / len(reach):.1f} s an answer",
                "run a resolver on this host (unbound)",
            )
        )
    else:
        found.append(Finding(AREA, OK, about, f"answers in {took / len(reach) * 1000:.0f} ms"))
    if net.dane:
        answer = await names.answer(SIGNED, "MX")
        if answer is not None and not answer.secure:
            says = (
                "answers are not validated by DNSSEC, or by nobody who is believed, so DANE protects no mail"
            )
            cure = "run a validating resolver on this host (unbound), or set net.dane = false"
            found.append(Finding(AREA, WARN, "DNSSEC", says, cure))
        elif answer is not None:
            found.append(Finding(AREA, OK, "DNSSEC", "answers are validated"))
    return found


async def port25(resolver: "Resolver", dialling: "Dialling", reach: tuple[str, ...]) -> list[Finding]:
    """Try to reach port 25 of others: many providers of machines block it."""
    results = await asyncio.gather(*(_reach(domain, resolver, dialling) for domain in reach))
    about = f"port {dialling.port} of {' and '.join(reach)}"
    good = [says for reached, says in results if reached]
    if good:
        return [Finding(AREA, OK, about, good[0])]
    says = "; ".join(says for _, says in results)
    cure = "ask the provider of this machine to open port 25, or send by [[routes]] through a host that may"
    return [Finding(AREA, BAD, about, says, cure)]


async def _reach(domain: str, resolver: "Resolver", dialling: "Dialling") -> tuple[bool, str]:
    from mta.net.greet import dial
    from mta.net.question import Unroutable
    from mta.net.terms import CannotConnect

    try:
        hosts = (await resolver.hosts(domain))[:MOST_HOSTS]
    except Unroutable as error:
        return False, f"{domain}: {error}"
    said = f"{domain} has no host"
    for host in hosts:
        try:
            async with asyncio.timeout(TRY_SECONDS):
                wire = await dial(host, dialling, dialling.port)
        except TimeoutError:
            said = f"{host.name} [{host.address}] gives no answer"
        except (CannotConnect, OSError) as error:
            said = f"{host.name} [{host.address}]: {error}"
        else:
            wire.close()
            return True, f"{host.name} [{host.address}] answers"
    return False, said


async def listeners(settings: "Settings", *, runs: bool) -> list[Finding]:
    """Return whether what should listen does; `runs`: an engine is at work with these settings on this host."""
    found = []
    listen = settings.inbound.listen
    if not listen:
        cure = "set inbound.listen, or have another program take bounces"
        found.append(
            Finding(AREA, WARN, "inbound.listen", "it is off: bounces and complaints are not taken", cure)
        )
    elif not listen.endswith(":25"):
        says = f"{listen} is not port 25, where bounces come to"
        found.append(
            Finding(AREA, WARN, "inbound.listen", says, 'set "0.0.0.0:25", or forward port 25 there')
        )
    for name, address in (
        ("inbound.listen", listen),
        ("web.listen", settings.web.listen),
        ("metrics.listen", settings.metrics.listen),
    ):
        if address and runs:
            found.append(await _listens(name, address))
    return found


async def _listens(name: str, address: str) -> Finding:
    host, _, port = address.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))
    try:
        async with asyncio.timeout(TRY_SECONDS):
            _, writer = await asyncio.open_connection(host, int(port))
    except (OSError, TimeoutError) as error:
        cure = "systemctl status mta, and its journal"
        return Finding(AREA, BAD, name, f"nobody answers at {address}: {error or 'no answer in time'}", cure)
    writer.close()
    return Finding(AREA, OK, name, f"{address} answers")


def unreachable(error: Exception) -> Finding:
    """Return the finding for a Redis that can't be asked."""
    return Finding(
        "redis", BAD, "redis", str(error), "start the engine (mta run), or mend redis.url and the server"
    )


def unasked(why: str) -> Finding:
    """Return the finding for what was left out by an option."""
    return Finding(AREA, UNKNOWN, "port 25", why, "leave --offline out")
