"""What a request tells of the person behind it: address (shortened as the tenant wishes), program, proxy."""

import ipaddress
from collections.abc import Sequence
from typing import Final

MAX_AGENT: Final = 300
MAX_FORWARDED: Final = 20  # addresses looked at in X-Forwarded-For

# Fetchers that stand between the reader and us: an open through them says that mail arrived, not that it was read.
_PROXIES = (
    ("googleimageproxy", "google"),
    ("yahoomailproxy", "yahoo"),
    ("barracuda", "scanner"),
    ("mimecast", "scanner"),
    ("proofpoint", "scanner"),
    ("urldefense", "scanner"),
    ("safelinks", "scanner"),
    ("bot", "scanner"),
    ("crawler", "scanner"),
    ("spider", "scanner"),
    ("python-requests", "scanner"),
    ("curl/", "scanner"),
)
_APPLE = "mozilla/5.0"  # Apple's Mail Privacy Protection says this and nothing more


def client_ip(remote: str, forwarded: Sequence[str], trusted_hops: int) -> str:
    """Return the client's address, or an empty text when there is none.

    `forwarded` are the X-Forwarded-For fields. Each trusted proxy adds the address it saw, so with n of
    them the n-th from the end is the client's; what stands before it anyone may have written.
    """
    seen = [part.strip() for field in forwarded for part in field.split(",")][-MAX_FORWARDED:]
    addresses = [*seen, remote]
    found = addresses[max(0, len(addresses) - 1 - trusted_hops)]
    return _parsed(found) or _parsed(remote)


def private(ip: str, policy: str) -> str:
    """Return the address as the tenant's privacy asks: `keep`, `drop`, else cut to its /24 or /48."""
    if not ip or policy == "drop":
        return ""
    if policy == "keep":
        return ip
    bits = 24 if "." in ip else 48
    return str(ipaddress.ip_network(f"{ip}/{bits}", strict=False).network_address)


def agent_of(header: str) -> str:
    """Return the User-Agent, printable and cut."""
    return "".join(char if char.isprintable() else "?" for char in header[:MAX_AGENT])


def proxy_of(agent: str) -> str:
    """Return the kind of proxy or scanner that a User-Agent tells of, or an empty text."""
    low = agent.lower()
    if low == _APPLE:
        return "apple"
    return next((kind for piece, kind in _PROXIES if piece in low), "")


def _parsed(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        return ""
    return str(mapped or address)
