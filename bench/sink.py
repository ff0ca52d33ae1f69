"""The sink of every bench: the demo's receiver as a process of its own, told by its flags how to behave.

Prints one JSON line when it listens (port, control port), and one with all counts at SIGTERM or SIGINT.
Whoever connects to the control port gets the counts of that moment as one JSON document.
"""

import asyncio
import gc
import json
import signal
import ssl
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import click
import uvloop

from mta.demo import certificate
from mta.demo.behaviour import Behaviour, BehaviourError, behaviour_of
from mta.demo.capture import Capture
from mta.demo.receiver import Receiver

SCHEMA = 1


def behaviours(path: Path | None, default: Behaviour) -> dict[str, Behaviour]:
    """Return name -> Behaviour from a JSON file of overrides over `default`; raise BehaviourError."""
    if path is None:
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BehaviourError(f"{path}: not JSON: {error}") from error
    made = {}
    for name, data in document.items():
        try:
            made[name.lower()] = behaviour_of(data, default)
        except BehaviourError as error:
            raise BehaviourError(f"{path}: {name}: {error}") from error
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where the sink listens."""

    hosts: tuple[str, ...]
    port: int
    control_port: int


async def run(receiver: Receiver, where: Where, loop_name: str) -> dict[str, object]:
    """Serve until SIGTERM or SIGINT; return the final document."""
    port = await receiver.start(where.hosts, where.port)
    control = await receiver.start_control(where.hosts[0], where.control_port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gc.collect()
    gc.freeze()  # what start-up made is never garbage: later collections need not look at it
    ready = {"ready": True, "port": port, "control_port": control, "hosts": where.hosts, "loop": loop_name}
    print(json.dumps(ready), flush=True)
    before = getrusage(RUSAGE_SELF)
    await stop.wait()
    after = getrusage(RUSAGE_SELF)
    counts = receiver.snapshot()
    await receiver.stop()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    each = cpu / receiver.counts.messages * 1e6 if receiver.counts.messages else None
    return {"bench": "sink", "schema": SCHEMA, "cpu_seconds": cpu, "cpu_us_per_message": each, **counts}


def _start(loop_name: str, main: Coroutine[Any, Any, dict[str, object]]) -> dict[str, object]:
    factory = uvloop.new_event_loop if loop_name == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


def _context(own: bool, cert: Path | None, key: Path | None, name: str) -> ssl.SSLContext | None:
    if cert and key:
        return certificate.server_context(cert.read_bytes(), key.read_bytes())
    return certificate.server_context(*certificate.make([name])) if own else None


def _address(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host and port.isdecimal() else None


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(context_settings={"show_default": True})
@click.option("--host", "hosts", multiple=True, default=("127.0.0.1",), help="May be given many times.")
@click.option("--port", default=2525, help="0 takes a free one.")
@click.option("--control-port", default=0, help="Counts as JSON for whoever connects; 0 takes a free one.")
@click.option("--delay-ms", default=0.0, help="Before every reply.")
@click.option("--dot-delay-ms", default=0.0, help="Before the reply to the final dot.")
@click.option("--temp-share", default=0.0, help="Share of recipients refused with 451.")
@click.option("--temp-times", default=1, help="How often each of those; 0 is always.")
@click.option("--perm-share", default=0.0, help="Share of recipients refused with 550.")
@click.option("--bounce-share", default=0.0, help="Share of recipients accepted and returned by a DSN.")
@click.option("--bounce-after-s", default=1.0)
@click.option("--bounce-to", default="", help="host:port of the inbound server that gets the DSNs.")
@click.option("--greylist-s", default=0.0)
@click.option("--max-connections", default=0, help="Per listening address; 0 is no limit.")
@click.option("--rate", default=0.0, help="Recipients per second and domain; 0 is no limit.")
@click.option("--rate-steps", default="", help="Rates in place of it, one after the other: 60,30,45.")
@click.option("--rate-step-s", default=60.0, help="How long each of them holds, from the first recipient on.")
@click.option("--rate-code", type=click.Choice(["451", "421"]), default="451")
@click.option("--close-after", default=0, help="421 after this many messages in a session.")
@click.option("--drop-after", default=0, help="Cut the connection after this many messages.")
@click.option("--drop-dot-share", default=0.0, help="Share of recipients: accepted, cut before the reply.")
@click.option("--seed", default="", help="Decides which recipients the shares fall on.")
@click.option("--name", default="mx.sink.test", help="In greeting and EHLO.")
@click.option("--size-limit", default=50 * 1024 * 1024, help="Octets of one message.")
@click.option("--tls/--no-tls", default=False, help="Offer STARTTLS with a certificate made now.")
@click.option("--tls-cert", type=FILE, default=None, help="PEM; with --tls-key, in place of one made now.")
@click.option("--tls-key", type=FILE, default=None)
@click.option("--capture", "directory", type=click.Path(file_okay=False, path_type=Path), default=None)
@click.option("--capture-max", default=2000)
@click.option("--arrivals", type=click.Path(dir_okay=False, path_type=Path), help="A line per message.")
@click.option("--domains", type=FILE, default=None, help="JSON: recipient domain to settings of its own.")
@click.option("--addresses", type=FILE, default=None, help="JSON: listening address to settings of its own.")
@click.option("--loop", "loop_name", type=click.Choice(["uvloop", "asyncio"]), default="uvloop")
@click.option("--json", "compact", is_flag=True, help="The final document on one line.")
def main(
    hosts: tuple[str, ...], port: int, control_port: int, delay_ms: float, dot_delay_ms: float,
    temp_share: float, temp_times: int, perm_share: float, bounce_share: float, bounce_after_s: float,
    bounce_to: str, greylist_s: float, max_connections: int, rate: float, rate_steps: str, rate_step_s: float,
    rate_code: str, close_after: int, drop_after: int, drop_dot_share: float, seed: str, name: str,
    size_limit: int, tls: bool,
    tls_cert: Path | None, tls_key: Path | None, directory: Path | None, capture_max: int,
    arrivals: Path | None, domains: Path | None, addresses: Path | None, loop_name: str, compact: bool,
) -> None:  # fmt: skip
    """Receive mail by SMTP on loopback, count it, and misbehave as told."""
    try:
        default = Behaviour(
            reply_delay_ms=delay_ms, dot_delay_ms=dot_delay_ms, temp_share=temp_share, temp_times=temp_times,
            perm_share=perm_share, bounce_share=bounce_share, bounce_after_s=bounce_after_s,
            greylist_s=greylist_s, max_connections=max_connections,
            rate=rate or (1.0 if rate_steps else 0.0), rate_code=int(rate_code),
            close_after=close_after, drop_after=drop_after, drop_dot_share=drop_dot_share,
        )  # fmt: skip
        steps = tuple(float(word) for word in rate_steps.split(",") if word)
        by_domain, by_address = behaviours(domains, default), behaviours(addresses, default)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if bool(tls_cert) != bool(tls_key):
        raise click.UsageError("--tls-cert and --tls-key go together")
    if bounce_to and _address(bounce_to) is None:
        raise click.UsageError(f"--bounce-to wants host:port, not {bounce_to!r}")

    lines = arrivals.open("w", encoding="utf-8") if arrivals else None

    async def serve() -> dict[str, object]:
        receiver = Receiver(
            default, domains=by_domain, hosts=by_address, seed=seed, name=name, size_limit=size_limit,
            tls=_context(tls, tls_cert, tls_key, name), bounce_to=_address(bounce_to),
            capture=Capture(capture_max, directory) if directory else None, arrivals=lines,
        )  # fmt: skip
        receiver.policy.steps, receiver.policy.step_s = steps, rate_step_s
        return await run(receiver, Where(hosts=hosts, port=port, control_port=control_port), loop_name)

    try:
        final = _start(loop_name, serve())
    finally:
        if lines:
            lines.close()
    print(json.dumps(final, indent=None if compact else 2), flush=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
