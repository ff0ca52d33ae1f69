"""The rounds of `mta doctor`: which checks there are, in which order they are told, each within its time."""

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mta.cli.checkup.finding import Finding
from mta.cli.checkup.limit import CHECK_SECONDS, in_thread, within
from mta.cli.door import door
from mta.cli.failure import Failure

if TYPE_CHECKING:
    from mta.cli.checkup.domains import Sending
    from mta.config.settings import Settings
    from mta.queue.roll import Present
    from mta.tenancy import Profile

CONNECT_SECONDS: Final = 5.0
"""To one host's port 25: the engine itself waits longer (RFC 5321 section 4.5.3.2), which tells nothing more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller wants looked at.

    `public`: addresses that receivers see in place of ours; `only`: these sending domains; `reach`: domains whose
    port 25 is tried; `offline`: nobody else is asked; `seconds`: the time of one check.
    """

    config: Path | None = None
    public: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    reach: tuple[str, ...] = ()
    offline: bool = False
    seconds: float = CHECK_SECONDS


@dataclass(slots=True)
class _Known:
    """What Redis tells of the engine; nothing, of a server that is away."""

    roll: "list[Present]"
    profiles: "list[Profile]"


async def look(asked: Asked, settings: "Settings") -> list[Finding]:
    """Return all findings by area, each once."""
    from mta.cli.checkup.files import files
    from mta.cli.checkup.known import faults, known
    from mta.cli.checkup.machine import machine
    from mta.cli.checkup.network import REACHED, listeners, unasked

    seen, seconds = _Known([], []), asked.seconds
    found = list(_settings(settings))
    found += await within("redis", "redis", _redis(asked.config, seen), seconds)
    found += await within("machine", "machine", in_thread(lambda: machine(settings, seen.roll)), seconds)
    found += await within("files", "files", in_thread(lambda: files(settings)), seconds)
    sending: list[Sending] = []

    async def keys() -> list[Finding]:
        sending.extend(await in_thread(lambda: known(settings, seen.profiles, asked.only)))
        return faults(sending)

    found += await within("files", "DKIM keys", keys(), seconds)
    runs = any(one.host == socket.gethostname() for one in seen.roll)
    found += await within("network", "listeners", listeners(settings, runs=runs), seconds)
    if asked.offline:
        found.append(unasked("left out by --offline, and all that asks the DNS"))
    else:
        found += await _outside(replace(asked, reach=asked.reach or REACHED), settings, sending)
    return _once(found)


def _once(found: list[Finding]) -> list[Finding]:
    """What two sources have in common is told of the first."""
    seen = dict[tuple[str, str, str, str], Finding]()
    for one in found:
        seen.setdefault((one.area, one.level, one.about, one.says), one)
    return list(seen.values())


def _settings(settings: "Settings") -> Iterator[Finding]:
    from mta.cli.status import for_tests

    cure = "take it out of the configuration of an engine that sends to others"
    for one in for_tests(settings):
        yield Finding("settings", "warn", one, "it is for tests", cure)


async def _redis(config: Path | None, seen: _Known) -> list[Finding]:
    from mta.cli.checkup.network import unreachable
    from mta.cli.checkup.server import server
    from mta.queue.campaigns import Campaigns
    from mta.queue.link import QueueDown
    from mta.queue.reach import QueueDenied
    from mta.queue.roll import Roll
    from mta.tenancy import decode

    try:
        async with door(config) as opened:
            everybody = await Roll(opened.client, opened.keys).read()
            now = int((await opened.client.time())[0]) * 1000
            seen.roll = [one for one in everybody if not one.silent(now)]
            campaigns = Campaigns(opened.client, opened.keys)
            documents = [await campaigns.tenant(name) for name in sorted(await campaigns.tenants())]
            seen.profiles = [decode(one) for one in documents if one]
            return await server(opened, seen.roll)
    except (QueueDown, QueueDenied, Failure, OSError) as error:
        return [unreachable(error)]


async def _outside(asked: Asked, settings: "Settings", sending: "list[Sending]") -> list[Finding]:
    """What others see of us: nothing here is changed by it, and no mail is sent."""
    from mta.cli.checkup import network
    from mta.cli.checkup.asking import Names
    from mta.cli.checkup.domains import domains
    from mta.cli.checkup.senders import senders
    from mta.cli.checkup.sources import Source, sources
    from mta.daemon import assemble
    from mta.daemon.assemble_tls import TRUST
    from mta.net.question import asker, nameservers

    dns, net, seconds = settings.dns, settings.net, asked.seconds
    servers = nameservers(list(net.resolver), timeout=dns.timeout, lifetime=dns.lifetime)
    names = Names(asker(servers, TRUST[net.trusted_resolver]))
    ways: list[Source] = []

    async def own() -> list[Finding]:
        ways.extend(await in_thread(lambda: sources(settings, asked.public)))
        return []

    async def port25() -> list[Finding]:
        plan = await in_thread(lambda: assemble.plan(settings, "doctor"))
        timeouts = replace(plan.dialling.timeouts, connect=CONNECT_SECONDS)
        dialling = replace(plan.dialling, timeouts=timeouts)
        return await network.port25(assemble.resolver(settings), dialling, asked.reach)

    found = await within("sources", "sources", own(), seconds)
    first = await asyncio.gather(
        within("network", "resolver", network.resolver(settings, names, asked.reach), seconds),
        within("network", "port 25", port25(), seconds),
    )
    found += [finding for findings in first for finding in findings]
    found += await senders(ways, names, seconds)
    return found + await domains(sending, ways, names, seconds)
