"""Open an SMTP session: aiosmtplib connects, greets and upgrades to TLS; then the transport is handed over.

The hand-over is `transport.set_protocol` with nothing unread (its buffer is checked), so no byte of the
clear-text part can be taken for an answer of the encrypted one (CVE-2011-0411).
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import cast

import aiosmtplib
from aiosmtplib import SMTP

from mta.net.resolver import Host
from mta.reply import Reply
from mta.verdict import Stage


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


@dataclass(frozen=True, slots=True)
class Dialling:
    """How sessions are opened: port, HELO name, source address, TLS."""

    port: int = 25
    helo: str = "localhost"
    source: str = ""
    tls: str = "opportunistic"  # or "off"
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True)
class Opened:
    """A session ready for transactions: the transport and what the server said of itself."""

    transport: asyncio.Transport  # its protocol is aiosmtplib's until the caller sets its own, at once
    host: Host
    ehlo: tuple[str, ...]  # the lines of the last EHLO reply
    tls: str  # "TLSv1.3 TLS_AES_256_GCM_SHA384", or empty


class CannotConnect(Exception):
    """No session with this host; `reply` is the server's, or ours in its place."""

    def __init__(self, stage: Stage, reply: Reply) -> None:
        super().__init__(f"{stage.value}: {reply}")
        self.stage = stage
        self.reply = reply


def opportunistic_context() -> ssl.SSLContext:
    """Return a context that encrypts without asking who is there (RFC 7435), TLS 1.2 or later."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _silent(stage: Stage, host: Host, why: str) -> CannotConnect:
    return CannotConnect(stage, Reply(451, (f"4.4.1 {host.name} [{host.address}]: {why}",), local=True))


async def open_session(host: Host, dialling: Dialling, context: ssl.SSLContext | None) -> Opened:
    """Return a session with `host` that has been greeted and, where offered, encrypted; raise CannotConnect.

    A TLS handshake that fails is tried again in clear when policy is opportunistic, on a new connection.
    """
    try:
        return await _open(host, dialling, context)
    except CannotConnect as error:
        if error.stage is not Stage.STARTTLS or context is None:
            raise
    return await _open(host, dialling, None)


async def _open(host: Host, dialling: Dialling, context: ssl.SSLContext | None) -> Opened:
    times = dialling.timeouts
    wire = await _dial(host, dialling)
    client = SMTP(sock=wire, local_hostname=dialling.helo, start_tls=False, use_tls=False, timeout=times.ehlo)
    stage = Stage.GREETING
    try:
        await client.connect(timeout=times.greeting)
        stage = Stage.EHLO
        try:
            await client.ehlo(timeout=times.ehlo)
        except aiosmtplib.SMTPHeloError as error:
            if not 500 <= error.code <= 599:
                raise
            await client.helo(timeout=times.ehlo)
        tls = ""
        if context is not None and client.supports_extension("starttls"):
            stage = Stage.STARTTLS
            await client.starttls(server_hostname=host.name, tls_context=context, timeout=times.greeting)
            stage = Stage.EHLO
            await client.ehlo(timeout=times.ehlo)
            cipher = client.get_transport_info("cipher")
            tls = f"{cipher[1]} {cipher[0]}" if cipher else "yes"
        return _hand_over(client, host, tls)
    except aiosmtplib.SMTPResponseException as error:
        client.close()
        raise CannotConnect(stage, _reply(error.code, error.message)) from error
    except (aiosmtplib.SMTPException, OSError, ssl.SSLError, TimeoutError) as error:
        client.close()
        raise _silent(stage, host, _why(error)) from error
    except asyncio.CancelledError:
        client.close()
        raise


async def _dial(host: Host, dialling: Dialling) -> socket.socket:
    # Our own socket: connecting has a shorter limit than the greeting, and a source that can't be bound
    # must be told from a host that can't be reached.
    family = socket.AF_INET6 if ":" in host.address else socket.AF_INET
    wire = socket.socket(family, socket.SOCK_STREAM)
    try:
        wire.setblocking(False)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if dialling.source:
            wire.bind((dialling.source, 0))
        loop = asyncio.get_running_loop()
        await asyncio.wait_for(
            loop.sock_connect(wire, (host.address, dialling.port)), dialling.timeouts.connect
        )
    except (OSError, TimeoutError) as error:
        wire.close()
        raise _silent(Stage.CONNECT, host, _why(error)) from error
    except asyncio.CancelledError:
        wire.close()
        raise
    return wire


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError) and not error.args:
        return "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _reply(code: int, message: str) -> Reply:
    if not 200 <= code <= 599:
        return Reply(451, (f"4.5.0 not an SMTP reply: {message[:200]}",), local=True)
    return Reply(code, tuple(message[:2048].split("\n")))


def _hand_over(client: SMTP, host: Host, tls: str) -> Opened:
    """Take the transport out of aiosmtplib's hands; from now on nothing of that client may be used.

    What is touched here is held to by a contract test (tests/net): `transport`, `protocol`, `protocol._buffer`,
    `last_ehlo_response`, and the connect lock that `close()` would release.
    """
    protocol, transport = client.protocol, client.transport
    ehlo = client.last_ehlo_response
    if protocol is None or transport is None or transport.is_closing():
        raise _silent(Stage.EHLO, host, "connection lost")
    if protocol._buffer:
        client.close()
        raise _silent(Stage.EHLO, host, "the server spoke before it was asked")
    client.transport = None
    client.protocol = None
    client.close()
    lines = tuple(ehlo.message.split("\n")) if ehlo else ()
    return Opened(cast(asyncio.Transport, transport), host, lines, tls)
