"""Recipient domain to hosts: MX by preference, their addresses, and what their absence means.

`question` asks the DNS and `memory` remembers; this module decides (RFC 5321 section 5.1, RFC 7505). Identical
questions under way are asked once, and no more than a number at a time, so that 50,000 small domains cost neither a
lookup per message nor all of the process's file descriptors.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mta.net.hosts import MAX_ADDRESSES, Host, in_turn, share
from mta.net.memory import Memory, Recall
from mta.net.question import Answer, Ask, Unroutable, asker, nameservers
from mta.net.ranges import is_private, literal

__all__ = [
    "Answer", "Ask", "Exchangers", "Host", "Memory", "Resolver", "Unroutable", "asker", "is_private",
    "nameservers",
]  # fmt: skip

MAX_HOSTS = 16  # MX hosts looked at


@dataclass(frozen=True, slots=True)
class Exchangers:
    """The mail hosts of a domain, the best preference first and equal ones by name; never none.

    `implicit`: the domain has no MX and is its own host. `ttl`: seconds for which this holds. `secure`: validated.
    """

    names: tuple[str, ...]
    implicit: bool
    ttl: float
    secure: bool


@dataclass
class Resolver:
    """Answers `exchangers(domain)` and `hosts(domain)` from its memory or the DNS.

    `own` names and addresses of this machine: an MX that is one of them, and every worse one, is no way out
    (RFC 5321 section 5.1). `parallel` questions are under way at most.
    """

    ask: Ask
    ipv6: bool = True
    allow_private: bool = False
    memory: Memory = field(default_factory=Memory)
    clock: Callable[[], float] = time.monotonic
    chance: random.Random = field(default_factory=random.Random)
    own: frozenset[str] = frozenset()
    parallel: int = 256
    recall: Recall = field(default_factory=Recall)
    _asked: dict[tuple[str, str], "asyncio.Task[Answer]"] = field(default_factory=dict)
    _turn: asyncio.Semaphore | None = None

    def __repr__(self) -> str:
        return f"<Resolver {self.recall!r}, {len(self._asked)} questions under way>"

    def become(self, other: "Resolver") -> None:
        """Ask and answer as `other` would from now on, whoever holds this one.

        What is remembered stays: it is no worse than it was, and ends with its time.
        """
        self.ask, self.ipv6, self.allow_private = other.ask, other.ipv6, other.allow_private
        self.memory, self.parallel, self._turn = other.memory, other.parallel, None

    async def lookup(self, name: str, kind: str) -> Answer:
        """Return the DNS's answer, remembered for its TTL; raise Unroutable when it has none to give.

        Identical questions under way are asked once. An answer whose time is over serves for `memory.stale` more
        when nobody answers.
        """
        key = (name, kind)
        known = self.recall.fresh(key, self.clock())
        if known is not None:
            return known[0]
        task = self._asked.get(key)
        if task is None:
            task = asyncio.ensure_future(self._learn(name, kind))
            self._asked[key] = task
            task.add_done_callback(lambda done: self._learnt(key, done))
        return await asyncio.shield(task)

    async def _learn(self, name: str, kind: str) -> Answer:
        turn = self._turn
        if turn is None:
            turn = self._turn = asyncio.Semaphore(self.parallel)
        key = (name, kind)
        try:
            async with turn:
                answer = await self.ask(name, kind)
        except Unroutable as error:
            if error.reply.kind != 4:
                raise
            old = self.recall.failed(key, error.reply.text, self.memory, self.clock())
            if old is None:
                raise
            return old
        self.recall.put(key, answer, self.memory, self.clock())
        return answer

    def _learnt(self, key: tuple[str, str], done: "asyncio.Task[Answer]") -> None:
        self._asked.pop(key, None)
        if not done.cancelled():
            done.exception()  # seen: those who asked may all have gone

    async def exchangers(self, domain: str) -> Exchangers:
        """Return the mail hosts of a domain; raise Unroutable (null MX, NXDOMAIN, no answer).

        A domain without MX is its own host, and so is an address literal; whether hosts have addresses is not
        asked here.
        """
        if literal(domain):
            return Exchangers((domain.lower(),), True, self.memory.most_ttl, False)
        mx = await self.lookup(domain, "MX")
        known = self.recall.fresh((domain, "MX"), self.clock())
        return Exchangers(_names(domain, mx), not mx.values, known[1] if known else 0.0, mx.secure)

    def known(self, domain: str) -> Exchangers | None:
        """Return what `exchangers` would, from memory alone; None when it would have to ask or to refuse.

        Called for every message: what an answer means is worked out once.
        """
        now = self.clock()
        kept = self.recall.peek((domain, "MX"), now)
        if kept is None or kept.answer is None:
            return None
        if not kept.names:
            try:
                kept.names = _names(domain, kept.answer)
            except Unroutable:
                return None
        return Exchangers(kept.names, not kept.answer.values, kept.fresh_until - now, kept.answer.secure)

    async def hosts(self, domain: str) -> list[Host]:
        """Return the addresses to try for a domain, best first and at most MAX_ADDRESSES; raise Unroutable.

        Equal preferences come in random order (RFC 5321 5.1), IPv6 and IPv4 addresses of a host in turn. A domain
        without MX is its own host; one with a null MX takes no mail (RFC 7505).
        """
        address = literal(domain)
        if address:
            if is_private(address) and not self.allow_private:
                raise Unroutable(550, f"5.4.4 the address {domain} is a private one")
            return [Host(domain.lower(), address)]
        mx = await self.lookup(domain, "MX")
        names = _names(domain, mx)
        found: list[list[Host]] = []
        trouble: Unroutable | None = None
        refused = False
        loop = False
        for tier in self._tiers(domain, mx):
            tier_hosts: list[list[Host]] = []
            for name in tier:
                try:
                    hosts = await self._addresses(name, mx.secure)
                except Unroutable as error:
                    trouble = error
                    continue
                loop = loop or name in self.own or any(host.address in self.own for host in hosts)
                allowed = [host for host in hosts if self.allow_private or not is_private(host.address)]
                refused = refused or len(allowed) < len(hosts)
                if allowed:
                    tier_hosts.append(allowed)
            if loop:
                break  # this tier and all worse ones lead back to us
            found += tier_hosts
            if len(found) > 1 and sum(map(len, found)) >= MAX_ADDRESSES:
                break
        if found:
            return share(found)
        if loop:
            raise Unroutable(550, f"5.4.6 mail for {domain} loops back to this host")
        if trouble is not None:
            raise trouble
        if refused:
            raise Unroutable(550, f"5.4.4 the mail hosts of {domain} have only private addresses")
        if mx.values:
            # The hosts may get their addresses back; only NXDOMAIN of the domain itself is final.
            raise Unroutable(451, f"4.4.4 no mail host of {domain} has an address")
        raise Unroutable(550, f"5.4.4 the domain {names[0]} has neither MX nor address records")

    async def addresses(self, host: str) -> list[Host]:
        """Return the addresses of a host the operator named (`relay.test`, `[192.0.2.1]`); raise Unroutable.

        No MX is asked for, and private addresses are allowed: a stranger's DNS did not choose this host.
        """
        found = await self._addresses(host, False)
        if not found:
            raise Unroutable(451, f"4.4.4 the host {host} has no address")
        return found[:MAX_ADDRESSES]

    def _tiers(self, domain: str, mx: Answer) -> Iterator[list[str]]:
        """Give the hosts of one preference after the other, in random order within it; MAX_HOSTS in all."""
        ranked = [pair for pair in mx.values if pair[1] not in ("", ".")] or [(0, domain)]
        room = MAX_HOSTS
        for preference in sorted({pair[0] for pair in ranked}):
            tier = list(dict.fromkeys(name for rank, name in ranked if rank == preference))
            self.chance.shuffle(tier)
            yield tier[:room]
            room -= len(tier)
            if room <= 0:
                return

    async def _addresses(self, name: str, secure: bool) -> list[Host]:
        address = literal(name) or literal(f"[{name}]")
        if address:
            return [Host(name, address)]  # an MX that is an address: wrong, and tolerated
        kinds = ("AAAA", "A") if self.ipv6 else ("A",)
        answers = await asyncio.gather(*(self.lookup(name, kind) for kind in kinds), return_exceptions=True)
        families: list[list[Host]] = []
        for answer in answers:
            if isinstance(answer, Answer) and answer.values:
                canonical = "" if answer.canonical == name else answer.canonical
                safe = secure and answer.secure
                hosts = [Host(name, value, safe, canonical) for _, value in answer.values]
                self.chance.shuffle(hosts)
                families.append(hosts[:MAX_ADDRESSES])
        if not families:
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
        return in_turn(families)


def _names(domain: str, mx: Answer) -> tuple[str, ...]:
    """Return the host names of an MX answer; raise Unroutable where it says that no mail is taken."""
    if not mx.exists:
        raise Unroutable(550, f"5.1.2 the domain {domain} does not exist")
    names = [name for _, name in sorted(mx.values) if name not in ("", ".")]
    if mx.values and not names:
        if any(name == "." for _, name in mx.values):
            raise Unroutable(556, f"5.1.10 the domain {domain} accepts no mail (null MX)")
        raise Unroutable(451, f"4.4.4 the MX records of {domain} name no host")
    return tuple(dict.fromkeys(names))[:MAX_HOSTS] or (domain,)
