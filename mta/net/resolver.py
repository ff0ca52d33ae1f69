"""Recipient domain to hosts: MX by preference, their addresses, and what their absence means.

dnspython asks; this module decides (RFC 5321 section 5.1, RFC 7505) and remembers. Identical questions
under way are asked once; answers are kept for their TTL within bounds, so that 50,000 small domains do not cost
a lookup per message.
"""

import asyncio
import ipaddress
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver

from mta.reply import Reply

MAX_HOSTS = 16  # MX hosts looked at; 255 of them is an attack, not a mail system
MAX_ADDRESSES = 5  # tried per delivery, as Postfix does (smtp_mx_address_limit)


class Unroutable(Exception):
    """Mail for the domain can't go anywhere (5xx) or not now (4xx): `reply` says which and why."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, (text,), local=True)


@dataclass(frozen=True, slots=True)
class Host:
    """One address of one mail host."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the DNS says: `values` of one type, or none; how long that holds, in seconds."""

    values: tuple[tuple[int, str], ...]
    ttl: float
    exists: bool = True  # False: NXDOMAIN


Ask = Callable[[str, str], Awaitable[Answer]]


def nameservers(
    addresses: list[str], *, timeout: float = 3.0, lifetime: float = 10.0
) -> dns.asyncresolver.Resolver:
    """Return a resolver for "ip" or "ip:port" servers; none means the system's own.

    `timeout` seconds for one server's answer, `lifetime` for all tries together.
    """
    resolver = dns.asyncresolver.Resolver(configure=not addresses)
    if addresses:
        servers: list[str | dns.nameserver.Nameserver] = []
        for text in addresses:
            host, _, port = text.rpartition(":")
            if not host or "]" in port:
                host, port = text, "53"
            servers.append(dns.nameserver.Do53Nameserver(host.strip("[]"), int(port)))
        resolver.nameservers = servers
    resolver.lifetime = lifetime
    resolver.timeout = timeout
    return resolver


def asker(resolver: dns.asyncresolver.Resolver) -> Ask:
    """Return the function that asks the DNS one question; it raises Unroutable(451) when it got no answer."""

    async def ask(name: str, kind: str) -> Answer:
        try:
            found = await resolver.resolve(name, kind, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return Answer((), 0.0, exists=False)
        except (dns.exception.DNSException, OSError) as error:
            # SERVFAIL and silence are never a bounce and never a reason to try the A record.
            raise Unroutable(
                451, f"4.4.3 DNS lookup of {name} {kind} failed: {type(error).__name__}"
            ) from error
        if found.rrset is None:
            return Answer((), 0.0)
        ttl = float(found.rrset.ttl)
        if kind == "MX":
            pairs = tuple(
                (record.preference, record.exchange.to_text(True).lower()) for record in found.rrset
            )
        else:
            pairs = tuple((0, record.address) for record in found.rrset)
        return Answer(pairs, ttl)

    return ask


@dataclass(frozen=True, slots=True)
class Memory:
    """How many answers are kept and for how long, in seconds, whatever the DNS says."""

    entries: int = 100_000
    least_ttl: float = 30.0
    most_ttl: float = 86400.0
    negative_ttl: float = 60.0


@dataclass
class Resolver:
    """Answers `hosts(domain)` from its memory or the DNS."""

    ask: Ask
    ipv6: bool = True
    allow_private: bool = False
    memory: Memory = Memory()
    clock: Callable[[], float] = time.monotonic
    chance: random.Random = field(default_factory=random.Random)
    _kept: OrderedDict[tuple[str, str], tuple[float, Answer]] = field(default_factory=OrderedDict)
    _asked: dict[tuple[str, str], "asyncio.Task[Answer]"] = field(default_factory=dict)

    async def lookup(self, name: str, kind: str) -> Answer:
        """Return the DNS's answer, remembered for its TTL; identical questions under way are asked once."""
        key = (name, kind)
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self.clock():
            return kept[1]
        task = self._asked.get(key)
        if task is None:
            task = asyncio.ensure_future(self.ask(name, kind))
            self._asked[key] = task
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        answer = await asyncio.shield(task)
        ttl = min(max(answer.ttl, self.memory.least_ttl), self.memory.most_ttl)
        self._kept[key] = (self.clock() + (ttl if answer.values else self.memory.negative_ttl), answer)
        self._kept.move_to_end(key)
        while len(self._kept) > self.memory.entries:
            self._kept.popitem(last=False)
        return answer

    async def hosts(self, domain: str) -> list[Host]:
        """Return the addresses to try for a domain, best first; raise Unroutable.

        Equal preferences come in random order (RFC 5321 5.1). A domain without MX is its own host; one with
        a null MX takes no mail (RFC 7505).
        """
        mx = await self.lookup(domain, "MX")
        if not mx.exists:
            raise Unroutable(550, f"5.1.2 the domain {domain} does not exist")
        if mx.values and all(name in ("", ".") for _, name in mx.values):
            raise Unroutable(556, f"5.1.10 the domain {domain} accepts no mail (null MX)")
        names = [(preference, name) for preference, name in mx.values if name not in ("", ".")]
        ranked = sorted(names or [(0, domain)], key=lambda pair: (pair[0], self.chance.random()))[:MAX_HOSTS]
        out: list[Host] = []
        trouble: Unroutable | None = None
        refused = False
        for _, name in ranked:
            try:
                addresses = await self._addresses(name)
            except Unroutable as error:
                trouble = error
                continue
            for address in addresses:
                if not self.allow_private and is_private(address):
                    refused = True
                    continue
                out.append(Host(name, address))
            if len(out) >= MAX_ADDRESSES:
                break
        if out:
            return out[:MAX_ADDRESSES]
        if trouble is not None:
            raise trouble
        if refused:
            raise Unroutable(550, f"5.4.4 the mail hosts of {domain} have only private addresses")
        if names:
            # The hosts may get their addresses back; only NXDOMAIN of the domain itself is final.
            raise Unroutable(451, f"4.4.4 no mail host of {domain} has an address")
        raise Unroutable(550, f"5.4.4 the domain {domain} has neither MX nor address records")

    async def _addresses(self, name: str) -> list[str]:
        try:
            return [str(ipaddress.ip_address(name))]  # an MX that is an address: wrong, and tolerated
        except ValueError:
            pass
        kinds = ("AAAA", "A") if self.ipv6 else ("A",)
        answers = await asyncio.gather(*(self.lookup(name, kind) for kind in kinds), return_exceptions=True)
        found: list[str] = []
        for answer in answers:
            if isinstance(answer, Answer):
                found += [value for _, value in answer.values]
        if not found:
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
        return found


def is_private(address: str) -> bool:
    """Return whether an address is not one of the public Internet's (also ::ffff: forms of such)."""
    parsed = ipaddress.ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return not (mapped or parsed).is_global
