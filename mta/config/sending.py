"""Settings of the way out: workers, limits, retries, sessions, DNS."""

from dataclasses import dataclass
from typing import Annotated as A
from typing import Literal

from mta.config.units import Bounds, Duration, Rate

COUNT = Bounds(1, 1_000_000)
NONE_OR_MORE = Bounds(0, 1_000_000)
TIME = Bounds(0.001, 400 * 86400)


@dataclass(frozen=True, slots=True)
class Workers:
    """[workers]"""

    count: A[int, Bounds(0, 256), "sending processes; 0 = one per core"] = 0
    sessions: A[int, COUNT, "open SMTP connections per worker"] = 500
    opening: A[int, COUNT, "connections a worker may be opening at once"] = 32
    idle: A[Duration, TIME, "how long an unused connection is kept for the next message"] = 10.0
    connection_age: A[Duration, TIME, "age at which a connection is closed and made anew"] = 300.0
    messages_per_connection: A[int, COUNT, "messages after which a connection is closed and made anew"] = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """[limits]: what the shaping file does not say."""

    shaping: A[str, "file of limits per site; empty = the one that comes with the engine, none = no file"] = (
        ""
    )
    rate: A[Rate, NONE_OR_MORE, "messages per second to one receiving site from one pool; 0 = no limit"] = (
        100.0
    )
    burst: A[int, NONE_OR_MORE, "messages that may go at once after a pause; 0 = one second's worth"] = 0
    connections: A[int, COUNT, "connections to one receiving site from one pool"] = 10
    batch: A[int, Bounds(1, 256), "messages a connection takes from the queue at once"] = 64
    unreachable: A[Duration, TIME, "pause of a site none of whose hosts answers"] = 30.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """[retry.urgent], [retry.transactional], [retry.bulk]"""

    first: A[Duration, TIME, "shortest wait before another try"] = 300.0
    factor: A[float, Bounds(0, 100), "a wait is the message's age times this"] = 1.0
    most: A[Duration, TIME, "longest wait between tries"] = 4 * 3600.0
    lifetime: A[Duration, TIME, "age at which an undelivered message expires"] = 4 * 86400.0
    jitter: A[float, Bounds(0, 10), "share of a wait that chance may add, so that failures spread"] = 0.2


@dataclass(frozen=True, slots=True)
class Retry:
    """[retry]: one schedule per class."""

    urgent: Schedule = Schedule(first=60.0, factor=0.5, most=1800.0, lifetime=86400.0)
    transactional: Schedule = Schedule(first=120.0, most=2 * 3600.0)
    bulk: Schedule = Schedule()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """[net.timeouts]: the defaults are the minima of RFC 5321 4.5.3.2, where it has one."""

    connect: A[Duration, TIME, "TCP connection"] = 30.0
    greeting: A[Duration, TIME, "the server's first 220"] = 300.0
    ehlo: A[Duration, TIME, "reply to EHLO and STARTTLS"] = 300.0
    mail: A[Duration, TIME, "reply to MAIL"] = 300.0
    rcpt: A[Duration, TIME, "reply to RCPT"] = 300.0
    data: A[Duration, TIME, "reply to DATA"] = 120.0
    body: A[Duration, TIME, "one block of the message to be taken"] = 180.0
    dot: A[Duration, TIME, "reply to the final dot"] = 600.0
    quit: A[Duration, TIME, "reply to QUIT"] = 10.0
    deadline: A[Duration, TIME, "one whole transaction, however slowly it moves"] = 1800.0
    least_rate: A[int, NONE_OR_MORE, "octets a second of a message that a receiver must take; 0 = any"] = 500


@dataclass(frozen=True, slots=True)
class Net:
    """[net]"""

    smtp_port: A[int, Bounds(1, 65535), "port of the receiving servers; another than 25 is for tests"] = 25
    resolver: A[tuple[str, ...], 'DNS servers as "ip" or "ip:port"; empty = those of the system'] = ()
    allow_private: A[bool, "send to private and loopback addresses: for tests"] = False
    helo: A[str, "name said in EHLO; empty = this host's full name"] = ""
    source: A[str, "local IP address to send from; empty = the system chooses"] = ""
    tls: A[
        Literal["opportunistic", "off"],
        "opportunistic: encrypt where offered, more where policy asks; off: never, save by [tls] and [[routes]]",
    ] = "opportunistic"
    tls_minimum: A[Literal["1.2", "1.3"], "oldest version of TLS that is spoken"] = "1.2"
    tls_authorities: A[str, "PEM file of authorities whose certificates are good; empty = the system's"] = ""
    dane: A[bool, "keep to TLSA records; needs a resolver that validates and is trusted"] = True
    mta_sts: A[bool, "keep to MTA-STS policies of receiving domains"] = True
    trusted_resolver: A[
        Literal["auto", "yes", "no"],
        "believe that what the DNS servers mark as validated is; auto: when all are on this machine",
    ] = "auto"
    ipv6: A[bool, "use IPv6 addresses of receiving servers"] = True
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True)
class Dns:
    """[dns]"""

    cache: A[int, Bounds(100, 10_000_000), "answers kept in memory by each worker"] = 100_000
    least_ttl: A[Duration, Bounds(0, 3600), "an answer is kept at least this long"] = 30.0
    most_ttl: A[Duration, TIME, "an answer is kept at most this long"] = 86400.0
    negative_ttl: A[Duration, TIME, "how long the absence of a name is believed"] = 60.0
    stale: A[
        Duration,
        Bounds(0, 30 * 86400),
        "how long an answer past its time serves while no server answers; 0 = not",
    ] = 86400.0
    failure_ttl: A[Duration, Bounds(0, 300), "a question nobody answered is not asked again for so long"] = (
        5.0
    )
    parallel: A[int, Bounds(1, 10_000), "questions a process has under way at once"] = 256
    timeout: A[Duration, TIME, "wait for one server's answer"] = 3.0
    lifetime: A[Duration, TIME, "wait for an answer over all tries"] = 10.0


@dataclass(frozen=True, slots=True)
class TlsReports:
    """[tls_reports]: what RFC 8460 asks of those who send."""

    sender: A[
        str,
        "From address of daily reports to domains that ask for them; its domain has a DKIM key; empty = off",
    ] = ""
    organization: A[str, "who reports; empty = the sender's domain"] = ""
    contact: A[str, "address for questions about reports; empty = the sender"] = ""
    tenant: A[str, "tenant whose mail the reports are"] = "default"
