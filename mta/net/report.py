"""A TLS report handed in over HTTPS (RFC 8460 section 5.4): to a public address, without redirects, within a time."""

import ipaddress
import ssl
from dataclasses import dataclass

import aiohttp
from yarl import URL

from mta.net.https import Addresses
from mta.net.ranges import is_private
from mta.net.resolver import Resolver

KIND = "application/tlsrpt+gzip"


@dataclass(frozen=True, slots=True)
class ReportPost:
    """Called with a URL and a report, returns why it was not taken; empty when it was. `seconds` for all of it.

    The certificate is not looked at: section 3 has reports delivered whatever is wrong with TLS, and they hold
    nothing that is secret.
    """

    resolver: Resolver
    seconds: float = 60.0

    async def __call__(self, url: str, body: bytes) -> str:
        try:
            target = URL(url)
        except ValueError as error:
            return f"not a URL: {error}"[:500]
        if not self.resolver.allow_private and _private(target.host or ""):
            return "its address is private"
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connector = aiohttp.TCPConnector(
            resolver=Addresses(self.resolver), ssl=context, use_dns_cache=False, force_close=True
        )
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=aiohttp.ClientTimeout(total=self.seconds),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    headers={"Content-Type": KIND},
                ) as session,
                session.post(target, data=body, allow_redirects=False) as response,
            ):
                return "" if 200 <= response.status < 300 else f"status {response.status}"
        except TimeoutError:
            return "timed out"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return str(error)[:500] or type(error).__name__


def _private(host: str) -> bool:
    """Return whether a URL's host is an address we do not send to; aiohttp asks no resolver about addresses."""
    try:
        return is_private(str(ipaddress.ip_address(host)))
    except ValueError:
        return False
