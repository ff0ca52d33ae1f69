"""Fetch a domain's MTA-STS policy file: HTTPS to a public address, a good certificate, no redirects, bounds on all.

The addresses come from our own resolver, so that a policy host can't lead the fetch into the operator's own network.
"""

import asyncio
import errno
import socket
import ssl
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from mta.net.mtasts import FetchFault
from mta.net.question import Unroutable
from mta.net.ranges import is_private
from mta.net.resolver import Resolver
from mta.policy.mtasts import MOST_BYTES

PATH = "/.well-known/mta-sts.txt"  # RFC 8461 section 3.3


class Addresses(AbstractResolver):
    """Names to addresses for aiohttp, by our resolver and its rules."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = []
        for kind in ("A", "AAAA") if self._resolver.ipv6 else ("A",):
            try:
                answer = await self._resolver.lookup(host, kind)
            except Unroutable as error:
                raise OSError(errno.EHOSTUNREACH, error.reply.text) from error
            found += [value for _, value in answer.values]
        public = [one for one in found if self._resolver.allow_private or not is_private(one)]
        if not public:
            why = "it has only private addresses" if found else "it has no address"
            raise OSError(errno.EHOSTUNREACH, why)
        return [
            ResolveResult(
                hostname=host,
                host=one,
                port=port,
                family=socket.AF_INET6 if ":" in one else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for one in public
        ]

    async def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class PolicyFetch:
    """Called with a domain, returns its policy file; raises FetchFault. `seconds` for all of it (section 3.3: 60).

    `context` None: the system's authorities. Another `port` than 443 is for tests.
    """

    resolver: Resolver
    context: ssl.SSLContext | None = None
    seconds: float = 60.0
    port: int = 443

    async def __call__(self, domain: str) -> str:
        url = f"https://mta-sts.{domain}" + (f":{self.port}" if self.port != 443 else "") + PATH
        # A session per fetch: one a day and domain; an idle pool would be kept for nothing.
        connector = aiohttp.TCPConnector(
            resolver=Addresses(self.resolver),
            ssl=self.context if self.context is not None else True,
            use_dns_cache=False,
            force_close=True,
        )
        try:
            async with aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=self.seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"Accept": "text/plain", "Accept-Encoding": "identity"},
            ) as session:
                return await self._get(session, url)
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            raise FetchFault("sts-webpki-invalid", f"{url}: {error}"[:500]) from error
        except (aiohttp.ClientError, OSError, TimeoutError, asyncio.LimitOverrunError, ValueError) as error:
            why = "timed out" if isinstance(error, TimeoutError) else str(error)
            raise FetchFault("sts-policy-fetch-error", f"{url}: {why}"[:500]) from error

    async def _get(self, session: aiohttp.ClientSession, url: str) -> str:
        async with session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise FetchFault("sts-policy-fetch-error", f"{url}: status {response.status}")
            if response.content_type != "text/plain":
                raise FetchFault(
                    "sts-policy-fetch-error", f"{url}: is {response.content_type[:100]}, not text/plain"
                )
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise FetchFault("sts-policy-invalid", f"{url}: has over {MOST_BYTES} octets")
            return body.decode("utf-8", "replace")
