"""Which mail is to be transcribed: `site:google`, `domain:example.net`, `tenant:acme`, `campaign:acme/spring`."""

from collections.abc import Iterable
from dataclasses import dataclass

from mta.address import AddressError, domain_of
from mta.identity import is_id

KINDS = ("site", "domain", "tenant", "campaign")
MOST = 100


class ScopeError(ValueError):
    """A text that is no scope; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Scopes:
    """The scopes by kind; of a campaign "<tenant>|<campaign>", of domains those of recipients."""

    sites: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    campaigns: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.sites or self.narrow)

    @property
    def narrow(self) -> bool:
        """Whether single messages of a session can be wanted, whatever its site."""
        return bool(self.domains or self.tenants or self.campaigns)

    def message(self, lane: str, rcpt: str) -> bool:
        """Return whether a message of this lane to this address is wanted."""
        if self.domains and rcpt.rpartition("@")[2] in self.domains:
            return True
        _, _, _, tenant, campaign = lane.split("|")
        return tenant in self.tenants or f"{tenant}|{campaign}" in self.campaigns


def parse(texts: Iterable[str]) -> Scopes:
    """Return the scopes that texts spell; raise ScopeError."""
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for number, text in enumerate(texts):
        kind, colon, name = text.partition(":")
        if number >= MOST:
            raise ScopeError(f"more than {MOST} scopes; name a site in place of its domains")
        if not colon or kind not in found or not name:
            raise ScopeError(
                f"{text[:80]!r} is no scope; write site:, domain:, tenant: or campaign: and a name"
            )
        found[kind].add(_name(kind, name))
    return Scopes(*(frozenset(found[kind]) for kind in KINDS))


def _name(kind: str, name: str) -> str:
    if kind == "domain":
        try:
            return domain_of(name)
        except AddressError:
            raise ScopeError(f"{name[:80]!r} is no domain; write domain:example.net") from None
    if kind == "campaign":
        tenant, slash, campaign = name.partition("/")
        if not (slash and is_id(tenant) and is_id(campaign)):
            raise ScopeError(f"{name[:80]!r} is no campaign; write campaign:acme/spring-26")
        return f"{tenant}|{campaign}"
    if kind == "tenant" and not is_id(name):
        raise ScopeError(f"{name[:80]!r} is no tenant; write tenant:acme")
    return name.lower() if kind == "site" else name
