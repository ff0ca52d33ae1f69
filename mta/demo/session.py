"""One incoming SMTP connection: a protocol written for speed, strict about line ends.

Commands are answered in the order they came, many in one write. A delay puts replies on a queue that keeps
that order; what the peer sent is still judged at once, as if the delay were distance. A dot counts as open
from the moment it was read until its reply has been handed to the kernel.
"""

import asyncio
import ssl
from typing import TYPE_CHECKING, cast

from mta.demo import commands
from mta.demo.capture import Envelope
from mta.demo.incoming import Ending, bare_ends, unstuff
from mta.demo.outbox import After, Outbox

if TYPE_CHECKING:
    from mta.demo.receiver import Receiver

MAX_LINE = 2048  # octets of a command line; RFC 5321 4.5.3.1.4 asks for 512
MAX_RECIPIENTS = 1000  # per transaction


class Session(asyncio.Protocol):
    """One connection to a Receiver."""

    def __init__(self, receiver: "Receiver", loop: asyncio.AbstractEventLoop) -> None:
        self._receiver = receiver
        self._counts = receiver.counts
        self._loop = loop
        self._transport: asyncio.Transport
        self._host = ""
        self._here = receiver.default  # behaviour of the listening address
        self._site = ""  # domain of the first recipient: what this connection is counted for
        self._buffer = bytearray()
        self._receiving = False  # DATA was taken, its line is being left
        self._ending: Ending | None = None  # set while a message comes in
        self._outbox = Outbox(loop, receiver.counts, self._begin_tls)
        self._ended = self._upgrading = self._tls = self._greeted = self._quit = False
        self._upgrade: asyncio.Task[None] | None = None
        self._messages = 0
        self._last = receiver.default  # behaviour of the last transaction's recipient, first of the address
        self._reset()

    def _reset(self) -> None:
        """Forget the transaction; delays stay those of the last recipient's domain."""
        self._sender: str | None = None
        self._flags = ""
        self._recipients: list[tuple[str, str]] = []
        self._behaviour = self._last

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast and no isinstance: uvloop's transports have the methods but not the ancestor.
        self._transport = self._outbox.transport = cast(asyncio.Transport, transport)
        self._host = transport.get_extra_info("sockname")[0]
        self._here = self._last = self._behaviour = self._receiver.hosts.get(
            self._host, self._receiver.default
        )
        self._receiver.sessions.add(self)
        self._counts.opened(self._host)
        limit = self._here.max_connections
        if limit and self._counts.open_at[self._host] > limit:
            self._counts.refuse("connections")
            self._say(b"421 4.7.0 too many connections from you\r\n", after=After.CLOSE)
        else:
            self._say(b"220 " + self._receiver.name + b" ESMTP\r\n")
        self._outbox.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        self._receiver.sessions.discard(self)
        self._outbox.lose(heard=self._quit)
        self._counts.closed(self._host, self._site)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        buffer = self._buffer
        buffer += data
        if self._upgrading:  # decrypted bytes may come before the new transport is known: keep them
            return
        start = 0
        while not self._ended:
            ending = self._ending
            if ending:
                end = ending.find(buffer)
                if end < 0:
                    if len(buffer) - ending.start > self._receiver.size_limit + MAX_LINE:
                        self._say(commands.TOO_BIG, after=After.CLOSE)
                    break
                body = bytes(buffer[ending.start + 2 : end + 2])
                if ending.stuffed:
                    body, clean = unstuff(body)
                    if not clean:
                        self._counts.fault("unstuffed_dot")
                start = end + 5
                self._ending = None
                self._message(body)
            else:
                end = buffer.find(b"\r\n", start)
                if end < 0:
                    if len(buffer) - start > MAX_LINE:
                        self._counts.fault("long_line")
                        self._say(b"500 5.5.2 line too long\r\n", after=After.CLOSE)
                    break
                line = bytes(buffer[start:end])
                start = end + 2
                self._command(line)
                if self._receiving:
                    self._receiving = False
                    self._ending = Ending(end)
                    start = end
                elif self._upgrading:
                    if len(buffer) > start:  # RFC 3207 4.2: what came before the handshake is not trusted
                        self._counts.fault("data_after_starttls")
                    start = len(buffer)
                    break
        del buffer[:start]
        if self._ending:
            self._ending.moved(start)
        self._outbox.flush()

    def _command(self, line: bytes) -> None:
        self._counts.commands += 1
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text = "\r"
        if "\n" in text or "\r" in text:
            self._counts.fault("command_line")
            return self._say(b"500 5.5.2 line is not UTF-8 or holds a bare CR or LF\r\n")
        verb = text[:4].upper()
        if verb == "RCPT" and text[4:5] == " ":
            return self._rcpt(text)
        if verb == "MAIL" and text[4:5] == " ":
            return self._mail(text)
        word = text.partition(" ")[0].upper()
        if word == "DATA":
            if self._sender is None:
                return self._say(commands.ORDER)
            if not self._recipients:
                return self._say(b"554 5.5.1 no valid recipients\r\n")
            self._receiving = True
            return self._say(commands.GO_AHEAD)
        if word in ("EHLO", "HELO"):
            self._reset()
            self._greeted = True
            return self._say(self._receiver.greeting(extended=word == "EHLO", tls=self._tls))
        if word == "RSET":
            self._reset()
            return self._say(commands.OK)
        if word == "QUIT":
            self._quit = True
            return self._say(b"221 2.0.0 bye\r\n", after=After.CLOSE)
        if word == "STARTTLS" and self._receiver.tls and not self._tls:
            self._upgrading = True
            self._transport.pause_reading()
            return self._say(b"220 2.0.0 go ahead\r\n", after=After.STARTTLS)
        if word in ("NOOP", "VRFY"):
            return self._say(commands.OK if word == "NOOP" else b"252 2.1.5 send some mail\r\n")
        self._counts.fault("unknown_command")
        return self._say(b"500 5.5.1 command not recognised\r\n")

    def _mail(self, text: str) -> None:
        limit = self._last.close_after
        if limit and self._messages >= limit:
            self._counts.refuse("session_limit")
            return self._say(b"421 4.3.2 enough messages for one connection\r\n", after=After.CLOSE)
        if self._sender is not None or not self._greeted:
            return self._say(commands.ORDER)
        path = commands.path(text, "FROM:")
        if path is None:
            return self._say(commands.SYNTAX)
        self._flags = path.parameters
        if not path.address.isascii() and "SMTPUTF8" not in self._flags:
            return self._say(commands.NEEDS_UTF8)
        if path.size > self._receiver.size_limit:
            return self._say(commands.TOO_BIG)
        self._sender = path.address
        return self._say(commands.SENDER_OK)

    def _rcpt(self, text: str) -> None:
        if self._sender is None:
            return self._say(commands.ORDER)
        path = commands.path(text, "TO:")
        if path is None or not path.address:
            return self._say(commands.SYNTAX)
        recipient, domain = path.address, path.domain
        behaviour = self._receiver.behaviour(domain, self._host)
        if not self._site:
            self._site = domain
            self._counts.bound(domain)
        if not self._recipients:
            self._behaviour = behaviour
        if len(self._recipients) >= MAX_RECIPIENTS:
            return self._say(b"452 4.5.3 too many recipients\r\n")
        if not recipient.isascii() and "SMTPUTF8" not in self._flags:
            return self._say(commands.NEEDS_UTF8)
        if not behaviour.plain:
            refusal = self._receiver.policy.refusal(
                behaviour, domain, self._sender, recipient, self._loop.time()
            )
            if refusal:
                self._counts.refuse(refusal[0])
                return self._say(
                    refusal[1], after=After.CLOSE if refusal[1].startswith(b"421") else After.NOTHING
                )
        self._recipients.append((recipient, domain))
        return self._say(commands.RECIPIENT_OK)

    def _message(self, body: bytes) -> None:
        counts, behaviour = self._counts, self._behaviour
        if len(body) > self._receiver.size_limit:
            self._reset()
            self._say(commands.TOO_BIG)
            return
        if bare_ends(body):
            counts.fault("bare_cr_or_lf")
        if not body.isascii() and "BODY=8BITMIME" not in self._flags and "SMTPUTF8" not in self._flags:
            counts.fault("undeclared_8bit")
        counts.dot()
        self._messages += 1
        assert self._sender is not None
        envelope = Envelope(self._sender, self._recipients, self._host, self._tls)
        code = self._receiver.accept(envelope, body)
        cut = behaviour.drop_dot_share and self._receiver.policy.drops(behaviour, self._recipients[0][0])
        last = cut or (behaviour.drop_after and self._messages >= behaviour.drop_after)
        counts.dropped += bool(last)
        self._last = behaviour
        self._reset()
        after = After.CLOSE if last else After.NOTHING
        self._say(b"" if cut else code, behaviour.dot_delay_ms, after, dot=True)

    def _say(
        self, text: bytes, delay_ms: float = 0.0, after: After = After.NOTHING, dot: bool = False
    ) -> None:
        if after is After.CLOSE:
            self._ended = True  # nothing more is read; what is queued still goes out
        self._outbox.add(text, delay_ms or self._behaviour.reply_delay_ms, after, dot)

    def _begin_tls(self) -> None:
        self._upgrade = self._loop.create_task(self._start_tls())

    async def _start_tls(self) -> None:
        assert self._receiver.tls
        try:
            transport = await self._loop.start_tls(
                self._transport, self, self._receiver.tls, server_side=True
            )
        except (OSError, ssl.SSLError):
            self._counts.fault("tls_handshake")
            self._transport.abort()
            return
        self._transport = self._outbox.transport = cast(asyncio.Transport, transport)
        self._counts.connections_tls += 1
        self._tls, self._upgrading, self._greeted = True, False, False
        self._reset()
        self.data_received(b"")

    def abort(self) -> None:
        """Cut the connection at once."""
        self._transport.abort()
