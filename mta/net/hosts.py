"""Addresses of mail hosts, and which of them a delivery tries, in what order."""

from dataclasses import dataclass

MAX_ADDRESSES = 5  # tried per delivery, as Postfix does (smtp_mx_address_limit)
MAX_OF_HOST = 3  # of these, when another host has addresses too: one dead machine must not use up the tries


@dataclass(frozen=True, slots=True)
class Host:
    """One address of one mail host; `secure` when MX and address were both validated (RFC 7672 section 2.2)."""

    name: str
    address: str
    secure: bool = False
    canonical: str = ""  # the host's name at the end of its CNAMEs, where it has such


def in_turn(families: list[list[Host]]) -> list[Host]:
    """Return the addresses of a host, one of each family after the other (happy fall-back, RFC 8305 section 4)."""
    longest = max(map(len, families), default=0)
    return [family[n] for n in range(longest) for family in families if n < len(family)]


def share(found: list[list[Host]]) -> list[Host]:
    """Return MAX_ADDRESSES of the hosts' addresses in the hosts' order, not all of them of the first host."""
    if sum(map(len, found)) <= MAX_ADDRESSES:
        return [host for hosts in found for host in hosts]
    counts = [0] * len(found)
    room = MAX_ADDRESSES
    for most in (1, MAX_OF_HOST, MAX_ADDRESSES):
        for n, hosts in enumerate(found):
            more = min(min(most, len(hosts)) - counts[n], room)
            counts[n] += more
            room -= more
    return [host for count, hosts in zip(counts, found, strict=True) for host in hosts[:count]]
