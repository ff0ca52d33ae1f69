"""A tenant as the engine holds it: what it may send, as whom, and how its readers are treated (promise P12)."""

import msgspec


class Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A member of the platform; empty fields leave the choice to the engine's settings."""

    id: str
    from_domains: list[str] = []  # empty: any domain (only where unknown tenants are welcome)
    bounce_domain: str = ""
    track_host: str = ""
    weight: int = 1
    classes: list[str] = []  # empty: all
    rate: float = 0.0  # messages per second; 0 = no limit of its own
    quota: float = 0.0  # messages per day
    urgent_quota: float = 0.0
    dkim: list[tuple[str, str]] = []  # (domain, selector); empty: every key found for the From domain
    pools: list[str] = []
    review: bool | None = None  # None: the first campaigns, where the engine looks at those of new tenants
    ip: str = "truncate"  # readers' addresses: keep | truncate | drop
    opens: bool = True
    clicks: bool = True

    def may_send_as(self, domain: str) -> bool:
        """Whether mail From this domain is the tenant's own: the domain itself or one below it."""
        return not self.from_domains or any(
            domain == own or domain.endswith("." + own) for own in self.from_domains
        )


def bounce_domain(profile: Profile, default: str, from_domain: str) -> str:
    """Return the domain of a tenant's return paths."""
    return profile.bounce_domain or default or f"bounces.{from_domain}"


def track_host(profile: Profile, default: str, from_domain: str) -> str:
    """Return the host name in a tenant's beacons and links."""
    return profile.track_host or default or f"track.{from_domain}"


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Profile).decode
