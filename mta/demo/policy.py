"""What a receiving domain answers to one RCPT: the tables that a Behaviour needs to be kept over time.

Time is an argument (seconds, any steady clock), so a test can let an hour pass in a line.
"""

from mta.demo.behaviour import Behaviour, Fate, draw, fate

MAX_ROWS = 1_000_000  # per table; a full one is emptied, as a real greylist forgets

UNKNOWN = b"550 5.1.1 no such user here\r\n"
TRY_LATER = b"451 4.3.0 mailbox temporarily unavailable\r\n"
GREYLISTED = b"450 4.7.1 greylisted, try again later\r\n"
TOO_FAST = b"451 4.7.1 too much mail from you, slow down\r\n"
TOO_FAST_CLOSING = b"421 4.7.0 too much mail from you, closing\r\n"


class Policy:
    """Decides recipients. One per receiver: the tables are shared by its sessions, as at a real site."""

    def __init__(self, seed: str = "") -> None:
        self.seed = seed
        self.steps: tuple[float, ...] = ()  # rates in place of a Behaviour's own, one after the other
        self.step_s = 60.0  # how long each holds, from the first recipient on
        self._began: float | None = None
        self._tries: dict[str, int] = {}  # recipient -> temporary refusals given
        self._first_seen: dict[tuple[str, str], float] = {}  # (sender domain, recipient) -> first try
        self._buckets: dict[str, tuple[float, float]] = {}  # domain -> (tokens, when)
        self._dropped: set[str] = set()

    def refusal(
        self, behaviour: Behaviour, domain: str, sender: str, recipient: str, now: float
    ) -> tuple[str, bytes] | None:
        """Return (kind, reply line) when the recipient is refused, None when it is accepted.

        A permanent refusal comes before every limit, as at receivers that look the mailbox up first.
        """
        end = fate(behaviour, recipient, self.seed)
        if end is Fate.PERMANENT:
            return "permanent", UNKNOWN
        if behaviour.rate and not self._spend(domain, self._rate(behaviour, now), now):
            return "rate", TOO_FAST if behaviour.rate_code == 451 else TOO_FAST_CLOSING
        if behaviour.greylist_s:
            pair = (sender.rpartition("@")[2].lower(), recipient)
            if len(self._first_seen) >= MAX_ROWS:
                self._first_seen.clear()
            if now - self._first_seen.setdefault(pair, now) < behaviour.greylist_s:
                return "greylist", GREYLISTED
        if end is Fate.TEMPORARY:
            if len(self._tries) >= MAX_ROWS:
                self._tries.clear()
            tries = self._tries.get(recipient, 0)
            if tries < behaviour.temp_times or behaviour.temp_times == 0:
                self._tries[recipient] = tries + 1
                return "temporary", TRY_LATER
        return None

    def bounces(self, behaviour: Behaviour, recipient: str) -> bool:
        """True when an accepted message to `recipient` is to be returned later."""
        return behaviour.bounce_share > 0 and fate(behaviour, recipient, self.seed) is Fate.BOUNCE

    def drops(self, behaviour: Behaviour, recipient: str) -> bool:
        """True, once per recipient, when the connection is to be cut before the reply to the dot."""
        if draw(recipient, self.seed, "drop") >= behaviour.drop_dot_share or recipient in self._dropped:
            return False
        if len(self._dropped) >= MAX_ROWS:
            self._dropped.clear()
        self._dropped.add(recipient)
        return True

    def _rate(self, behaviour: Behaviour, now: float) -> float:
        if not self.steps:
            return behaviour.rate
        self._began = now if self._began is None else self._began
        return self.steps[int((now - self._began) / self.step_s) % len(self.steps)]

    def _spend(self, domain: str, rate: float, now: float) -> bool:
        burst = max(rate, 1.0)
        tokens, when = self._buckets.get(domain, (burst, now))
        tokens = min(burst, tokens + (now - when) * rate)
        if tokens < 1.0:
            self._buckets[domain] = (tokens, now)
            return False
        self._buckets[domain] = (tokens - 1.0, now)
        return True
