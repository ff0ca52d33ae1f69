"""The receiving side: one process that plays many mail domains on loopback.

Used by the demo, by the benches as their sink, and by tests as the server to send to. It is quick, so that a
bench measures the engine and not the sink, and it counts what a sender cannot see from its own end.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

from mta.demo.behaviour import Behaviour
from mta.demo.bounces import Bouncer
from mta.demo.capture import Capture, Envelope, Received
from mta.demo.counts import Counts
from mta.demo.policy import Policy
from mta.demo.session import Session

SIZE_LIMIT = 50 * 1024 * 1024  # octets of one message
BACKLOG = 1024


class Receiver:
    """An SMTP server with a Behaviour per recipient domain and per listening address.

    `domains` decides about recipients; `hosts` (by listening address) about greetings and connections, and
    about recipients whose domain is not in `domains`; `default` stands in for both. `bounce_to` is the
    inbound server (host, port) that gets the notifications of `bounce_share`. `arrivals` gets one line
    per accepted message: seconds since 1970, listening address, sender, recipients, Message-ID, by tabs.
    """

    def __init__(
        self,
        default: Behaviour | None = None,
        *,
        domains: Mapping[str, Behaviour] | None = None,
        hosts: Mapping[str, Behaviour] | None = None,
        seed: str = "",
        name: str = "mx.demo.test",
        tls: ssl.SSLContext | None = None,
        size_limit: int = SIZE_LIMIT,
        capture: Capture | None = None,
        bounce_to: tuple[str, int] | None = None,
        arrivals: TextIO | None = None,
    ) -> None:
        self.default = default or Behaviour()
        self.domains = dict(domains or {})
        self.hosts = dict(hosts or {})
        self.counts = Counts()
        self.policy = Policy(seed)
        self.name = name.encode("ascii")
        self.tls = tls
        self.size_limit = size_limit
        self.capture = capture
        self.sessions: set[Session] = set()
        self.port = 0
        self._bouncer = Bouncer(*bounce_to, self.counts) if bounce_to else None
        self._arrivals = arrivals
        self._servers: list[asyncio.Server] = []

    async def start(self, hosts: Sequence[str] = ("127.0.0.1",), port: int = 0) -> int:
        """Listen on every address of `hosts` at one port, and return it; 0 takes a free one."""
        loop = asyncio.get_running_loop()
        for host in hosts:
            server = await loop.create_server(lambda: Session(self, loop), host, port, backlog=BACKLOG)
            self._servers.append(server)
            port = server.sockets[0].getsockname()[1]
        self.port = port
        return port

    async def start_control(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen for readers of the counters: each connection gets one JSON document and its end."""

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(json.dumps(self.snapshot()).encode() + b"\n")
            try:
                await writer.drain()
            except OSError:
                pass  # the reader left
            writer.close()

        server = await asyncio.start_server(answer, host, port)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening, cut every connection, and forget notifications not yet sent."""
        for server in self._servers:
            server.close()
        for session in list(self.sessions):
            session.abort()
        if self._bouncer:
            await self._bouncer.stop()
        await asyncio.sleep(0)  # lets the transports tell their sessions
        if self._arrivals:
            self._arrivals.flush()

    def snapshot(self) -> dict[str, object]:
        """Return the counters as a JSON object, with the number of captured messages."""
        return self.counts.snapshot() | {"captured": self.capture.count if self.capture else 0}

    def behaviour(self, domain: str, host: str) -> Behaviour:
        """Return how recipients at `domain` fare on a connection to the listening address `host`."""
        return self.domains.get(domain) or self.hosts.get(host, self.default)

    def greeting(self, *, extended: bool, tls: bool) -> bytes:
        """Return the reply to EHLO or HELO."""
        if not extended:
            return b"250 " + self.name + b"\r\n"
        words = [self.name, b"PIPELINING", b"8BITMIME", b"SMTPUTF8", b"ENHANCEDSTATUSCODES"]
        words.append(b"SIZE %d" % self.size_limit)
        if self.tls and not tls:
            words.append(b"STARTTLS")
        return b"".join(b"250-" + word + b"\r\n" for word in words[:-1]) + b"250 " + words[-1] + b"\r\n"

    def accept(self, envelope: Envelope, body: bytes) -> bytes:
        """Take one message: count it, keep it, plan its return; give the reply line."""
        name = message_id(body)
        counts = self.counts
        counts.accept(name, envelope.recipients, len(body))
        if self.capture and self.capture.room:
            recipients = tuple(recipient for recipient, _ in envelope.recipients)
            self.capture.keep(
                Received(envelope.sender, recipients, body, time.time(), envelope.host, envelope.tls)
            )
        if self._arrivals:
            recipients_text = ",".join(recipient for recipient, _ in envelope.recipients)
            self._arrivals.write(
                f"{time.time():.6f}\t{envelope.host}\t{envelope.sender}\t{recipients_text}"
                f"\t{name.decode('utf-8', 'replace')}\n"
            )
        if self._bouncer:
            for recipient, domain in envelope.recipients:
                theirs = self.behaviour(domain, envelope.host)
                if self.policy.bounces(theirs, recipient):
                    self._bouncer.later(
                        theirs.bounce_after_s,
                        envelope.sender,
                        recipient,
                        body,
                        theirs.bounce_status,
                        self.name.decode(),
                    )
        return b"250 2.0.0 queued as %d\r\n" % counts.messages


def message_id(body: bytes) -> bytes:
    """Return the value of the Message-ID field, folded lines joined; empty when there is none."""
    end = body.find(b"\r\n\r\n")
    head = b"\n" + (body if end < 0 else body[: end + 2])
    at = head.lower().find(b"\nmessage-id:")
    if at < 0:
        return b""
    line, _, rest = head[at + 12 :].partition(b"\r\n")
    while not line.strip() and rest[:1] in (b" ", b"\t"):  # folded before the identifier, as RFC 5322 allows
        line, _, rest = rest.partition(b"\r\n")
    return line.strip()
