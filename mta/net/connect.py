"""Open an SMTP session as policy asks, and try again with less only where policy forgives it.

A host that has to be encrypted is never spoken to in clear: the retry without TLS is for opportunistic sessions alone.
"""

import ssl
from dataclasses import replace

from mta.net.greet import greet
from mta.net.resolver import Host
from mta.net.terms import CannotBind, CannotConnect, Contexts, Dialling, Opened, Timeouts, Way
from mta.net.tls import contexts, opportunistic_context
from mta.policy.tls import Level, TlsNeed
from mta.reply import Reply
from mta.verdict import Stage

__all__ = [
    "CannotBind", "CannotConnect", "Contexts", "Dialling", "Opened", "Timeouts", "Way", "contexts", "open_session",
    "opportunistic_context",
]  # fmt: skip


async def open_session(
    host: Host,
    dialling: Dialling,
    tls: Contexts | ssl.SSLContext | None,
    need: TlsNeed | None = None,
    way: Way | None = None,
) -> Opened:
    """Return a session with `host` that has been greeted and has all that `need` asks; raise CannotConnect.

    `tls` None: TLS is off, and a host that needs it is refused; a single context can't ask who is there, so a host
    that must prove it is refused too. `need` None: encrypt where offered. A certificate that a policy in testing
    would not take, and a handshake that fails where TLS is not demanded, are tried again with less on a new
    connection; `Opened.fault` says so.
    """
    need = need or TlsNeed(Level.NONE if tls is None else Level.MAY)
    way = way or Way()
    _possible(host, tls, need, way)
    both = Contexts(tls, tls) if isinstance(tls, ssl.SSLContext) else tls
    fault = need.fault
    while True:
        try:
            opened = await greet(host, dialling, None if need.level is Level.NONE else both, need, way)
            return replace(opened, fault=fault or opened.fault)
        except CannotConnect as error:
            less = _less(need, error, way)
            if less is None:
                raise
            need, fault = less, fault or error.fault


def _possible(host: Host, tls: Contexts | ssl.SSLContext | None, need: TlsNeed, way: Way) -> None:
    why = need.refuse
    if not why and tls is None and (need.strict or way.implicit):
        why = "policy asks for TLS, which is off"
    if not why and isinstance(tls, ssl.SSLContext) and (need.level is Level.VERIFY or need.trial):
        why = "its certificate can't be checked: no authorities are loaded"
    if why:
        reply = Reply(451, (f"4.7.5 {host.name} [{host.address}]: {why}",), local=True)
        raise CannotConnect(Stage.STARTTLS, reply, need.fault)


def _less(need: TlsNeed, error: CannotConnect, way: Way) -> TlsNeed | None:
    """Return what to ask for after a failure of TLS; None when nothing less is allowed."""
    if error.stage is not Stage.STARTTLS:
        return None
    if need.trial:
        return replace(need, trial=())
    if need.level is Level.MAY and not way.implicit and way.login is None:
        return replace(need, level=Level.NONE)
    return None
