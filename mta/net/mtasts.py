"""MTA-STS policies as a worker knows them: asked for once, kept by all, never dropped because a fetch failed.

The pure part is `mta.policy.mtasts`; the file is fetched by `mta.net.https`. A policy binds until its time is over,
whatever becomes of the TXT record or the web server meanwhile: that is its whole worth (RFC 8461 section 5.1).
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from mta.net.question import Unroutable
from mta.net.ranges import literal
from mta.net.resolver import Resolver
from mta.policy.mtasts import BadPolicy, Held, Policy, announced, parse, unpacked

_log = logging.getLogger("mta.net")
CHECK_SECONDS = 3600.0  # between two looks at a domain's TXT record
RETRY_SECONDS = 300.0  # after a fetch that failed (section 3.3)
MOST_DOMAINS = 100_000


class FetchFault(Exception):
    """The policy file can't be had; `fault` is a result type of RFC 8460 section 4.3."""

    def __init__(self, fault: str, why: str) -> None:
        super().__init__(why)
        self.fault = fault


class Cache(Protocol):
    """What processes share; neither method raises: a cache that is away knows nothing."""

    async def get(self, domain: str) -> str | None:
        """Return the document kept for a domain, or None."""

    async def put(self, domain: str, document: str, seconds: float) -> None:
        """Keep a document for so many seconds."""


Fetch = Callable[[str], Awaitable[str]]  # domain to the policy file's text; raises FetchFault


@dataclass(frozen=True, slots=True)
class _Known:
    held: Held | None
    check_at: float
    fault: str = ""


class StsPolicies:
    """Answers which policy binds for a domain now."""

    def __init__(
        self,
        resolver: Resolver,
        fetch: Fetch,
        cache: Cache | None = None,
        clock: Callable[[], float] = time.time,
        most: int = MOST_DOMAINS,
    ) -> None:
        self.resolver = resolver
        self.fetch = fetch
        self.cache = cache
        self.clock = clock
        self.most = most
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._asked: dict[str, asyncio.Task[_Known]] = {}

    def __repr__(self) -> str:
        return f"<StsPolicies {len(self._known)} domains>"

    async def policy(self, domain: str) -> Policy | None:
        """Return the policy that binds for a domain, of whatever mode; None without one. Never raises."""
        now = self.clock()
        known = self._known.get(domain)
        # A clock set back by hours must not keep an old answer for as long.
        if known is None or not known.check_at - CHECK_SECONDS <= now < known.check_at:
            if literal(domain):
                return None
            known = await self._once(domain)
        if known.held is not None and known.held.holds(now):
            return known.held.policy
        return None

    def mode(self, domain: str) -> str | None:
        """Return the mode of the policy that binds for a domain, `none` without one; None when it is to be asked."""
        now = self.clock()
        known = self._known.get(domain)
        if known is None or not known.check_at - CHECK_SECONDS <= now < known.check_at:
            return "none" if literal(domain) else None
        return known.held.policy.mode if known.held is not None and known.held.holds(now) else "none"

    def fault(self, domain: str) -> str:
        """Return why the last fetch for a domain failed (a TLS-RPT result type); empty when it did not."""
        known = self._known.get(domain)
        return known.fault if known else ""

    async def _once(self, domain: str) -> _Known:
        task = self._asked.get(domain)
        if task is None:
            task = asyncio.ensure_future(self._check(domain))
            self._asked[domain] = task
            task.add_done_callback(lambda _: self._asked.pop(domain, None))
        return await asyncio.shield(task)

    async def _check(self, domain: str) -> _Known:
        now = self.clock()
        before = self._known.get(domain)
        held = before.held if before else None
        name = await self._announced(domain)
        if self.cache is not None and (held is None or held.id != name or held.due(now)):
            held = self._newer(held, await self.cache.get(domain))
        known = _Known(held, now + CHECK_SECONDS)
        if name and (held is None or held.id != name or held.due(now)):
            known = await self._fetched(domain, name, held)
        self._known[domain] = known
        self._known.move_to_end(domain)
        while len(self._known) > self.most:
            self._known.popitem(last=False)
        return known

    async def _announced(self, domain: str) -> str:
        """Return the id of the domain's policy; empty without one, and when the DNS does not say."""
        try:
            answer = await self.resolver.lookup(f"_mta-sts.{domain}", "TXT")
        except Unroutable:
            return ""
        return announced([text for _, text in answer.values])

    async def _fetched(self, domain: str, name: str, held: Held | None) -> _Known:
        try:
            policy = parse(await self.fetch(domain))
        except (FetchFault, BadPolicy) as error:
            fault = error.fault if isinstance(error, FetchFault) else "sts-policy-invalid"
            _log.warning("MTA-STS policy of %s can't be had: %s", domain, error)
            return _Known(held, self.clock() + RETRY_SECONDS, fault)
        now = self.clock()
        fresh = Held(policy, name, now)
        if self.cache is not None:
            await self.cache.put(domain, fresh.packed(), float(policy.max_age))
        return _Known(fresh, now + CHECK_SECONDS)

    @staticmethod
    def _newer(held: Held | None, document: str | None) -> Held | None:
        other = unpacked(document) if document else None
        if other is None or (held is not None and held.fetched_at >= other.fetched_at):
            return held
        return other
