"""Domain to site: asked of the process's memory, then of Redis, then of the DNS, each domain once at a time.

A site is only where a message waits and which limits it shares, so a slow or broken DNS never holds mail up: a domain
that can't be looked up in time waits under its own name, and the worker that meets it looks again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mta.queue.link import QueueDown

CACHED = 200_000  # domains
LOOKUPS = 64  # at once
SECONDS = 2.0  # for the DNS, for all domains of one question together
LONGEST = 30.0  # seconds that a lookup may go on after nobody waits for it any more
RETRY_SECONDS = 60.0  # until a domain that could not be looked up is asked again


@dataclass(frozen=True, slots=True)
class Found:
    """What the DNS and the site rules say of a domain, and for how many seconds."""

    site: str
    seconds: float


class Kept(Protocol):
    """Where sites are kept beyond this process (mta.queue.sites)."""

    async def get(self, domains: Sequence[str]) -> dict[str, str]: ...
    async def put(self, found: dict[str, tuple[str, float]]) -> None: ...


Lookup = Callable[[str], Awaitable[Found | None]]  # None: no answer now


class Routing:
    """Sites of domains; `lookup` asks the DNS and applies the site rules."""

    def __init__(self, kept: Kept | None = None, lookup: Lookup | None = None) -> None:
        self.kept = kept
        self.lookup = lookup
        self._known: dict[str, tuple[str, float]] = {}
        self._asking: dict[str, asyncio.Task[Found | None]] = {}
        self._slots = asyncio.Semaphore(LOOKUPS)

    def __repr__(self) -> str:
        return f"<Routing {len(self._known)} domains>"

    async def of(self, domains: set[str]) -> dict[str, str]:
        """Return each domain's site; a domain without an answer is its own site."""
        now = time.monotonic()
        out, missing = {}, []
        for domain in domains:
            site, until = self._known.get(domain, ("", 0.0))
            if until > now:
                out[domain] = site
            else:
                missing.append(domain)
        if missing:
            out |= await self._find(missing)
        return out

    async def _find(self, domains: list[str]) -> dict[str, str]:
        if self.lookup is None:
            return {domain: domain for domain in domains}
        out: dict[str, str] = {}
        if self.kept is not None:
            out = await self.kept.get(domains)
            for domain, site in out.items():
                self._remember(domain, site, RETRY_SECONDS)
        asked = [domain for domain in domains if domain not in out]
        fresh: dict[str, tuple[str, float]] = {}
        if asked:
            tasks = {domain: self._asking.get(domain) or self._begin(self.lookup, domain) for domain in asked}
            await asyncio.wait(tasks.values(), timeout=SECONDS)
            for domain, task in tasks.items():
                # One that takes longer goes on: others may wait for it, and its answer may come in time for the next.
                found = task.result() if task.done() and not task.cancelled() else None
                if found is None:
                    out[domain] = domain
                    self._remember(domain, domain, RETRY_SECONDS)
                else:
                    out[domain] = found.site
                    fresh[domain] = (found.site, found.seconds)
                    self._remember(domain, found.site, found.seconds)
        if fresh and self.kept is not None:
            try:
                await self.kept.put(fresh)
            except QueueDown:
                pass  # it is only kept for others: they can ask for themselves
        return out

    def _begin(self, lookup: Lookup, domain: str) -> "asyncio.Task[Found | None]":
        task = self._asking[domain] = asyncio.ensure_future(self._ask(lookup, domain))
        task.add_done_callback(lambda _: self._asking.pop(domain, None))
        return task

    async def _ask(self, lookup: Lookup, domain: str) -> Found | None:
        async with self._slots:
            try:
                async with asyncio.timeout(LONGEST):
                    return await lookup(domain)
            except TimeoutError:
                return None

    def _remember(self, domain: str, site: str, seconds: float) -> None:
        if len(self._known) >= CACHED:
            self._known.pop(next(iter(self._known)))
        self._known[domain] = (site, time.monotonic() + seconds)
