"""What a worker is given: its settings as plain values, and the doors it works with."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from mta.dkim.multibuffer import MultiBuffer
from mta.net.connect import Contexts, Dialling, Opened
from mta.net.policies import Policies
from mta.net.resolver import Resolver
from mta.policy.routes import Routes
from mta.policy.tlsrpt import Counts
from mta.queue.lanes import FLOOR, PathDefaults, Queue, Result
from mta.queue.suppression import Suppressions
from mta.queue.wake import Bell
from mta.reply import Reply
from mta.smtp.dialogue import Dialogue
from mta.throttle.pools import Pools, Source
from mta.throttle.retry import Schedule
from mta.throttle.shaping import Shaping
from mta.tracking.token import Keys
from mta.verdict import Stage
from mta.workers.contents import Contents
from mta.workers.journal import Journal
from mta.workers.outcome import Judged
from mta.workers.sources import Sources
from mta.workers.stops import Stops


@dataclass(frozen=True, slots=True)
class Plan:
    """A worker's settings."""

    name: str
    lease_ms: int = 30_000
    sessions: int = 500
    opening: int = 32  # sessions being opened at once: connecting costs ten times a message
    in_flight: int = 4096
    courier: bool = False  # takes urgent and transactional mail alone, so that bulk never keeps its processor
    idle_seconds: float = 10.0
    age_seconds: float = 300.0  # of a session, after which it takes no other batch
    batch_most: int = 64
    floor: float = FLOOR  # share of what is sent that a lower class gets while higher ones wait too
    permission_seconds: float = 2.0  # a taken message not started by then is given back
    shaping: Shaping = field(default_factory=Shaping)
    defaults: PathDefaults = field(default_factory=lambda: PathDefaults(batch=8))
    dialling: Dialling = field(default_factory=Dialling)
    pools: Pools = field(default_factory=Pools)  # without any every session is opened as `dialling` says
    schedules: tuple[Schedule, Schedule, Schedule] = (Schedule(), Schedule(), Schedule())
    signature_seconds: int | None = 7 * 86400
    unreachable_pause_ms: int = 30_000

    def way_out(self, source: Source | None) -> Dialling:
        """Return how sessions from a source are opened; None: from the nameless one."""
        if source is None:
            return self.dialling
        return replace(
            self.dialling,
            source=source.address,
            source6=source.address6,
            helo=source.helo or self.dialling.helo,
        )


class Transcribing(Protocol):
    """Who writes down what is said in sessions (mta.workers.transcript)."""

    def dialogue(self, path: str, opened: Opened, *, pipeline: bool) -> Dialogue:
        """Return the dialogue of a session that was opened on a path."""


def _uncounted(*_: object) -> None:
    return None


@dataclass(slots=True)
class Doors:
    """Queue, lists, resolver, contents, keys, journal; how replies are classified; who is told of results.

    `counted` is told (metric, labels...), `timed` (metric, seconds, labels...). `policies` None: every host is asked
    for what `tls` can, and nothing is demanded. `tls_counts` None: no TLS reports. `sources` suspends those that fail.
    """

    queue: Queue
    bell: Bell
    suppressions: Suppressions
    resolver: Resolver
    contents: Contents
    tokens: Keys
    journal: Journal
    tls: Contexts | ssl.SSLContext | None
    classify: Callable[[Reply, Stage], Judged]
    told: Callable[[Result], None]
    counted: Callable[..., None] = _uncounted
    timed: Callable[..., None] = _uncounted
    policies: Policies | None = None
    routes: Routes = field(default_factory=Routes)
    tls_counts: Counts | None = None
    stops: Stops | None = None  # None: lists are read at submission alone
    transcript: Transcribing | None = None  # None: nobody looks at what is said
    sources: Sources = field(default_factory=Sources)
    multibuffer: MultiBuffer | None = None  # None: signatures are made one at a time
