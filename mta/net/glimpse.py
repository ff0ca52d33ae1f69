"""One look at one mail host for people: what it says, what it offers, which certificate it shows; then QUIT.

No MAIL is sent. The look encrypts whoever is there, since it wants to see what a strict session would refuse; whether
mail would go is asked of `mta.net.connect` afterwards, by the very code that sends it.
"""

import asyncio
import ssl
from dataclasses import dataclass, replace

import aiosmtplib
from aiosmtplib import SMTP

from mta.net.connect import open_session
from mta.net.greet import FAILURES, dial
from mta.net.resolver import Host
from mta.net.terms import CannotConnect, Contexts, Dialling, Way
from mta.net.tls import chain_of, fault_of
from mta.policy.names import covers
from mta.policy.shown import Shown, shown
from mta.policy.tls import Level, TlsNeed

MOST_LINES = 64  # of an EHLO reply
MOST_TEXT = 512  # characters of a line that are kept
_SPOKEN = (*FAILURES, CannotConnect)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What was seen; `fault` says in words why it ended early, `trusted` is None when no certificate was shown."""

    greeting: str = ""
    ehlo: tuple[str, ...] = ()  # in clear, without the first line
    secure_ehlo: tuple[str, ...] = ()  # under TLS
    starttls: bool = False
    tls: str = ""  # "TLSv1.3"
    cipher: str = ""
    certificate: Shown | None = None
    chain: int = 0  # certificates sent
    trusted: bool | None = None  # by a known authority, whatever its names
    distrust: str = ""  # why not: a result type of RFC 8460 section 4.3
    named: bool | None = None  # whether its names cover the host's
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a session that mail may go over can be had, by the engine's own rules; else the reply in its place."""

    good: bool
    why: str = ""
    security: str = ""
    forgiven: str = ""  # what fell short of policy and is let pass


async def glimpse(host: Host, dialling: Dialling, tls: Contexts, way: Way | None = None) -> Glimpse:
    """Return what a host shows; never raises what a peer causes.

    A host whose certificate is not trusted is asked a second time, without asking who it is.
    """
    way = way or Way()
    seen, error = await _look(host, dialling, tls.verifying, way)
    fault = fault_of(error) if isinstance(_root(error), ssl.SSLCertVerificationError) else ""
    if not fault:
        return seen
    seen, _ = await _look(host, dialling, tls.encrypting, way)
    return replace(seen, trusted=None if seen.certificate is None else False, distrust=fault)


async def decision(
    host: Host, dialling: Dialling, tls: Contexts, need: TlsNeed | None, way: Way | None = None
) -> Decision:
    """Return whether mail could go to a host now, by opening a session as for mail, and leaving it with QUIT."""
    off = dialling.tls == "off" and (need is None or need.level is Level.NONE)
    try:
        opened = await open_session(host, dialling, None if off else tls, need, way)
    except CannotConnect as error:
        return Decision(False, _cut(f"{error.stage.value}: {error.reply}"))
    opened.transport.write(b"QUIT\r\n")
    opened.transport.close()
    return Decision(True, "", opened.security, opened.fault)


async def _look(
    host: Host, dialling: Dialling, context: ssl.SSLContext, way: Way
) -> tuple[Glimpse, BaseException | None]:
    times = dialling.timeouts
    name = host.address if host.name.startswith("[") else host.name
    client = SMTP(
        hostname=name if way.implicit else None,
        local_hostname=dialling.helo,
        start_tls=False,
        use_tls=way.implicit,
        tls_context=context if way.implicit else None,
        timeout=times.ehlo,
    )
    seen = Glimpse()
    try:
        wire = await dial(host, dialling, way.port or dialling.port)
        greeting = await client.connect(sock=wire, timeout=times.greeting)
        seen = replace(seen, greeting=_cut(f"{greeting.code} {greeting.message}"))
        seen = replace(seen, ehlo=await _ehlo(client, times.ehlo))
        seen = replace(seen, starttls=client.supports_extension("starttls"))
        if seen.starttls:
            await client.starttls(server_hostname=name, tls_context=context, timeout=times.greeting)
        if client.get_transport_info("sslcontext") is not None:
            seen = _secured(client, seen, host, context)
        if seen.starttls:
            seen = replace(seen, secure_ehlo=await _ehlo(client, times.ehlo))
        await client.quit(timeout=times.quit)
        return seen, None
    except _SPOKEN as error:
        return replace(seen, fault=_cut(_why(error))), error
    finally:
        client.close()


async def _ehlo(client: SMTP, timeout: float) -> tuple[str, ...]:
    try:
        reply = await client.ehlo(timeout=timeout)
    except aiosmtplib.SMTPHeloError as error:
        if not 500 <= error.code <= 599:
            raise
        await client.helo(timeout=timeout)
        return ()
    return tuple(_cut(line) for line in reply.message.split("\n")[1 : MOST_LINES + 1])


def _secured(client: SMTP, seen: Glimpse, host: Host, context: ssl.SSLContext) -> Glimpse:
    tls = client.get_transport_info("ssl_object")
    cipher = client.get_transport_info("cipher")
    assert isinstance(tls, ssl.SSLObject)
    chain = chain_of(tls)
    certificate = shown(chain[0]) if chain else None
    return replace(
        seen,
        tls=str(cipher[1]) if cipher else "",
        cipher=str(cipher[0]) if cipher else "",
        certificate=certificate,
        chain=len(chain),
        trusted=None if certificate is None else context.verify_mode is ssl.CERT_REQUIRED,
        named=None if certificate is None else covers(certificate.names, (host.name,)),
    )


def _root(error: BaseException | None) -> BaseException | None:
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    return error


def _why(error: BaseException) -> str:
    if isinstance(error, CannotConnect):
        return str(error.reply)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"
    if isinstance(error, TimeoutError | asyncio.TimeoutError) and not error.args:
        return "timed out"
    return str(error) or type(error).__name__


def _cut(text: str) -> str:
    return text.strip().replace("\r", "").replace("\n", " ")[:MOST_TEXT]
