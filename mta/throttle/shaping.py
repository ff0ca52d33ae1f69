"""Which site a domain belongs to and what that site is given, looked up in tables.

A Shaping is what a shaping file says (`shapefile.parse`), ready for thousands of questions a second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mta.throttle.limits import BUILT_IN, Limits
from mta.throttle.reactions import Rule
from mta.throttle.site import named, plain

Reactions = Mapping[str, tuple[Rule, ...]]  # by class of answer
EVERY_OTHER = "*"  # the row of a table for sites without one of their own


@dataclass(frozen=True, slots=True)
class Shaping:
    """Sites and their limits; without arguments no provider is known and every site has the built-in limits."""

    default: Limits = BUILT_IN
    own: Mapping[str, Limits] = field(default_factory=dict)  # by site, where they differ by a section
    domains: Mapping[str, str] = field(default_factory=dict)  # recipient domain -> site
    hosts: Mapping[str, str] = field(default_factory=dict)  # MX host, or .suffix of one -> provider
    providers: frozenset[str] = frozenset()
    reactions: Mapping[str, Reactions] = field(default_factory=dict)  # by site, "*" for every other

    def site(self, domain: str, exchangers: Sequence[str]) -> str:
        """Return the site of a domain whose MX hosts are `exchangers`, best first, equal ones by name.

        In this order: the provider or section that names the domain; the provider whose pattern fits the best
        host; the domain itself when its best host lies inside it or it has none; else the best host's
        name, so that domains of one mail host share a site. The best host alone decides: it gets the mail.
        Pass equal preferences in the order of their names, or the answer changes from one lookup to the next.
        The name has at most 128 characters of [a-z0-9._:-].
        """
        name = plain(domain)
        ruled = self.domains.get(name)
        if ruled is not None:
            return ruled
        best = plain(exchangers[0]) if exchangers else ""
        if best:
            provider = self._provider(best)
            if provider is not None:
                return provider
            if best != name and not best.endswith("." + name):
                name = best
        site = named(name)
        # A domain spelled like a provider is none of its domains.
        return f"domain:{site}" if site in self.providers else site

    def limits(self, site: str) -> Limits:
        """Return the limits of a site: its own where a section gives some, else the default."""
        return self.own.get(site, self.default)

    def rules(self, site: str, cls: str) -> tuple[Rule, ...]:
        """Return the rules for answers of a class from a site."""
        found = self.reactions.get(site) or self.reactions.get(EVERY_OTHER)
        return found.get(cls, ()) if found else ()

    def table(self) -> dict[str, Limits]:
        """Return the limits of each site that has its own, and under "*" those of every other."""
        return {EVERY_OTHER: self.default, **self.own}

    def _provider(self, host: str) -> str | None:
        found = self.hosts.get(host)
        dot = host.find(".")
        while found is None and dot >= 0:  # the longest suffix first: the narrowest pattern wins
            found = self.hosts.get(host[dot:])
            dot = host.find(".", dot + 1)
        return found
