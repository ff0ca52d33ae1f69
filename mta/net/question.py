"""One question to the DNS, and its answer as plain values: all that is known here of dnspython.

It tries several servers, each within a time, asks again over TCP when an answer was cut, and tells absence (which
is an answer) from silence (which is not). What answers mean for mail is `resolver`'s matter.
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from heapq import nsmallest
from typing import Final

import dns.asyncquery
import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
import dns.rrset

from mta.net.nameserver import Server
from mta.reply import Reply

MOST_RECORDS: Final = 64  # of one answer that are kept; 255 MX records are an attack, not a mail system
MOST_TEXT: Final = 4096  # characters of one TXT record: policies are announced in under 500
EDNS_PAYLOAD: Final = 1232  # octets over UDP without fragments (DNS flag day 2020)
MOST_TLSA: Final = (
    8192  # octets of one TLSA record: a whole certificate, as DNS servers would rather not send
)
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_])?\Z")

Values = tuple[tuple[int, str], ...]


class Unroutable(Exception):
    """Mail for the domain can't go anywhere (5xx) or not now (4xx): `reply` says which and why."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, (text,), local=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the DNS says: `values` of one type, or none; how long that holds, in seconds.

    A value is (preference, host) for MX, (0, host) for PTR, (0, address) for A and AAAA, (0, text) for TXT and
    (0, "3 1 1 hex") for TLSA, where a record that can't be read or is beyond all measure is (0, "").
    """

    values: Values
    ttl: float
    exists: bool = True  # False: NXDOMAIN
    secure: bool = False  # validated by a resolver we trust (the AD bit, RFC 4035 3.2.3)
    canonical: str = ""  # the name at the end of the CNAMEs


Ask = Callable[[str, str], Awaitable[Answer]]


def nameservers(
    addresses: list[str], *, timeout: float = 3.0, lifetime: float = 10.0
) -> dns.asyncresolver.Resolver:
    """Return a resolver for "ip" or "ip:port" servers; none means the system's own.

    `timeout` seconds for one server's answer, `lifetime` for all tries together.
    """
    resolver = dns.asyncresolver.Resolver(configure=not addresses)
    for known in () if addresses else resolver.nameservers:
        addresses = [*addresses, str(known)]
    servers: list[str | dns.nameserver.Nameserver] = []
    for text in addresses:
        host, _, port = text.rpartition(":")
        if not host or "]" in port or (":" in host and not host.startswith("[")):
            host, port = text, "53"
        servers.append(Server(host.strip("[]"), int(port)))
    resolver.nameservers = servers
    resolver.lifetime = lifetime
    resolver.timeout = timeout
    resolver.use_edns(0, 0, EDNS_PAYLOAD)
    # AD in a question asks for AD in the answer (RFC 6840 section 5.7).
    resolver.set_flags(dns.flags.RD | dns.flags.AD)
    return resolver


def on_loopback(resolver: dns.asyncresolver.Resolver) -> bool:
    """Return whether every server is on this host: only then nobody on the way can have set the AD bit."""
    return all(ipaddress.ip_address(_address(each)).is_loopback for each in resolver.nameservers)


def asker(resolver: dns.asyncresolver.Resolver, trusted: bool | None = None) -> Ask:
    """Return the function that asks the DNS one question; it raises Unroutable(451) when it got no answer.

    `trusted` says whether the servers' AD bit is believed; None: when all of them are on loopback.
    """
    believed = on_loopback(resolver) if trusted is None else trusted

    async def ask(name: str, kind: str) -> Answer:
        try:
            found = await resolver.resolve(name, kind, search=False, raise_on_no_answer=False)
            kept = values(found.rrset)
            if found.response.errors:
                kept = _with_broken(kept, len(found.response.errors), name, kind)
            secure = believed and bool(found.response.flags & dns.flags.AD)
            ttl = float(found.chaining_result.minimum_ttl)
            return Answer(kept, ttl, True, secure, _host(found.canonical_name))
        except dns.resolver.NXDOMAIN as error:
            return _absent(error, believed)
        except (
            dns.name.LabelTooLong,
            dns.name.NameTooLong,
            dns.name.EmptyLabel,
            dns.name.BadEscape,
        ) as error:
            raise Unroutable(550, f"5.1.2 {name[:255]!r} is no domain name") from error
        except (dns.exception.DNSException, OSError) as error:
            raise _no_answer(name, kind, error) from error

    return ask


def values(records: dns.rrset.RRset | None) -> Values:
    """Return the records as Answer.values, at most MOST_RECORDS.

    MX hosts that can be no host's name are left out; when none is left, (0, "") stands for them: there is an MX.
    """
    if not records:
        return ()
    kind = records.rdtype
    if kind == dns.rdatatype.MX:
        pairs = ((record.preference, _host(record.exchange)) for record in records)
        return tuple(nsmallest(MOST_RECORDS, (pair for pair in pairs if pair[1]))) or ((0, ""),)
    if kind == dns.rdatatype.TXT:
        return tuple(
            (0, b"".join(one.strings).decode("latin-1")[:MOST_TEXT]) for one in records[:MOST_RECORDS]
        )
    if kind == dns.rdatatype.PTR:
        return tuple((0, _host(one.target)) for one in records[:MOST_RECORDS])
    if kind == dns.rdatatype.TLSA:
        return tuple(
            (
                0,
                f"{one.usage} {one.selector} {one.mtype} {one.cert.hex()}"
                if len(one.cert) <= MOST_TLSA
                else "",
            )
            for one in records[:MOST_RECORDS]
        )
    return tuple((0, record.address) for record in records[:MOST_RECORDS])


def _with_broken(kept: Values, broken: int, name: str, kind: str) -> Values:
    """Return the values with what couldn't be read: records there are, so this must not look like absence."""
    if kind == "TLSA":
        return (*kept, *((0, ""),) * min(broken, MOST_RECORDS))
    if not kept:
        raise Unroutable(451, f"4.4.3 the {kind} records of {name} can't be read")
    return kept


def _host(name: dns.name.Name) -> str:
    """Return a host's name, "." for the root (null MX), empty for what no host is called."""
    if name == dns.name.root:
        return "."
    text = name.to_text(omit_final_dot=True).lower()
    return text if _HOST.match(text) else ""


def _absent(error: dns.resolver.NXDOMAIN, believed: bool) -> Answer:
    for response in error.kwargs["responses"].values():
        ttl = float(response.resolve_chaining().minimum_ttl)
        return Answer((), ttl, False, believed and bool(response.flags & dns.flags.AD))
    return Answer((), 0.0, exists=False)


def _no_answer(name: str, kind: str, error: Exception) -> Unroutable:
    # SERVFAIL and silence are never a bounce and never a reason to try the A record.
    return Unroutable(451, f"4.4.3 DNS lookup of {name} {kind} failed: {type(error).__name__}")


def _address(server: str | dns.nameserver.Nameserver) -> str:
    return server if isinstance(server, str) else str(getattr(server, "address", "0.0.0.0"))
