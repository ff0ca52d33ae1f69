"""Routes: domains whose mail goes to a host the operator names (a smarthost) and not where the DNS says."""

from collections.abc import Iterable
from dataclasses import dataclass

from mta.policy.patterns import PatternError, Patterns
from mta.policy.tls import Level, TlsNeed


class RouteError(ValueError):
    """A route that can't be; the message names the member and the cure."""


@dataclass(frozen=True, slots=True)
class Route:
    """One way out for the domains that its patterns cover.

    `host` is a host name or an address (`[192.0.2.1]`); no MX is asked for, and a private address is allowed, since
    the operator wrote it. `domains` hold `example.com`, `*.example.com` (all below it) and `*` (all that no other
    route covers). `implicit`: TLS from the first byte, as on port 465 (RFC 8314). With `user` the password is the first
    line of `password_file`.
    """

    host: str
    port: int = 587
    domains: tuple[str, ...] = ("*",)
    level: Level = Level.VERIFY
    implicit: bool = False
    user: str = ""
    password_file: str = ""
    names: tuple[str, ...] = ()  # to look for in the certificate; none = the host's

    def __post_init__(self) -> None:
        if not self.host:
            raise RouteError("host: is missing; write the name or address of the host to send to")
        if not 1 <= self.port <= 65535:
            raise RouteError(f"port: {self.port} is none; write 1 to 65535")
        if self.level is Level.DANE:
            raise RouteError("tls: a route has none of the DNS's promises; write verify")
        if self.user and not self.password_file:
            raise RouteError("password_file: is missing; name the file that holds the password")
        if self.user and self.level < Level.ENCRYPT:
            raise RouteError("tls: a password goes over TLS only; write encrypt or verify")
        if self.implicit and self.level < Level.ENCRYPT:
            raise RouteError("tls: a connection that begins with TLS has it; write encrypt or verify")

    @property
    def need(self) -> TlsNeed:
        """What the session with it needs; no policy of the recipients' domains counts, the operator's does."""
        names = (self.names or (self.host,)) if self.level is Level.VERIFY else ()
        return TlsNeed(self.level, "domain", names)


class Routes:
    """Looks a domain's route up, whatever their number; raises RouteError for two routes with one pattern."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        try:
            self._table = Patterns((pattern, route) for route in routes for pattern in route.domains)
        except PatternError as error:
            raise RouteError(f"domains: {error}") from None

    def __repr__(self) -> str:
        return f"<Routes {self._table!r}>"

    def __bool__(self) -> bool:
        return bool(self._table)

    def find(self, domain: str) -> Route | None:
        """Return the route of a domain (lower case, A-labels); None: where the DNS says."""
        return self._table.find(domain)
