"""The inbound listener: takes mail to addresses of ours, says 250 when it is on disk, and reads it after.

Everything is refused in the session: no report of ours ever answers a forged sender (backscatter).
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aiosmtpd.smtp import Envelope as Received
from aiosmtpd.smtp import Session as Peer

from mta.inbound.addresses import target_of
from mta.inbound.doors import Doors
from mta.inbound.gate import Caps, Gate
from mta.inbound.processor import Processor
from mta.inbound.session import Entrance, Session
from mta.inbound.spool import Envelope, Spool

MAX_RECIPIENTS: Final = 100
_DAY: Final = 86400
_log = logging.getLogger("mta.inbound")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to listen, the name in the greeting, the limits."""

    host: str
    port: int
    hostname: str
    caps: Caps = field(default_factory=Caps)
    tls: ssl.SSLContext | None = None  # None: STARTTLS is not offered


class Listener:
    """Listens and processes from `start` to `stop`."""

    def __init__(self, doors: Doors, spool: Spool, settings: Settings) -> None:
        self.doors = doors
        self.spool = spool
        self.settings = settings
        self.gate = Gate(settings.caps)
        self.processor = Processor(doors, spool, settings.caps.max_days)
        self.handler = _Handler(self)
        self._servers: list[asyncio.Server] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port in use, for settings that left it to the system."""
        return int(self._servers[0].sockets[0].getsockname()[1])

    def use(self, settings: Settings) -> None:
        """Keep to other limits, name and certificate with sessions that begin from now on; the address stays."""
        self.settings, self.gate.caps = settings, settings.caps
        self.processor.max_days = settings.caps.max_days

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Open the port, or take `sockets` that somebody opened for us; raise OSError when it can't be.

        Begins with the reports of an earlier life.
        """
        # aiosmtpd logs every line it reads; what matters is counted here and told in events.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        await asyncio.to_thread(self.spool.prepare)
        loop = asyncio.get_running_loop()

        def entrance() -> Entrance:
            return Entrance(self.gate, self.handler, self.settings.hostname, self.settings.tls)

        if sockets:
            self._servers = [await loop.create_server(entrance, sock=one) for one in sockets]
        else:
            self._servers = [await loop.create_server(entrance, self.settings.host, self.settings.port)]
        self._task = asyncio.create_task(self.processor.run())

    async def stop(self, grace: float = 5.0) -> None:
        """Take no more connections, let sessions finish for `grace` seconds, process no more."""
        for server in self._servers:
            server.close()
        ends = asyncio.get_running_loop().time() + grace
        while any(session.receiving for session in self.handler.sessions):
            if asyncio.get_running_loop().time() > ends:
                break
            await asyncio.sleep(0.02)
        for session in list(self.handler.sessions):
            session.end("4.3.2 shutting down")
        self.processor.stop()
        if self._task is not None:
            await self._task
        await self.processor.reader.close()


class _Handler:
    """aiosmtpd's hooks."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.doors = listener.doors
        self.sessions: set[Session] = set()

    def refused(self, reason: str) -> None:
        """Count something refused."""
        self.doors.counted("inbound_refused_total", reason)

    async def handle_RCPT(
        self, server: Session, _: Peer, envelope: Received, address: str, __: list[str]
    ) -> str:
        """Only our own addresses exist here (mta.inbound.addresses)."""
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        today = int(self.doors.now()) // _DAY
        if target_of(address, self.doors.tokens, today, server.gate.caps.max_days) is None:
            self.refused("recipient")
            return "550 5.1.1 no such address here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: Session, peer: Peer, envelope: Received) -> str:
        """250 only when the report is on disk."""
        raw = envelope.original_content or b""
        kept = Envelope(
            sender=_text(envelope.mail_from),
            recipients=[_text(address) for address in envelope.rcpt_tos],
            ip=str(peer.peer[0]) if peer.peer else "",
            helo=_text(peer.host_name)[:255],
            ts=int(self.doors.now() * 1000),
        )
        try:
            if self.listener.processor.full:
                self.refused("backlog")
                return "452 4.3.1 too many reports wait, try again later"
            await asyncio.to_thread(self.listener.spool.add, kept, raw)
        except OSError as error:
            _log.error("a report could not be written: %s", error)
            return "452 4.3.1 can't store it now, try again later"
        finally:
            server.release()
        await self.listener.processor.added()
        return "250 2.0.0 ok"

    async def handle_exception(self, error: Exception) -> str:
        """A fault of ours is a temporary one for the peer, and tells it nothing."""
        _log.exception("inbound session", exc_info=error)
        return "451 4.3.0 internal error"


def _text(said: object) -> str:
    """What a client said, as text that can be written: octets that are no UTF-8 came as surrogates."""
    return str(said or "")[:512].encode("utf-8", "replace").decode()
