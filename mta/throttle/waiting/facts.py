"""What is known of one message that waits: values alone, gathered by whoever can read the queue.

All times are ms since 1970, 0 = none or not known; intervals and tolerances are those of GCRA, in ms.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Closed:
    """A scope that is closed: which, `suspended` or `held`, why, by whom, and until when (0: until opened)."""

    scope: str  # in words: "campaign acme/spring"
    state: str
    reason: str = ""
    by: str = ""
    until: int = 0


@dataclass(frozen=True, slots=True)
class Own:
    """The rate and daily quotas of a tenant, a campaign or a source; 0 = none. `used` today, of a day of UTC."""

    scope: str  # in words: "tenant acme"
    interval: float = 0.0
    tolerance: float = 0.0
    tat: float = 0.0  # theoretical arrival time
    per_day: int = 0
    used: int = 0
    again: int = 0  # when the queue looks at it again; 0: it is not kept aside


@dataclass(frozen=True, slots=True)
class Rival:
    """Another tenant on the path, or campaign of the tenant: what it has waiting, its weight and virtual time."""

    waiting: int
    weight: float = 1.0
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One level of taking turns: one's own place in virtual time, and the others'."""

    name: str  # in words: "your campaign"
    weight: float = 1.0
    since: float = 0.0
    others: tuple[Rival, ...] = ()

    @property
    def place(self) -> int:
        """Which one is in turn, from 1."""
        return 1 + sum(one.since < self.since for one in self.others)


@dataclass(frozen=True, slots=True)
class Path:
    """A path's limits and what of them is used; `connections` 0 = not known, `pace` messages/s of one session."""

    pool: str
    site: str
    interval: float = 0.0
    tolerance: float = 0.0
    tat: float = 0.0
    connections: int = 0
    open: int = 0
    idle: int = 0
    pace: float = 0.0
    paused_until: int = 0
    paused_by: str = ""  # the reply that paused it
    next: int = 0  # when the queue looks at it again
    stopped_until: int = 0  # by a rule of the shaping file about answers
    slower: str = ""  # why its rate is below its limit, in words
    fewer: bool = False  # its receiver refused connections: there are less than its limit

    @property
    def busy(self) -> int:
        """Connections in use."""
        return max(0, self.open - self.idle)


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source of the pool: its path to the site, its gate, and while it warms up its cap (-1: none) and what is used.

    `own_ladder`: the site has a ladder of its own; without, all such sites share one.
    """

    name: str
    path: Path
    closed: Closed | None = None
    cap: int = -1
    used: int = 0
    own: Own | None = None
    own_ladder: bool = True


@dataclass(frozen=True, slots=True)
class Flight:
    """A worker has it: under a lease of so many ms (below 0: over for so long)."""

    worker: str
    lease_ms: int


@dataclass(frozen=True, slots=True)
class Later:
    """It waits for a time: after an attempt (`attempts` > 0), or for the start that was set, or for its window."""

    at: int
    attempts: int = 0
    reply: str = ""
    window: bool = False  # its campaign's delivery hours are over


@dataclass(frozen=True, slots=True)
class Packed:
    """It is in a pack: in the store, on its site's shelf, or being opened (`opening`)."""

    where: str  # store | shelf | opening
    ready: int = 0  # messages of its class that are in lanes
    ready_most: int = 0  # above it nothing more is opened without being asked for
    asked: int = 0  # how many messages workers asked for and did not find


@dataclass(frozen=True, slots=True)
class Final:
    """It is finished: the kind of its final event, when, and what was said."""

    kind: str
    at: int
    said: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. At most one of `flight`, `later`, `packed` and `final` is there; without one it is in a lane."""

    now: int
    cls: str = ""
    known: bool = True  # False: nothing was found
    ahead: int = 0  # messages of the same lane, or shelf, before it
    higher: int = 0  # messages of higher classes in lanes of the path
    path: Path | None = None  # of several sources' that which may send first
    sources: tuple[SourceState, ...] = ()  # where the pool names some
    closed: tuple[Closed, ...] = ()
    own: tuple[Own, ...] = ()
    campaign: Turn | None = None  # among the tenant's campaigns
    tenant: Turn | None = None  # among the path's tenants
    flight: Flight | None = None
    later: Later | None = None
    packed: Packed | None = None
    final: Final | None = None
    opens: int = 0  # when its campaign's delivery window opens; 0: it is open, or there is none
    expires: int = 0
    workers: int = -1  # with a lease; -1 = not known
    looked: tuple[str, ...] = ()  # where nothing was found
