"""Settings by recipients' domain: `[tls."<pattern>"]`, the TLS its mail needs, and `[[routes]]`, hosts in place of MX.

A pattern is `example.com`, `*.example.com` (all below it) or `*` (all that no other covers), the nearest counts.
Their number is the operator's choice, so they stand beside the fixed tree (mta.config.tree) and are read by its rules.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated as A
from typing import Literal

from mta.config.units import Bounds
from mta.policy.patterns import PatternError, Patterns
from mta.policy.routes import Route, RouteError, Routes
from mta.policy.tls import Level, Rule

_LEVELS = {
    "none": Level.NONE, "may": Level.MAY, "encrypt": Level.ENCRYPT, "verify": Level.VERIFY, "dane": Level.DANE,
}  # fmt: skip
_NAMES = 'names asked for in the certificate, ".example.com" for all below it; empty = the host\'s'


@dataclass(frozen=True, slots=True)
class DomainTls:
    """[tls."<pattern>"]: the operator's rule for domains; a policy that a domain publishes may ask for more."""

    level: A[
        Literal["none", "may", "encrypt", "verify", "dane"],
        "none: in clear; may: encrypt where offered; encrypt: TLS or wait; verify: and a good certificate;"
        " dane: one that signed DNS names",
    ] = "may"
    names: A[tuple[str, ...], _NAMES] = ()


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """[[routes]]: a host that takes the mail of the domains in place of their own hosts."""

    host: A[str, 'name or "[address]" of the host to send to; no MX is asked for'] = ""
    port: A[int, Bounds(1, 65535), "port of that host"] = 587
    domains: A[
        tuple[str, ...], 'recipients\' domains: "example.com", "*.example.com", "*" for all others'
    ] = ("*",)
    tls: A[
        Literal["none", "may", "encrypt", "verify"], "what TLS it must have; a login needs encrypt or verify"
    ] = "verify"
    implicit: A[bool, "TLS from the first byte, as on port 465"] = False
    user: A[str, "who to log in as; empty = no login"] = ""
    password_file: A[str, "file whose first line is the password"] = ""
    names: A[tuple[str, ...], _NAMES] = ()


def rules(settings: Iterable[tuple[str, DomainTls]]) -> Patterns[Rule]:
    """Return the operator's rules by domain; raise PatternError, which quotes the pattern."""
    return Patterns((pattern, Rule(_LEVELS[one.level], one.names)) for pattern, one in settings)


def routes(settings: Iterable[RouteSettings]) -> Routes:
    """Return the routes by domain; raise RouteError, which names the member and the cure."""
    return Routes(_numbered(settings))


def fault(tls: Iterable[tuple[str, DomainTls]], given: Iterable[RouteSettings]) -> str:
    """Return what is wrong with these tables, by the setting's name; empty when they can be used."""
    for pattern, one in tls:
        if one.names and one.level != "verify":
            return f'`tls."{pattern}".names` is for level = "verify"; take it out or write that level'
    try:
        rules(tls)
    except PatternError as error:
        return f"`tls`: {error}"
    try:
        routes(given)
    except RouteError as error:
        return f"`routes`: {error}"
    return ""


def _numbered(settings: Iterable[RouteSettings]) -> Iterator[Route]:
    for number, one in enumerate(settings, 1):
        try:
            yield Route(
                one.host,
                one.port,
                one.domains,
                _LEVELS[one.tls],
                one.implicit,
                one.user,
                one.password_file,
                one.names,
            )
        except RouteError as error:
            raise RouteError(f"number {number}, {error}") from None
