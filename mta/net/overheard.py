"""What a server says before its session is handed over, read by our own rules while aiosmtplib converses.

aiosmtplib takes the code of a reply's last line, and drops what was said unasked; both have carried lies in other
clients. So every octet passes here first: what our reader does not take, or nobody asked for, ends the connection.
"""

import asyncio

from aiosmtplib.protocol import SMTPProtocol

from mta.reply import Reply
from mta.smtp.replies import ProtocolError, ReplyReader

EARLY = "the server spoke before it was asked"


class Overheard(asyncio.Protocol):
    """Stands between a transport and aiosmtplib's protocol; `due` is how many replies may come.

    `last` is the newest reply as we read it, `fault` why the connection was broken off by us.
    """

    def __init__(self, client: SMTPProtocol) -> None:
        self.due = 1  # the greeting
        self.last: Reply | None = None
        self.fault = ""
        self._client = client
        self._reader = ReplyReader()

    def hear_anew(self, transport: asyncio.Transport) -> None:
        """Listen on a transport that took the place of another: nothing of what came before counts."""
        self._reader = ReplyReader()
        self.last = None
        transport.set_protocol(self)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing has been said yet."""
        self._client.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Read what came, and let aiosmtplib have it if it is in order."""
        if self.fault:
            return
        try:
            replies = self._reader.feed(data)
        except ProtocolError as error:
            self._broken(error.why)
            return
        self.due -= len(replies)
        if self.due < 0 or (self.due == 0 and self._reader.partial):
            self._broken(EARLY)
            return
        if replies:
            self.last = replies[-1]
        self._client.data_received(data)

    def eof_received(self) -> bool:
        """The server has closed its side."""
        return self._client.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._client.connection_lost(exc)

    def _broken(self, why: str) -> None:
        self.fault = why
        transport = self._client.transport
        if isinstance(transport, asyncio.Transport):
            transport.abort()
