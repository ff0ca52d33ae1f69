"""One connection's first conversation: greeting, EHLO, TLS, AUTH by aiosmtplib; then the transport is handed over.

The hand-over is `transport.set_protocol` with nothing unread (its buffer is checked), so no byte of the
clear-text part can be taken for an answer of the encrypted one (CVE-2011-0411).
"""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from datetime import UTC, datetime
from typing import cast

import aiosmtplib
from aiosmtplib import SMTP
from aiosmtplib.protocol import SMTPProtocol

from mta.net.overheard import EARLY, Overheard
from mta.net.resolver import Host
from mta.net.terms import CannotBind, CannotConnect, Contexts, Dialling, Opened, Security, Way
from mta.net.tls import fault_of, shortfall
from mta.policy.tls import Level, TlsNeed
from mta.reply import Reply
from mta.verdict import Stage

SERVICE_CLOSING = 421
MOST_OF_LOGIN = 8  # replies of one AUTH exchange; the longest we know has three
FAILURES = (aiosmtplib.SMTPException, OSError, ssl.SSLError, TimeoutError, ValueError)


async def greet(host: Host, dialling: Dialling, tls: Contexts | None, need: TlsNeed, way: Way) -> Opened:
    """Return a session that has all that `need` asks, or whose `fault` says what was forgiven; raise CannotConnect.

    Without `tls` it stays clear, which is the caller's to have decided. A host that refuses hears QUIT.
    """
    times = dialling.timeouts
    asks_who = need.level is Level.VERIFY or bool(need.trial)
    context = None if tls is None else tls.verifying if asks_who else tls.encrypting
    client = SMTP(local_hostname=dialling.helo, start_tls=False, timeout=times.ehlo)
    wire = await dial(host, dialling, way.port or dialling.port)
    protocol = SMTPProtocol(loop=asyncio.get_running_loop())
    ears = Overheard(protocol)
    stage = Stage.STARTTLS if way.implicit else Stage.GREETING
    try:
        transport = await _started(wire, ears, context if way.implicit else None, host, need, times.greeting)
        client.protocol, client.transport = protocol, transport
        stage = Stage.GREETING
        greeting = await protocol.read_response(timeout=times.greeting)
        if greeting.code != 220:
            raise aiosmtplib.SMTPResponseException(greeting.code, greeting.message)
        stage = Stage.EHLO
        await _ehlo(client, ears, times.ehlo)
        security: Security = "clear"
        fault = ""
        if context is not None and not way.implicit:
            stage = Stage.STARTTLS
            if client.supports_extension("starttls"):
                name = _server_name(host, need)
                ears.due = 1
                await client.starttls(server_hostname=name, tls_context=context, timeout=times.greeting)
                ears.hear_anew(client.transport)
            else:
                fault = _unoffered(host, need)
        if client.get_transport_info("sslcontext") is not None:
            stage = Stage.STARTTLS
            security, fault = _checked(client, host, need)
        if security != "clear" and not way.implicit:
            stage = Stage.EHLO
            ears.due = 1
            await client.ehlo(timeout=times.ehlo)
        if way.login is not None:
            stage = Stage.EHLO
            if security == "clear":
                raise _refusal(host, Stage.EHLO, "4.7.4", "a password goes over TLS only", "")
            ears.due = MOST_OF_LOGIN
            await client.login(way.login.user, way.login.password, timeout=times.ehlo)
        return _hand_over(client, ears, host, security, fault)
    except CannotConnect:
        await _farewell(client, ears, times.quit)
        raise
    except aiosmtplib.SMTPResponseException as error:
        reply = _reply(error.code, error.message, ears.last)
        if not reply.local and reply.code != SERVICE_CLOSING:
            await _farewell(client, ears, times.quit)
        # A server that offers STARTTLS and then refuses it does not support it.
        why = "starttls-not-supported" if stage is Stage.STARTTLS else ""
        raise CannotConnect(stage, reply, why) from error
    except FAILURES as error:
        why = fault_of(error) if stage is Stage.STARTTLS else ""
        raise silent(stage, host, ears.fault or error, why) from error
    finally:
        client.close()


async def _started(
    wire: socket.socket,
    ears: Overheard,
    context: ssl.SSLContext | None,
    host: Host,
    need: TlsNeed,
    timeout: float,
) -> asyncio.Transport:
    """Return the transport of a connected socket, TLS from the first byte with `context`."""
    name = None if context is None else _server_name(host, need)
    try:
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: ears,
            sock=wire,
            ssl=context,
            server_hostname=name,
            ssl_handshake_timeout=None if context is None else timeout,
        )
    except BaseException:
        wire.close()
        raise
    return transport


async def _ehlo(client: SMTP, ears: Overheard, timeout: float) -> None:
    ears.due = 1
    try:
        await client.ehlo(timeout=timeout)
    except aiosmtplib.SMTPHeloError as error:
        if not 500 <= error.code <= 599:
            raise
        ears.due = 1
        await client.helo(timeout=timeout)


async def _farewell(client: SMTP, ears: Overheard, timeout: float) -> None:
    """Say goodbye to a host whose session is not wanted; what comes of it changes nothing."""
    if client.is_connected and not ears.fault:
        ears.due = 1
        with contextlib.suppress(*FAILURES):
            await client.quit(timeout=timeout)


def _unoffered(host: Host, need: TlsNeed) -> str:
    if need.strict:
        raise _refusal(
            host,
            Stage.STARTTLS,
            "4.7.4",
            "policy asks for TLS, which it does not offer",
            "starttls-not-supported",
        )
    return "starttls-not-supported" if need.trial else ""


def _checked(client: SMTP, host: Host, need: TlsNeed) -> tuple[Security, str]:
    """Return how secure the session is and what was forgiven; raise CannotConnect when policy does not forgive."""
    tls = cast(ssl.SSLObject, client.get_transport_info("ssl_object"))
    fault = shortfall(tls, need, datetime.now(UTC))
    if fault and need.level >= Level.VERIFY:
        text = f"its certificate is not what {need.by} policy asks for ({fault})"
        raise _refusal(host, Stage.STARTTLS, "4.7.5", text, fault)
    if need.level is Level.DANE:
        return "dane", ""
    return ("verified" if need.level is Level.VERIFY else "encrypted"), fault


def _server_name(host: Host, need: TlsNeed) -> str:
    # With DANE the name is the one the TLSA records stand at (RFC 7672 section 8.1).
    name = need.names[0] if need.level is Level.DANE and need.names else host.name
    return host.address if name.startswith("[") else name


async def dial(host: Host, dialling: Dialling, port: int) -> socket.socket:
    """Return a connected socket; raise CannotConnect, and CannotBind when our own address is at fault.

    A socket of our own: connecting has a shorter limit than the greeting, and a source that can't be bound must be
    told from a host that can't be reached.
    """
    family = socket.AF_INET6 if ":" in host.address else socket.AF_INET
    wire = socket.socket(family, socket.SOCK_STREAM)
    try:
        wire.setblocking(False)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if own := dialling.local(host.address):
            _bind(wire, own)
        async with asyncio.timeout(dialling.timeouts.connect):
            await _connected(wire, host.address, port)
    except (OSError, TimeoutError) as error:
        wire.close()
        raise silent(Stage.CONNECT, host, error) from error
    except (CannotBind, asyncio.CancelledError):
        wire.close()
        raise
    return wire


def _bind(wire: socket.socket, own: str) -> None:
    try:
        wire.bind((own, 0))
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        reply = Reply(451, (f"4.3.5 our address {own} can't be bound: {_why(error)}",), local=True)
        raise CannotBind(Stage.CONNECT, reply) from error


async def _connected(wire: socket.socket, address: str, port: int) -> None:
    # loop.sock_connect of uvloop has a thread look every address up, also one that is no name.
    began = wire.connect_ex((address, port))
    if began == errno.EINPROGRESS:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(wire, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(wire)
        began = wire.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if began:
        raise OSError(began, os.strerror(began))


def silent(stage: Stage, host: Host, error: BaseException | str, fault: str = "") -> CannotConnect:
    """Return what is said in the place of a server that said nothing usable."""
    why = error if isinstance(error, str) else _why(error)
    reply = Reply(451, (f"4.4.1 {host.name} [{host.address}]: {why}",), local=True)
    return CannotConnect(stage, reply, fault)


def _refusal(host: Host, stage: Stage, status: str, why: str, fault: str) -> CannotConnect:
    reply = Reply(451, (f"{status} {host.name} [{host.address}]: {why}",), local=True)
    return CannotConnect(stage, reply, fault)


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError) and not error.args:
        return "timed out"
    if isinstance(error, ssl.SSLError):
        return str(error)[:500]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)[:500] or type(error).__name__


def _reply(code: int, message: str, heard: Reply | None) -> Reply:
    if heard is not None and heard.code == code:
        return heard
    return Reply(451, (f"4.5.0 not an SMTP reply: {message[:200]!a}",), local=True)


def _hand_over(client: SMTP, ears: Overheard, host: Host, security: Security, fault: str) -> Opened:
    """Take the transport out of aiosmtplib's hands; from now on nothing of that client may be used.

    What is touched here is held to by a contract test (tests/net): `transport`, `protocol`, `protocol._buffer` and
    `last_ehlo_response`.
    """
    protocol, transport = client.protocol, client.transport
    if ears.fault or protocol is None or transport is None or transport.is_closing():
        raise silent(Stage.EHLO, host, ears.fault or "connection lost")
    if protocol._buffer:
        raise silent(Stage.EHLO, host, EARLY)
    cipher = transport.get_extra_info("cipher")
    # What an old server says to HELO offers nothing, whatever it looks like.
    lines = ears.last.lines if client.last_ehlo_response and ears.last is not None else ()
    client.transport = None
    client.protocol = None
    tls = f"{cipher[1]} {cipher[0]}" if cipher else ""
    return Opened(cast(asyncio.Transport, transport), host, lines, tls, security, fault)
