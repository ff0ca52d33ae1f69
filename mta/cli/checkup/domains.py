"""Sending domains as receivers look them up: DKIM, SPF of the return path, DMARC, and where bounces and links lead."""

import asyncio
import ipaddress
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mta.cli.checkup.finding import BAD, OK, UNKNOWN, WARN, Finding
from mta.cli.checkup.limit import within

if TYPE_CHECKING:
    from mta.cli.checkup.asking import Names
    from mta.cli.checkup.sources import Source
    from mta.dkim.key import Signer

AREA: Final = "domains"
SILENT: Final = "look at the resolver, then again"


@dataclass(frozen=True, slots=True)
class Sending:
    """A From domain: its return-path domain, the host of its links (empty: one for all), its keys, and their faults."""

    domain: str
    bounces: str
    links: str
    signers: "tuple[Signer, ...]" = ()
    faults: tuple[str, ...] = ()


async def domains(
    found: list[Sending], sources: "list[Source]", names: "Names", seconds: float
) -> list[Finding]:
    """Return the findings about every domain, each looked at for `seconds` at most."""
    if not found:
        says = "no sending domain is known: there is no key below dkim.directory, and no tenant names one"
        return [
            Finding(AREA, WARN, "domains", says, "mta dkim gen acme.example, then mta dkim dns acme.example")
        ]
    each = await asyncio.gather(
        *(
            within(AREA, about, check, seconds)
            for one in found
            for about, check in _checks(one, sources, names)
        )
    )
    return [finding for findings in each for finding in findings]


def _checks(
    one: Sending, sources: "list[Source]", names: "Names"
) -> Iterator[tuple[str, Coroutine[None, None, list[Finding]]]]:
    yield f"DKIM of {one.domain}", _dkim(one, names)
    for source in sources:
        if not source.private:
            yield f"SPF of {one.bounces}", _spf(one, source, names)
    yield f"DMARC of {one.domain}", _dmarc(one, names)
    yield f"MX of {one.bounces}", _returns(one, sources, names)
    yield f"host of links of {one.domain}", _links(one, names)


async def _dkim(one: Sending, names: "Names") -> list[Finding]:
    from mta.dkim.published import faults, is_trial
    from mta.dkim.record import dns_name

    if not one.signers and not one.faults:
        cure = f"mta dkim gen {one.domain}, then publish what mta dkim dns {one.domain} prints"
        return [Finding(AREA, BAD, f"DKIM of {one.domain}", "there is no key: its mail is not signed", cure)]
    found = []
    for signer in one.signers:
        about = f"DKIM {dns_name(signer)}"
        records = await names.of(dns_name(signer), "TXT")
        if records is None:
            found.append(Finding(AREA, UNKNOWN, about, "the DNS gives no answer", SILENT))
            continue
        wrong = faults(signer, records)
        cure = f"publish what mta dkim dns {one.domain} prints"
        found += [Finding(AREA, BAD, about, f"the record {fault}", cure) for fault in wrong]
        if not wrong and is_trial(records):
            says = "the record says t=y: receivers treat the mail as unsigned"
            found.append(Finding(AREA, WARN, about, says, "take t=y out"))
        elif not wrong:
            found.append(Finding(AREA, OK, about, signer.algorithm))
    return found


async def _spf(one: Sending, source: "Source", names: "Names") -> list[Finding]:
    """SPF is evaluated for the return path, whose domain is not the From domain's."""
    about = f"SPF of {one.bounces} for {source.address}"
    told = await names.spf(source.address, one.bounces, source.helo)
    add = f"ip{ipaddress.ip_address(source.address).version}:{source.address}"
    match told.result:
        case "pass":
            return [Finding(AREA, OK, about, told.why)]
        case "none":
            cure = f'publish: {one.bounces}. TXT "v=spf1 {add} -all"'
            return [Finding(AREA, BAD, about, "there is no record", cure)]
        case "temperror":
            return [Finding(AREA, UNKNOWN, about, told.why, SILENT)]
        case "permerror":
            cure = "receivers take a broken record for none; mend it"
            return [Finding(AREA, BAD, about, told.why, cure)]
    level = BAD if told.result == "fail" else WARN
    return [Finding(AREA, level, about, f"{told.result}: {told.why}", f"add {add} to the record")]


async def _dmarc(one: Sending, names: "Names") -> list[Finding]:
    from mta.mime.alignment import aligned, organisation
    from mta.policy import dmarc

    where = one.domain
    texts = await names.of(f"_dmarc.{where}", "TXT")
    if texts is not None and not dmarc.found(texts) and organisation(where) != where:
        where = organisation(where)
        texts = await names.of(f"_dmarc.{where}", "TXT")
    about = f"DMARC of {one.domain}"
    if texts is None:
        return [Finding(AREA, UNKNOWN, about, "the DNS gives no answer", SILENT)]
    records = dmarc.found(texts)
    if not records:
        cure = f'publish: _dmarc.{organisation(one.domain)}. TXT "v=DMARC1; p=none; rua=mailto:dmarc@{one.domain}"'
        return [
            Finding(AREA, BAD, about, "there is no record; Gmail and Yahoo ask for one of bulk senders", cure)
        ]
    if len(records) > 1:
        return [Finding(AREA, BAD, about, f"there are {len(records)} records, so none counts", "keep one")]
    try:
        policy = dmarc.parse(records[0])
    except ValueError as error:
        return [Finding(AREA, BAD, about, f"the record can't be read: {error}", "mend it")]
    strict_ok = one.bounces == one.domain or not policy.strict_spf
    signs = [
        signer.domain == one.domain if policy.strict_dkim else aligned(signer.domain, one.domain)
        for signer in one.signers
    ]
    if not any(signs) and not (aligned(one.bounces, one.domain) and strict_ok):
        says = "neither a signature nor the return path is aligned with the From domain"
        cure = f"sign with a key of {one.domain}, or let the return path lie below it (bounce_domain)"
        return [Finding(AREA, BAD, about, says, cure)]
    applied = policy.policy if where == one.domain else policy.below
    if not policy.reports:
        says = f"p={applied}, and nobody gets its reports"
        return [Finding(AREA, WARN, about, says, "add rua=mailto:... to see who sends in your name")]
    return [Finding(AREA, OK, about, f"p={applied}, reports to {policy.reports[0]}")]


async def _returns(one: Sending, sources: "list[Source]", names: "Names") -> list[Finding]:
    """Bounces come to the MX of the return path: without one they are lost, and dead addresses are mailed for ever."""
    about = f"MX of {one.bounces}"
    hosts = await names.of(one.bounces, "MX")
    if hosts is None:
        return [Finding(AREA, UNKNOWN, about, "the DNS gives no answer", SILENT)]
    if not hosts or hosts == (".",):
        host = sources[0].helo if sources else "mx1.acme.example"
        cure = f"publish: {one.bounces}. MX 10 {host}. (the host where inbound.listen takes port 25)"
        return [Finding(AREA, BAD, about, "there is none: bounces do not come back", cure)]
    found = await asyncio.gather(*(names.addresses(host) for host in hosts[:5]))
    if not any(found):
        return [Finding(AREA, BAD, about, f"{hosts[0]} has no address", f"publish an address of {hosts[0]}")]
    return [Finding(AREA, OK, about, hosts[0])]


async def _links(one: Sending, names: "Names") -> list[Finding]:
    if not one.links:
        return []
    about = f"host of links {one.links}"
    found = await names.addresses(one.links)
    if found is None:
        return [Finding(AREA, UNKNOWN, about, "the DNS gives no answer", SILENT)]
    if not found:
        cure = f"publish an address of {one.links}, where the proxy before web.listen answers"
        return [
            Finding(
                AREA, BAD, about, "it has no address: opens, clicks and unsubscribe links lead nowhere", cure
            )
        ]
    return [Finding(AREA, OK, about, f"leads to {', '.join(found[:3])}")]
