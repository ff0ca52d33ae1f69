"""What a site is given at most, and how a narrower rule changes a wider one.

TLS is no limit: how a session is secured is a policy of its own, decided where sessions are opened.
"""

from dataclasses import dataclass
from typing import Final

DAY: Final = 86_400

# Caps on what a file may ask for; beyond them a number is a slip, or a value that Redis would round.
MOST_SLACK: Final = 250.0  # ms
MOST_RATE: Final = 1_000_000.0
MOST: Final = {"burst": 1_000_000, "connections": 10_000, "messages": 1_000_000, "recipients": 1_000}


@dataclass(frozen=True, slots=True)
class Given:
    """What one section of a file says; None leaves that limit to the wider section."""

    rate: float | None = None
    burst: int | None = None
    connections: int | None = None
    messages: int | None = None
    recipients: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one path, from a pool of sources to a site."""

    rate: float = 0.0  # messages per second; 0 = no limit
    burst: int = 1  # messages that may go at once after a pause; counts with a rate only
    connections: int = 20  # open at once, over all processes
    messages: int = 1000  # per connection
    recipients: int = 100  # per transaction; every server takes 100 (RFC 5321 section 4.5.3.1.8)

    def merged(self, over: Given) -> "Limits":
        """Return these limits with what `over` says in their place.

        A burst belongs to its rate: a rate given without one has one second's worth of itself, at least 1,
        whatever the wider section's burst was.
        """
        rate = self.rate if over.rate is None else over.rate
        inherited = self.burst if over.rate is None else max(1, int(rate))
        return Limits(
            rate,
            inherited if over.burst is None else over.burst,
            self.connections if over.connections is None else over.connections,
            self.messages if over.messages is None else over.messages,
            self.recipients if over.recipients is None else over.recipients,
        )

    @property
    def interval(self) -> float:
        """Ms between two messages at the full rate; 0 = no limit."""
        return 1000.0 / self.rate if self.rate else 0.0

    @property
    def tolerance(self) -> float:
        """Ms that a burst may run ahead of the rate: what GCRA calls its limit."""
        return self.interval * (self.burst - 1)

    @property
    def slack(self) -> float:
        """Ms by which a permitted message may be late without more than the burst arriving at once.

        What a queue permits and a receiver sees differ by the way between them: half of what the burst allows, a
        quarter of a second at most, is kept for that.
        """
        return min(self.tolerance / 2, MOST_SLACK)

    @property
    def permitted_burst(self) -> float:
        """The burst that is permitted, so that with the slack the limit's own is never exceeded."""
        return self.burst - self.slack / self.interval if self.rate else float(self.burst)


BUILT_IN: Final = Limits()


def contradiction(limits: Limits, given: Given) -> str:
    """Return why what a section gives can't be meant with the rest, and the cure; empty when it can."""
    if given.burst is None:
        return ""
    if not limits.rate:
        return 'is a burst without a rate; write a rate such as rate = "100/min", or remove it'
    day = max(1, round(limits.rate * DAY))
    if limits.burst > day:
        return f"is {limits.burst}, more than the rate gives in a whole day; write at most {day}"
    return ""
