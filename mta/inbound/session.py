"""One inbound SMTP session: aiosmtpd's, with the bounds it lacks.

aiosmtpd has no limit on connections, on the time of a session that keeps talking, nor on a line without an end
once a message is too large. Its line limit of 1,001 bytes would lose reports with long lines for good, since their
sender is null and nobody hears of the refusal.
"""

import asyncio
import re
import ssl
from typing import Any, Final, cast

from aiosmtpd.smtp import SMTP, TLSSetupException

from mta.inbound.gate import Gate

MAX_LINE: Final = 1 << 20
_PLAIN = re.compile(r"""<([!#-'*+\--9=?A-Z^-~]{1,128}(?:@[A-Za-z0-9.-]{1,255})?|)>((?: .*)?)""")
"""A path (RFC 5321 section 4.1.2) without route, quotes and octets outside ASCII, and its parameters."""
_CALLS: Final = {"DATA": 50, "RCPT": 500, "MAIL": 100, "RSET": 100, "NOOP": 50, "*": 30}


class Session(SMTP):
    """Counts what it receives and ends in time; made by `Entrance` for a peer that the gate let in."""

    line_length_limit = MAX_LINE

    def __init__(
        self, handler: Any, gate: Gate, hostname: str, ip: str, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(
            handler,
            data_size_limit=gate.caps.max_size,
            enable_SMTPUTF8=True,  # RFC 6533 reports quote addresses in UTF-8
            hostname=hostname,
            ident="ESMTP",
            timeout=gate.caps.timeout,
            tls_context=tls,
            command_call_limit=_CALLS,
            loop=asyncio.get_running_loop(),
        )
        self.gate = gate
        self.ip = ip
        self.received = 0
        self._held = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or go on under TLS; the session's last moment is fixed the first time."""
        super().connection_made(transport)
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.gate.caps.session, self.end, "4.4.2 session too long")

    def data_received(self, data: bytes) -> None:
        """Count, then let aiosmtpd read."""
        self.received += len(data)
        self._held += len(data)
        self.gate.held += len(data)
        if self.received > self.gate.caps.session_bytes:
            self.end("4.3.4 too much data for one session")
        elif self.gate.held > self.gate.caps.bytes_in_all:
            self.end("4.3.2 too much under way, try again later")
        else:
            super().data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        """Give back what was counted."""
        if self._deadline is not None:
            self._deadline.cancel()
        self.release()
        self.gate.leave(self.ip)
        self.event_handler.sessions.discard(self)
        super().connection_lost(error)

    @property
    def receiving(self) -> bool:
        """Whether a message is under way."""
        return bool(self.envelope is not None and self.envelope.rcpt_tos)

    def release(self) -> None:
        """What has come so far is no longer in memory: it is on disk, or refused."""
        self.gate.held -= self._held
        self._held = 0

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        # aiosmtpd takes every address through a parser of whole header fields, which costs as much as all the rest.
        found = _PLAIN.fullmatch(arg)
        if found is None:
            return super()._getaddr(arg)
        return found[1] or "<>", found[2]

    def end(self, why: str) -> None:
        """Say 421 and close, whether or not the peer reads it."""
        # A cast and no isinstance: uvloop's transports have the methods but not the ancestor.
        transport = cast(asyncio.Transport | None, self.transport)
        if transport is None or transport.is_closing():
            return
        transport.write(f"421 {why}\r\n".encode("ascii"))
        transport.close()
        self.loop.call_later(1.0, transport.abort)

    async def _handle_client(self) -> None:
        try:
            await super()._handle_client()
        except (ConnectionError, TLSSetupException):
            pass  # the peer went away: connection_lost has said all there is


class Entrance(asyncio.Protocol):
    """Stands at the door until the peer is known: a refused connection costs one line, not a session."""

    def __init__(self, gate: Gate, handler: Any, hostname: str, tls: ssl.SSLContext | None = None) -> None:
        self.gate = gate
        self.handler = handler
        self.hostname = hostname
        self.tls = tls

    def connection_made(self, given: asyncio.BaseTransport) -> None:
        """Refuse, or hand over to a session."""
        transport = cast(asyncio.Transport, given)
        peer = transport.get_extra_info("peername")
        ip = str(peer[0]) if peer else ""
        why = self.gate.enter(ip)
        if why:
            self.handler.refused(why)
            transport.write(b"421 4.7.0 too many connections, try again later\r\n")
            transport.close()
            asyncio.get_running_loop().call_later(1.0, transport.abort)
            return
        session = Session(self.handler, self.gate, self.hostname, ip, self.tls)
        self.handler.sessions.add(session)
        transport.set_protocol(session)
        session.connection_made(transport)
