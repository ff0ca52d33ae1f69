"""What a session is opened with, and what comes of it: plain values that callers share."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Literal

from mta.net.resolver import Host
from mta.reply import Reply
from mta.verdict import Stage

Security = Literal["clear", "encrypted", "verified", "dane"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; the defaults are RFC 5321 4.5.3.2's minima, except connecting, which TCP alone decides."""

    connect: float = 30.0
    greeting: float = 300.0
    ehlo: float = 300.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    body: float = 180.0
    dot: float = 600.0
    quit: float = 10.0
    deadline: float = 1800.0  # one whole transaction, however slowly it moves
    least_rate: float = (
        500.0  # octets a second of a message that a receiver must take; 0 = any (Postfix: the same)
    )


@dataclass(frozen=True, slots=True)
class Dialling:
    """How sessions are opened: port, HELO name, source addresses (one of each kind, or none), TLS."""

    port: int = 25
    helo: str = "localhost"
    source: str = ""
    source6: str = ""
    tls: str = "opportunistic"  # or "off"
    timeouts: Timeouts = Timeouts()

    def local(self, address: str) -> str | None:
        """Return what to bind to for a host's address; empty: the system chooses, None: there is none of its kind."""
        for own in (self.source, self.source6):
            if own and (":" in own) == (":" in address):
                return own
        return None if self.source or self.source6 else ""


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are to a host that asks for it (RFC 4954); never printed."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"<Login {self.user}>"


@dataclass(frozen=True, slots=True)
class Way:
    """What a route changes: `port` 0 leaves the usual one; `implicit` is TLS from the first byte (RFC 8314)."""

    port: int = 0
    implicit: bool = False
    login: Login | None = None


@dataclass(frozen=True, slots=True)
class Contexts:
    """The two TLS contexts all sessions share: one that asks who is there, one that does not."""

    encrypting: ssl.SSLContext
    verifying: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Opened:
    """A session ready for transactions: the transport and what the server said of itself."""

    transport: asyncio.Transport  # its protocol is aiosmtplib's until the caller sets its own, at once
    host: Host
    ehlo: tuple[str, ...]  # the lines of the last EHLO reply
    tls: str  # "TLSv1.3 TLS_AES_256_GCM_SHA384", or empty
    security: Security = "clear"
    fault: str = ""  # what fell short of policy and was forgiven: a result type of RFC 8460 section 4.3


class CannotConnect(Exception):
    """No session with this host; `reply` is the server's, or ours in its place.

    `fault` names a failure of TLS as RFC 8460 section 4.3 does, and is empty for all others.
    """

    def __init__(self, stage: Stage, reply: Reply, fault: str = "") -> None:
        super().__init__(f"{stage.value}: {reply}")
        self.stage = stage
        self.reply = reply
        self.fault = fault


class CannotBind(CannotConnect):
    """The source address is not on this host: no receiver is to blame, and none was spoken to."""
