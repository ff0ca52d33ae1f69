"""Which IP addresses are the public Internet's, and how address literals spell them."""

import ipaddress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


def is_private(address: str) -> bool:
    """Return whether an address is not one of the public Internet's.

    Addresses that carry an IPv4 address (::ffff:0:0/96, 6to4, NAT64) are judged by that too; groups (multicast) are
    nobody's mail host.
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return is_private(str(parsed.ipv4_mapped))
        inner = parsed.sixtofour
        if parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None and is_private(str(inner)):
            return True
    return parsed.is_multicast or not (parsed.is_global or parsed in _NAT64)


def literal(domain: str) -> str:
    """Return the address of `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3), empty for a name."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return ""
    inner = domain[1:-1]
    if inner[:5].lower() == "ipv6:":
        inner = inner[5:]
    if "%" in inner:
        return ""  # a zone index names an interface of this machine, which no stranger may choose
    try:
        return str(ipaddress.ip_address(inner))
    except ValueError:
        return ""
