"""`mta probe`: where a domain's mail would go, under which policies, and what its hosts show; without sending."""

import asyncio
import os
import socket
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mta.cli import show
from mta.cli.failure import TEMPORARY, USAGE, Failure
from mta.cli.options import config_option, json_option, settings_of

if TYPE_CHECKING:
    from mta.config.settings import Settings
    from mta.net.probing import Probe, Visit
    from mta.throttle.shaping import Shaping

NO_HOST: Final = os.EX_NOHOST  # 68: no mail will ever go there
SECONDS = 30.0


@click.command()
@config_option
@click.argument("domain")
@click.option("--timeout", type=click.FloatRange(1, 600), default=SECONDS, show_default=True,
              help="Seconds for one host, whatever it does.")  # fmt: skip
@json_option
@click.pass_context
def probe(context: click.Context, config: Path | None, domain: str, timeout: float, as_json: bool) -> None:
    """Look at a receiving domain: DNS, site and limits, route, TLS policies, and each host up to QUIT.

    Ends with 0 when mail could be delivered under policy now, with 75 when it would wait, with 68 when it would never
    go. Needs no running engine; MTA-STS policies are fetched anew.

    \b
    Example:
      mta probe example.net
    """
    from mta.address import AddressError, domain_of
    from mta.daemon.assemble import shaping

    name = domain.rpartition("@")[2]
    try:
        name = name.lower() if name.startswith("[") else domain_of(name)
    except AddressError as error:
        raise Failure(USAGE, f"{domain!r} is no domain: {error}") from error
    settings = settings_of(config)
    rules = shaping(settings)
    found = asyncio.run(_probe(settings, name, timeout))
    if as_json:
        show.as_json(_json(found, rules))
    else:
        _tell(found, rules)
    context.exit(0 if found.deliverable else NO_HOST if found.code >= 500 else TEMPORARY)


async def _probe(settings: "Settings", domain: str, seconds: float) -> "Probe":
    from mta.daemon import assemble
    from mta.daemon.assemble_tls import FETCH_SECONDS, secured, web_context
    from mta.net.https import PolicyFetch
    from mta.net.mtasts import StsPolicies
    from mta.net.probing import Prober
    from mta.net.terms import Dialling, Timeouts

    resolver = assemble.resolver(settings)
    fetch = PolicyFetch(resolver, web_context(settings), min(FETCH_SECONDS, seconds))
    given = secured(settings, resolver, StsPolicies(resolver, fetch))
    net = settings.net
    dialling = Dialling(
        net.smtp_port, net.helo or socket.getfqdn(), net.source, tls=net.tls,
        timeouts=Timeouts(connect=min(net.timeouts.connect, seconds), greeting=seconds, ehlo=seconds),
    )  # fmt: skip
    prober = Prober(resolver, given.policies, given.routes, given.tls, dialling, seconds)
    return await prober.probe(domain)


def _site(found: "Probe", rules: "Shaping") -> str:
    return rules.site(found.domain, [one.name for one in found.names.exchangers])


def _rule(found: "Probe") -> str:
    rule = found.rule
    if rule is None:
        return ""
    names = f", names {' '.join(rule.names)}" if rule.names else ""
    return f"{rule.level.name.lower()}{names}"


def _tell(found: "Probe", rules: "Shaping") -> None:
    names, site = found.names, _site(found, rules)
    limits = rules.limits(site)
    rate = f"{limits.rate:g}/s" if limits.rate else "no limit"
    lines = [("domain", found.domain)]
    if names.fault:
        lines.append(("DNS", names.fault))
    secure = ", validated by DNSSEC" if names.secure else ""
    if names.implicit:
        lines.append(("MX", f"none: the domain is its own host{secure}"))
    for one in names.exchangers:
        where = " ".join(one.addresses) or one.fault or "no address"
        kind = "host" if names.implicit else f"MX {one.preference}"
        lines.append(
            (kind, f"{one.name}  {where}{', validated by DNSSEC' if one.secure and names.secure else ''}")
        )
    kind = "provider" if site in rules.providers else "site"
    lines.append(
        (kind, f"{site}: rate {rate}, {limits.connections} connections, {limits.messages} messages each")
    )
    if found.route is not None:
        route = found.route
        lines.append(("route", f"{route.host}:{route.port}, TLS {route.level.name.lower()}"))
    lines.append(("MTA-STS", _sts(found)))
    if found.rule is not None:
        lines.append(("rule", _rule(found)))
    if found.fault:
        lines.append(("route" if found.route else "hosts", found.fault))
    for name, value in lines:
        click.echo(show.plain(f"{name}: {value}"))
    for visit in found.visits:
        _visit(visit)
    click.echo(f"deliverable: {'yes' if found.deliverable else 'never' if found.code >= 500 else 'not now'}")


def _sts(found: "Probe") -> str:
    parts = [f"record {found.announced}" if found.announced else "no record"]
    if found.sts is not None:
        parts.append(f"{found.sts.mode}, {found.sts.max_age} s, mx {' '.join(found.sts.mx)}")
    if found.sts_fault:
        parts.append(found.sts_fault)
    return "; ".join(parts)


def _visit(visit: "Visit") -> None:
    seen, need, decided = visit.seen, visit.need, visit.decided
    click.echo(show.plain(f"{visit.host.name} [{visit.host.address}]"))
    lines = [
        ("greeting", seen.greeting),
        ("EHLO", " | ".join(seen.ehlo)),
        ("EHLO under TLS", " | ".join(seen.secure_ehlo)),
    ]
    lines.append(("TLS", f"{seen.tls} {seen.cipher}" if seen.tls else "" if seen.fault else "not offered"))
    one = seen.certificate
    if one is not None:
        lines.append(("certificate", one.fault or f"{one.subject}, by {one.issuer}"))
        lines.append(("names", " ".join(one.names) or "none"))
        lines.append(("valid", f"{show.time_of(one.begins)} to {show.time_of(one.ends)}"))
        known = "by a known authority" if seen.trusted else f"not trusted ({seen.distrust})"
        lines.append(("verified", f"{known}, its names {'cover' if seen.named else 'do not cover'} the host"))
    lines.append(
        ("asked for", f"{need.level.name.lower()} by {need.by}{': ' + need.refuse if need.refuse else ''}")
    )
    lines += [("TLSA", str(record)) for record in need.tlsa]
    lines.append(("ended", seen.fault))
    forgiven = f", although {decided.forgiven}" if decided.forgiven else ""
    lines.append(
        (
            "mail",
            f"would go, {decided.security}{forgiven}" if decided.good else f"would not go: {decided.why}",
        )
    )
    for name, value in lines:
        if value:
            click.echo(show.plain(f"  {name}: {value}"))


def _json(found: "Probe", rules: "Shaping") -> dict[str, Any]:
    names, site, route = found.names, _site(found, rules), found.route
    limits = rules.limits(site)
    return {
        "domain": found.domain,
        "deliverable": found.deliverable,
        "fault": found.fault,
        "code": found.code,
        "dns": asdict(names),
        "site": site,
        "provider": site in rules.providers,
        "limits": {
            "rate": limits.rate, "burst": limits.burst, "connections": limits.connections,
            "messages": limits.messages,
        },
        "route": None if route is None else {"host": route.host, "port": route.port, "tls": route.level.name.lower()},
        "rule": _rule(found),
        "mta_sts": {
            "record": found.announced,
            "policy": None if found.sts is None else asdict(found.sts),
            "fault": found.sts_fault,
        },
        "hosts": [_host(visit) for visit in found.visits],
    }  # fmt: skip


def _host(visit: "Visit") -> dict[str, Any]:
    need, decided = visit.need, visit.decided
    return {
        "name": visit.host.name,
        "address": visit.host.address,
        "secure": visit.host.secure,
        "need": {
            "level": need.level.name.lower(), "by": need.by, "names": list(need.names), "refuse": need.refuse,
            "fault": need.fault, "tlsa": [str(one) for one in need.tlsa],
            "published": {"kind": need.published.kind, "lines": list(need.published.lines)},
        },
        "seen": asdict(visit.seen),
        "deliverable": decided.good,
        "why": decided.why,
        "security": decided.security,
        "forgiven": decided.forgiven,
    }  # fmt: skip
